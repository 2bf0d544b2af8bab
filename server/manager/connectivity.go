package manager

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

const (
	// seenRecords is how many of the newest records are counted in a matrix, and
	// seenFor how old they may be.
	seenRecords = 10_000
	seenFor     = time.Hour
	// tellAllowed is how many of the allowed ports a cell tells.
	tellAllowed = 4
)

// connects is what a view's tables say of who may reach whom.
func (v *view) connects() (out *analysis.Connectivity) {
	v.compiled(func(_ *compile.Compiler, t *table.Tables, s *model.State) { out = analysis.NewConnectivity(s, t) })
	return out
}

// GetConnectivity implements ServerInterface.
func (m *Manager) GetConnectivity(w http.ResponseWriter, r *http.Request, params GetConnectivityParams) {
	v, port, ok := m.connectivityAsked(w, r, params.Port)
	if !ok {
		return
	}
	c := v.connectivity()
	limit := 20
	if params.Limit != nil {
		limit = min(max(*params.Limit, 1), 50)
	}
	rows, columns := groupsWith(c, some(params.From)), groupsWith(c, some(params.To))
	out := Connectivity{Rows: []ConnectivityGroup{}, Columns: []ConnectivityGroup{}, Cells: [][]ConnectivityCell{}, Stages: c.Stages, View: v.info()}
	rows, out.TotalRows, out.Row = cut(rows, &limit, params.Row)
	columns, out.TotalColumns, out.Column = cut(columns, &limit, params.Column)
	seen, err := m.seenBetween(r, c, port, &out.Observed)
	if err != nil {
		m.failWith(w, r, m.problemOf(err))
		return
	}
	for _, to := range columns {
		out.Columns = append(out.Columns, connectivityGroup(c.Groups[to]))
	}
	for _, from := range rows {
		out.Rows = append(out.Rows, connectivityGroup(c.Groups[from]))
		cells := []ConnectivityCell{}
		for _, to := range columns {
			cell := cellOf(c.Between(from, to, port))
			cell.Seen = seen[[2]int{from, to}]
			cells = append(cells, cell)
		}
		out.Cells = append(out.Cells, cells)
	}
	answer(w, out)
}

// GetConnectivityCell implements ServerInterface.
func (m *Manager) GetConnectivityCell(w http.ResponseWriter, r *http.Request, params GetConnectivityCellParams) {
	v, port, ok := m.connectivityAsked(w, r, params.Port)
	if !ok {
		return
	}
	c := v.connectivity()
	var ends [2]int
	for i, ref := range []string{params.From, params.To} {
		if ends[i], ok = c.Group(ref); !ok {
			fail(w, problem(http.StatusNotFound, "not-found", ref+" is not there, or you may not see it"))
			return
		}
	}
	all, why := c.Between(ends[0], ends[1], port)
	out := ConnectivityAnswer{From: connectivityGroup(c.Groups[ends[0]]), To: connectivityGroup(c.Groups[ends[1]]), Unasked: text(why), Reach: []ConnectivityReach{}, View: v.info()}
	for _, one := range all {
		told := ConnectivityReach{Ports: one.Ports.String(), Verdict: ConnectivityReachVerdict(one.Verdict.String()), Because: one.Because, Of: text(one.Of())}
		if !one.Policy.IsZero() {
			told.Policy = text(one.Policy.String())
		}
		out.Reach = append(out.Reach, told)
	}
	answer(w, out)
}

// connectivityAsked returns what is seen and which port is asked about; nil for
// all. It answers and returns false if that cannot be had.
func (m *Manager) connectivityAsked(w http.ResponseWriter, r *http.Request, on *string) (*view, *analysis.Port, bool) {
	v := m.seen(w, r)
	if v == nil || on == nil || *on == "" {
		return v, nil, v != nil
	}
	port, err := analysis.ParsePort(*on)
	if err != nil {
		fail(w, problem(http.StatusBadRequest, "invalid", err.Error()))
		return nil, nil, false
	}
	return v, &port, true
}

// groupsWith are the groups that have each word in a member, a label or an
// address.
func groupsWith(c *analysis.Connectivity, q string) []int {
	all := words(&q)
	var found []int
	for i, g := range c.Groups {
		if !slices.ContainsFunc(all, func(word string) bool { return !groupHas(g, word) }) {
			found = append(found, i)
		}
	}
	return found
}

