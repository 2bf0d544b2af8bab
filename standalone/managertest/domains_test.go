package managertest

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/standalone/controlplane"
)

// domains: what the server publishes of names is on the page of a network set and
// in answers, with the Manager's own rights; not for those who do not see all.
func (w *world) domains(t *testing.T) {
	set := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkSet", "metadata": map[string]any{"name": "names", "labels": map[string]any{"names": "yes"}},
		"spec": map[string]any{"allowedEgressDomains": []any{"*.Example.com", "nobody.asks"}},
	}}
	if err := controlplane.Apply(w.ctx, w.plane.Config, []*unstructured.Unstructured{set}); err != nil {
		t.Fatal(err)
	}
	published := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: report.DomainsConfigMap}, Data: map[string]string{report.DomainsKey: `{"names":[
{"name":"www.example.com","addresses":[{"addr":"203.0.113.7","via":"edge.example.net","server":"10.96.0.10","seen":"2026-01-01T00:00:00Z","expires":"2026-01-01T00:05:00Z","nodes":["n1"],"nodeCount":1}]},
{"name":"other.test","addresses":[{"addr":"203.0.113.8","seen":"2026-01-01T00:00:00Z","expires":"2026-01-01T00:05:00Z","nodes":["n1"],"nodeCount":1}]}],"leftOut":4}`}}
	if _, err := w.core.CoreV1().ConfigMaps(report.Namespace).Create(w.ctx, published, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	page := func(c *browser) (string, int) {
		var sets manager.NetworkSetPage
		c.want(http.StatusOK, c.do("GET", "/api/v1/networksets?q=example.com", nil, &sets))
		var all []string
		for _, s := range sets.Items {
			for _, d := range s.Domains {
				line := d.Domain
				for _, n := range d.Names {
					for _, a := range n.Addresses {
						line += " " + n.Name + "=" + a.Address + " by " + some(a.Via) + " from " + some(a.Server)
					}
				}
				all = append(all, line)
			}
		}
		return strings.Join(all, "; "), sets.NamesLeftOut
	}
	admin := w.as(t, "admin")
	const want = "*.example.com www.example.com=203.0.113.7 by edge.example.net from 10.96.0.10; nobody.asks"
	w.eventually(t, "the names on the set's page", func() bool {
		text, left := page(admin)
		return text == want && left == 4
	})
	if text, left := page(w.as(t, "developer")); text == want || left != 0 {
		t.Errorf("the developer, who may not read all, sees %s", text)
	}
	var x manager.Explanation
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "red/fe", To: "www.example.com"}, &x))
	if x.Domain == nil || !x.Domain.Known || x.Destination != "203.0.113.7" {
		t.Errorf("a name that is known: %+v", x)
	}
	x = manager.Explanation{}
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "red/fe", To: "never.example.com"}, &x))
	if x.Domain == nil || x.Domain.Known {
		t.Errorf("a name that is not: %+v", x.Domain)
	}
}
