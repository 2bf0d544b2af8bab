package managertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/server/manager"
)

// previews asks what policies would change, and compares with explain.
func (w *world) previews(t *testing.T) {
	admin := w.as(t, "admin")
	var p manager.Preview
	shut := policy("NetworkPolicy", "blue", "shut", "  order: 1\n  selector: app == 'be'\n  ingress:\n  - {action: Deny, protocol: TCP, source: {selector: \"app == 'fe'\"}, destination: {ports: [80]}}\n")
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Yaml: &shut}, &p))
	lines := changes(p)
	if !slices.Contains(lines, "deny blue/fe -> blue/be tcp/80 by NetworkPolicy/blue/shut") || p.Total != len(p.Changes) || p.Denied == 0 {
		t.Errorf("%v, %d denied, %v", lines, p.Denied, p.Problems)
	}
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Delete: new("NetworkPolicy/blue/be"), Limit: new(1)}, &p))
	if p.Allowed == 0 || len(p.Changes) != 1 || p.Total <= 1 {
		t.Errorf("a deletion: %v of %d", changes(p), p.Total)
	}
	var x manager.Explanation // asked afterwards: nothing of it stays
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "blue/fe", To: "blue/be", Port: new("tcp/80")}, &x))
	if x.Verdict != "allow" || some(x.Ingress.Policy) != "NetworkPolicy/blue/be" {
		t.Errorf("after previews: %+v", x.Ingress)
	}
	wrong := policy("NetworkPolicy", "blue", "shut", "  selector: app = 'be'\n")
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Yaml: &wrong}, &p))
	if len(p.Problems) != 1 || some(p.Problems[0].Line) != 5 || p.Total != 0 {
		t.Errorf("%+v", p)
	}
	admin.want(http.StatusBadRequest, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Yaml: &shut, Delete: new("NetworkPolicy/blue/be")}, nil))
	admin.want(http.StatusBadRequest, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{}, nil))
	admin.want(http.StatusNotFound, admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Delete: new("NetworkPolicy/blue/none")}, nil))

	developer := w.as(t, "developer") // sees blue only
	all := policy("GlobalNetworkPolicy", "", "all", "  order: 1\n  selector: all()\n  ingress:\n  - {action: Deny}\n")
	developer.want(http.StatusOK, developer.do("POST", "/api/v1/preview", manager.PreviewQuery{Yaml: &all}, &p))
	if p.Denied == 0 || len(p.View.Hidden) == 0 {
		t.Errorf("the developer is told of %d denied", p.Denied)
	}
	for _, g := range p.Groups {
		if g.Kind != "addresses" && slices.ContainsFunc(g.Refs, func(ref string) bool { return !strings.HasPrefix(ref, "blue/") }) {
			t.Errorf("the developer is told of %v", g.Refs)
		}
	}
	developer.want(http.StatusNotFound, developer.do("POST", "/api/v1/preview", manager.PreviewQuery{Delete: new("GlobalNetworkPolicy//last")}, nil))
}

// changes are lines such as "deny blue/fe -> blue/be tcp/80 by
// NetworkPolicy/blue/shut".
func changes(p manager.Preview) (lines []string) {
	titles := map[string]string{}
	for _, g := range p.Groups {
		titles[g.Id] = g.Title
	}
	for _, c := range p.Changes {
		for _, x := range c.Ports {
			lines = append(lines, string(c.Verdict)+" "+titles[c.From]+" -> "+titles[c.To]+" "+x.Ports+" by "+x.Policy)
		}
	}
	return lines
}

// otherPreviews are of what is no policy that holds: sets, tiers, staged ones,
// and what is not previewed.
func (w *world) otherPreviews(t *testing.T) {
	admin := w.as(t, "admin")
	ask := func(q manager.PreviewQuery) manager.Preview {
		t.Helper()
		var p manager.Preview
		admin.want(http.StatusOK, admin.do("POST", "/api/v1/preview", q, &p))
		return p
	}
	has := func(p manager.Preview, what, line string) {
		t.Helper()
		if !slices.ContainsFunc(changes(p), func(l string) bool { return strings.HasPrefix(l, line) }) {
			t.Errorf("%s: %q is not in %q %v", what, line, changes(p), p.Problems)
		}
	}
	set := "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: office, namespace: blue, labels: {app: fe}}\nspec: {nets: [203.0.113.0/24]}\n"
	has(ask(manager.PreviewQuery{Yaml: &set}), "a set", "allow outside, such as 203.0.113.0 -> blue/be tcp/80 by NetworkPolicy/blue/be")
	admin.create(set)
	w.eventually(t, "the set counts", func() bool {
		var p manager.Preview
		return admin.do("POST", "/api/v1/preview", manager.PreviewQuery{Delete: new("NetworkSet/blue/office")}, &p).status == http.StatusOK && p.Denied > 0
	})
	has(ask(manager.PreviewQuery{Delete: new("NetworkSet/blue/office")}), "a set's deletion", "deny outside, such as 203.0.113.0 -> blue/be tcp/80")
	admin.want(http.StatusNoContent, admin.do("DELETE", "/api/v1/objects?kind=NetworkSet&namespace=blue&name=office", nil, nil))

	admin.create(policy("GlobalNetworkPolicy", "", "security.only", "  tier: security\n  order: 1\n  selector: app == 'fe'\n  types: [Ingress]\n"))
	tier := "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: security}\nspec: {order: 100, defaultAction: Pass}\n"
	w.eventually(t, "the tier's end counts", func() bool { return ask(manager.PreviewQuery{Yaml: &tier}).Allowed > 0 })
	has(ask(manager.PreviewQuery{Yaml: &tier}), "a tier that passes", "allow blue/be -> blue/fe")
	admin.want(http.StatusNoContent, admin.do("DELETE", "/api/v1/objects?kind=GlobalNetworkPolicy&name=security.only", nil, nil))
	w.eventually(t, "the policy is gone", func() bool { return ask(manager.PreviewQuery{Yaml: &tier}).Allowed == 0 })

	staged := policy("StagedNetworkPolicy", "blue", "be", "  order: 100\n  selector: app == 'be'\n")
	has(ask(manager.PreviewQuery{Yaml: &staged}), "a staged policy as if enforced", "deny blue/fe -> blue/be tcp/80")
	if p := ask(manager.PreviewQuery{Delete: new("StagedNetworkPolicy/blue/be")}); p.Total != 0 || len(p.Problems) > 0 {
		t.Errorf("who deletes a staged policy changes %v %v", changes(p), p.Problems)
	}
	removal := "apiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\nmetadata: {name: be, namespace: blue}\nspec: {stagedAction: Delete}\n"
	if p := ask(manager.PreviewQuery{Yaml: &removal}); p.Allowed == 0 {
		t.Errorf("a staged deletion: %v %v", changes(p), p.Problems)
	}
	host := "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: x}\nspec: {node: n1, interfaceName: '*'}\n"
	if p := ask(manager.PreviewQuery{Yaml: &host}); len(p.Problems) != 1 || p.Problems[0].Code != "not-previewed" {
		t.Errorf("%+v", p.Problems)
	}
	nowhere := policy("NetworkPolicy", "blue", "x", "  tier: nowhere\n")
	if p := ask(manager.PreviewQuery{Yaml: &nowhere}); len(p.Problems) == 0 || p.Problems[len(p.Problems)-1].Code != "tier-missing" || p.Total != 0 {
		t.Errorf("%+v", p.Problems)
	}
}