func groupHas(g analysis.ConnectivityGroup, word string) bool {
	for k, value := range g.Labels {
		if strings.Contains(strings.ToLower(k+"="+value), word) {
			return true
		}
	}
	return strings.Contains(g.Example, word) || slices.ContainsFunc(g.Refs, func(ref string) bool { return strings.Contains(ref, word) })
}

func connectivityGroup(g analysis.ConnectivityGroup) ConnectivityGroup {
	told := groupOf(0, g.PreviewGroup)
	out := ConnectivityGroup{Kind: ConnectivityGroupKind(g.Kind), Namespace: text(g.Namespace), Title: told.Title, Example: g.Example, Count: told.Count, Refs: told.Refs}
	if g.Labels != nil {
		labels := labelsOf(g.Labels)
		out.Labels = &labels
	}
	return out
}

// cellOf sums up what becomes of connections.
func cellOf(all []analysis.Reach, why string) ConnectivityCell {
	if why != "" {
		return ConnectivityCell{Verdict: ConnectivityCellVerdictUnasked}
	}
	var allowed []string
	for _, one := range all {
		if one.Verdict == verdict.Allow {
			allowed = append(allowed, strings.TrimSpace(one.Ports.String()+" "+one.Of()))
		}
	}
	switch len(allowed) {
	case 0:
		return ConnectivityCell{Verdict: ConnectivityCellVerdictDeny}
	case len(all):
		return ConnectivityCell{Verdict: ConnectivityCellVerdictAllow}
	}
	first := allowed[:min(len(allowed), tellAllowed)]
	out := ConnectivityCell{Verdict: ConnectivityCellVerdictPartly, Allowed: &first}
	if more := len(allowed) - len(first); more > 0 {
		out.More = &more
	}
	return out
}

// seenBetween counts what was recorded lately, by pairs of groups. Of what both
// nodes tell of, the destination's is counted.
func (m *Manager) seenBetween(r *http.Request, c *analysis.Connectivity, port *analysis.Port, told *ConnectivityObserved) (map[[2]int]*ConnectivitySeen, error) {
	a, err := m.flowsOf(r)
	if err != nil || a.why != "" {
		told.Reason = text(a.why)
		return nil, err
	}
	f := flow.Filter{Since: time.Now().Add(-seenFor), Limit: seenRecords}
	if port != nil {
		f.Protocol, f.Port = verdict.ProtocolName(port.Protocol), port.Number
	}
	page, err := a.flows.Page(r.Context(), a.Access, f)
	if err != nil {
		return nil, err
	}
	told.Available, told.Records = true, new(len(page.Records))
	if n := len(page.Records); n > 0 {
		told.Since = new(page.Records[n-1].Last.UTC())
	}
	seen := map[[2]int]*ConnectivitySeen{}
	for i := range page.Records {
		one := &page.Records[i]
		if one.Reporter == flow.BySource && one.Egress != nil && one.Verdict == flow.Verdict(verdict.Allow) && policed(one.Destination) {
			continue
		}
		from, known := groupAt(c, one.Source)
		to, there := groupAt(c, one.Destination)
		if !known || !there {
			continue
		}
		sum := seen[[2]int{from, to}]
		if sum == nil {
			sum = &ConnectivitySeen{}
			seen[[2]int{from, to}] = sum
		}
		if one.Verdict == flow.Verdict(verdict.Allow) {
			sum.Allowed += int64(one.Connections)
		} else {
			sum.Denied += int64(one.Connections)
		}
	}
	return seen, nil
}

// policed reports whether the end has a node that tells of it too.
func policed(e flow.End) bool { return e.Kind == flow.Pod || e.Kind == flow.Host }

// groupAt finds the group of an end as it is called now; one that is gone has
// none.
func groupAt(c *analysis.Connectivity, e flow.End) (int, bool) {
	switch e.Kind {
	case flow.Pod:
		return c.Group(e.Namespace + "/" + e.Name)
	case flow.Host:
		return c.Group("hep:" + e.Name)
	case flow.Node:
		return c.Group("node:" + e.Name)
	}
	return c.Group(e.Address.String())
}
