package manager

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// matrix writes a matrix as a line for each row.
func (g *guest) matrix(query string) (Connectivity, string) {
	g.Helper()
	var c Connectivity
	g.get("/connectivity"+query, &c)
	var lines []string
	for i, row := range c.Rows {
		line := row.Title + ":"
		for j, cell := range c.Cells[i] {
			line += fmt.Sprintf(" %s=%s", c.Columns[j].Example, cell.Verdict)
			if cell.Allowed != nil {
				line += "(" + strings.Join(*cell.Allowed, ",") + ")"
			}
		}
		lines = append(lines, line)
	}
	return c, strings.Join(lines, "\n")
}

// TestConnectivity: cells, one port, filters, windows and the reason of a cell.
func TestConnectivity(t *testing.T) {
	web := aPolicy("NetworkPolicy", "blue", "web", "default", "app == 'be' && projectcalico.org/namespace == 'blue'", 1)
	web.Rules[0] = []model.Rule{{Action: verdict.ActionAllow, Protocol: new(verdict.TCP), Source: model.Peer{Selector: selector.MustParse("app == 'fe'")}, Destination: model.Peer{Ports: []model.PortRange{{From: 80, To: 80}}}}}
	g := newGuest(t, everything(), append(town(), web)...)
	c, got := g.matrix("?from=blue&to=blue/be")
	if want := "blue/be: blue/be=unasked\nblue/fe: blue/be=partly(tcp/80)"; got != want || c.TotalRows != 2 || c.TotalColumns != 1 {
		t.Errorf("%s (%d by %d), want %s", got, c.TotalRows, c.TotalColumns, want)
	}
	if _, got := g.matrix("?from=blue/fe&to=blue/be&port=tcp/80"); got != "blue/fe: blue/be=allow" {
		t.Errorf("on the port that is open: %s", got)
	}
	if _, got := g.matrix("?from=blue/fe&to=blue/be&port=tcp/81"); got != "blue/fe: blue/be=deny" {
		t.Errorf("on another: %s", got)
	}
	if _, got := g.matrix("?from=app=fe&to=app=be&port=tcp/80"); strings.Count(got, "\n") != 1 || strings.Count(got, "=deny") != 2 {
		t.Errorf("by labels: %s", got)
	}
	whole, _ := g.matrix("")
	part, got := g.matrix("?row=1&column=2&limit=1")
	if part.Row != 1 || part.Column != 2 || part.TotalRows != whole.TotalRows || got != fmt.Sprintf("%s: %s=%s", whole.Rows[1].Title, whole.Columns[2].Example, whole.Cells[1][2].Verdict) {
		t.Errorf("a window: %+v %s", part, got)
	}
	if whole.Observed.Available || some(whole.Observed.Reason) == "" {
		t.Errorf("without flows: %+v", whole.Observed)
	}
	if code := g.ask("GET", "/connectivity?port=80x", "", nil); code != http.StatusBadRequest {
		t.Errorf("a port that is none: %d", code)
	}

	var a ConnectivityAnswer
	g.get("/connectivity/cell?from=red/fe&to=blue/be&port=tcp/81", &a)
	if len(a.Reach) != 1 || a.Reach[0].Verdict != ConnectivityReachVerdictDeny || !strings.Contains(a.Reach[0].Because, "ingress: the end of tier default") || some(a.Reach[0].Policy) != "NetworkPolicy/blue/web" {
		t.Errorf("why: %+v", a.Reach)
	}
	g.get("/connectivity/cell?from=198.51.100.7&to=blue/fe", &a)
	if len(a.Reach) != 1 || a.Reach[0].Because != "ingress: rule 0 of GlobalNetworkPolicy//outside in tier security" || a.From.Kind != "addresses" {
		t.Errorf("from outside: %+v", a)
	}
	g.get("/connectivity/cell?from=blue/be&to=blue/be", &a)
	if a.Unasked == nil || len(a.Reach) != 0 {
		t.Errorf("to itself: %+v", a)
	}
	if code := g.ask("GET", "/connectivity/cell?from=blue/gone&to=blue/be", "", nil); code != http.StatusNotFound {
		t.Errorf("an end that is not there: %d", code)
	}
}

// TestConnectivityIsCut: who sees one namespace has the groups of that alone.
func TestConnectivityIsCut(t *testing.T) {
	r := everything()
	r["Pod"] = readable{namespaces: []string{"blue"}}
	g := newGuest(t, r, town()...)
	c, got := g.matrix("")
	if strings.Contains(got, "red/") || !strings.Contains(got, "blue/") || len(c.View.Hidden) == 0 {
		t.Errorf("%s, hidden %+v", got, c.View.Hidden)
	}
	if code := g.ask("GET", "/connectivity/cell?from=red/fe&to=blue/be", "", nil); code != http.StatusNotFound {
		t.Errorf("a pod that may not be seen: %d", code)
	}
}

// TestStagedPossible: all that is staged is weighed at once, without flows.
func TestStagedPossible(t *testing.T) {
	shut := aPolicy("NetworkPolicy", "blue", "shut", "default", "app == 'fe' && projectcalico.org/namespace == 'blue'", 5)
	g := newGuest(t, everything(), append(town(), &model.StagedPolicy{ID: verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "shut"}, Replaces: shut.ID, Policy: shut})...)
	var p Preview
	g.get("/staged/possible", &p)
	if p.Denied == 0 || p.Allowed != 0 || p.Total != len(p.Changes) {
		t.Fatalf("%+v", p)
	}
	for _, c := range p.Changes {
		for _, group := range p.Groups {
			if group.Id == c.To && group.Title != "blue/fe" {
				t.Errorf("%s to %s: %+v", c.From, group.Title, c)
			}
		}
	}
	g.get("/staged/possible?limit=1", &p)
	if len(p.Changes) != 1 || p.Total < 1 {
		t.Errorf("cut: %d of %d", len(p.Changes), p.Total)
	}
}
