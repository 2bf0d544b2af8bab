package managertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/manager"
)

// nodes shows the list that a server published, to those who may read it, and
// what the policies' status says.
func (w *world) nodes(t *testing.T) {
	admin := w.as(t, "admin")
	published := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: report.ConfigMap}, Data: map[string]string{report.NodesKey: `[
{"name":"n1","state":"in step","since":"2026-11-25T12:00:00Z","policies":3},
{"name":"n2","state":"behind","since":"2026-11-25T12:00:00Z","error":"the kernel <refuses>","policies":2,"drift":1}
]`}}
	maps := w.core.CoreV1().ConfigMaps(report.Namespace)
	if err := maps.Delete(w.ctx, report.ConfigMap, metav1.DeleteOptions{}); err == nil {
		t.Log("the server of this control plane had published a list")
	}
	var list manager.NodeList
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/nodes", nil, &list))
	if list.Available || !strings.Contains(some(list.Reason), "no node has reported yet") {
		t.Errorf("%+v", list)
	}
	if _, err := maps.Create(w.ctx, published, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/nodes", nil, &list))
	if !list.Available || list.InStep != 1 || len(list.Nodes) != 2 || list.Nodes[1].State != "behind" || some(list.Nodes[1].Error) != "the kernel <refuses>" || list.Nodes[1].Drift != 1 {
		t.Errorf("%+v", list)
	}
	nobody := w.as(t, "nobody")
	list = manager.NodeList{}
	nobody.want(http.StatusOK, nobody.do("GET", "/api/v1/nodes", nil, &list))
	if list.Available || len(list.Nodes) > 0 || !strings.Contains(some(list.Reason), "you may not read") {
		t.Errorf("nobody: %+v", list)
	}
	var d manager.Draft
	w.eventually(t, "the status of a policy", func() bool {
		admin.want(http.StatusOK, admin.do("GET", "/api/v1/policy?id=NetworkPolicy/blue/be", nil, &d))
		return d.Programmed != nil && d.Programmed.Current
	})
	if d.Programmed.Message != "0 of 0 nodes" || d.Programmed.Reason != "SelectsNothing" {
		t.Errorf("%+v", d.Programmed)
	}
	var page manager.PolicyPage
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/policies?q=NetworkPolicy/blue/be", nil, &page))
	i := slices.IndexFunc(page.Items, func(c manager.PolicyCard) bool { return c.Id == "NetworkPolicy/blue/be" })
	if i < 0 || page.Items[i].Programmed == nil || page.Items[i].Programmed.Message != "0 of 0 nodes" {
		t.Errorf("%+v", page.Items)
	}
}

// stages asks about a host endpoint with policy before translation.
func (w *world) stages(t *testing.T) {
	admin := w.as(t, "admin")
	admin.create("apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: h, labels: {role: host}}\nspec: {node: n1, interfaceName: eth0, expectedIPs: [192.0.2.10]}\n")
	admin.create(policy("GlobalNetworkPolicy", "", "shut-early", "  order: 1\n  selector: role == 'host'\n  preDNAT: true\n  applyOnForward: true\n  types: [Ingress]\n  ingress:\n  - {action: Deny, protocol: TCP, destination: {ports: [8080]}}\n"))
	q := manager.ExplainQuery{From: "198.51.100.7", To: "hep:h", Port: new("tcp/8080")}
	var x manager.Explanation
	w.eventually(t, "the policy is known", func() bool { // without one, a host endpoint denies too
		x = manager.Explanation{}
		return admin.do("POST", "/api/v1/explain", q, &x).status == http.StatusOK && x.Ingress != nil && some(x.Ingress.Policy) == "GlobalNetworkPolicy//shut-early"
	})
	if x.Ingress == nil || some(x.Ingress.Stage) != "preDNAT" || some(x.Ingress.Policy) != "GlobalNetworkPolicy//shut-early" || len(some(x.Ingress.Stages)) == 0 || some(some(x.Ingress.Stages)[0].Direction) != "ingress" {
		t.Errorf("%+v", x.Ingress)
	}
	var detail manager.EndpointDetail
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoint?ref=hep:h", nil, &detail))
	if stages := some(detail.Stages); len(stages) != 1 || stages[0].Stage != "preDNAT" || stages[0].Tiers[0].Policies[0].Policy != "GlobalNetworkPolicy//shut-early" {
		t.Errorf("%+v", detail.Stages)
	}
	var p manager.Preview // which says that this is not all
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Delete: new("GlobalNetworkPolicy//shut-early")}, &p))
	if len(p.Problems) != 1 || p.Problems[0].Code != "preview-stages" {
		t.Errorf("%+v", p.Problems)
	}
	admin.want(http.StatusNoContent, admin.do("DELETE", "/api/v1/objects?kind=HostEndpoint&name=h", nil, nil))
	admin.want(http.StatusNoContent, admin.do("DELETE", "/api/v1/objects?kind=GlobalNetworkPolicy&name=shut-early", nil, nil))
	w.eventually(t, "they are gone", func() bool {
		var list manager.EndpointPage
		admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoints", nil, &list))
		return list.Total == 4 && admin.do("GET", "/api/v1/policies?q=shut-early", nil, nil).status == http.StatusOK
	})
}

