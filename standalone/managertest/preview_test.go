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