// subjects asks who may write in a tier.
func (w *world) subjects(t *testing.T) {
	admin := w.as(t, "admin")
	var s manager.TierSubjects
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/tier-subjects?tier=security", nil, &s))
	may := map[string]string{}
	for _, one := range s.Subjects {
		for _, r := range one.Access.Rights {
			if r.Kind == "NetworkPolicy" && r.Verb == "create" {
				may[string(one.Kind)+" "+one.Name] = strings.Join(r.Namespaces, ",")
				if r.Everywhere {
					may[string(one.Kind)+" "+one.Name] = "everywhere"
				}
			}
		}
	}
	if !s.Available || may["User engineer"] != "everywhere" || may["Group system:masters"] != "everywhere" || may["User developer"] != "" {
		t.Errorf("%+v %v", s.Reason, may)
	}
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/tier-subjects?tier=default", nil, &s))
	i := slices.IndexFunc(s.Subjects, func(one manager.TierSubject) bool { return one.Name == "developer" })
	if i < 0 || !slices.Contains(s.Subjects[i].Through, "RoleBinding/blue/developer:tierwall:namespace-developer") && len(s.Subjects[i].Through) < 2 {
		t.Errorf("%+v", s.Subjects)
	}
	admin.want(http.StatusNotFound, admin.do("GET", "/api/v1/tier-subjects?tier=none", nil, nil))
	developer := w.as(t, "developer")
	s = manager.TierSubjects{}
	developer.want(http.StatusOK, developer.do("GET", "/api/v1/tier-subjects?tier=default", nil, &s))
	if s.Available || len(s.Subjects) > 0 || !strings.Contains(some(s.Reason), "list on clusterroles") {
		t.Errorf("the developer: %+v", s)
	}
	// the API server and the roles say the same of the engineer
	engineer := w.as(t, "engineer")
	var a manager.Access
	engineer.want(http.StatusOK, engineer.do("GET", "/api/v1/access", nil, &a))
	var list manager.TierSubjects
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/tier-subjects?tier=security", nil, &list))
	i = slices.IndexFunc(list.Subjects, func(one manager.TierSubject) bool { return one.Name == "engineer" })
	j := slices.IndexFunc(a.Tiers, func(one manager.TierAccess) bool { return one.Tier == "security" })
	if i < 0 || j < 0 {
		t.Fatalf("%+v %+v", list.Subjects, a.Tiers)
	}
	for k, want := range a.Tiers[j].Rights {
		if got := list.Subjects[i].Access.Rights[k]; got.Kind != want.Kind || got.Verb != want.Verb || got.Everywhere != want.Everywhere {
			t.Errorf("from the roles %+v, from the API server %+v", got, want)
		}
	}
}
