package table_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

var compareAddrs = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreUnexported(table.Tables{}), cmpopts.EquateEmpty()}

// small is tables with one pod, one set with one entry, and two rows.
func small() *table.Tables {
	pod := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}
	t := table.New()
	t.Hosts[addr("10.0.0.1")] = 20
	t.Nets = []table.Net{{From: addr("10.1.0.0"), To: addr("10.1.255.255"), Class: 21}}
	t.Rows[1] = &table.Row{ID: 1, Other: decision(verdict.Deny, 1)}
	t.Rows[2] = &table.Row{ID: 2, Other: decision(verdict.Allow, 2)}
	t.Sets[1] = &table.Set{ID: 1, Default: [2]table.RowID{1, 1}, Rows: map[table.ClassID]table.RowID{20: 2}}
	t.Endpoints[pod] = endpoint(pod, 1)
	return t
}

func endpoint(id verdict.EndpointID, s table.SetID) *table.Endpoint {
	spans := []table.Span{{From: addr("10.0.0.1"), To: addr("10.0.0.1"), Set: s}}
	return &table.Endpoint{ID: id, Spans: [2][]table.Span{spans, spans}}
}

// withEntries replaces the entries of set 1.
func withEntries(t *table.Tables, rows map[table.ClassID]table.RowID) {
	s := *t.Sets[1]
	s.Rows = rows
	t.Sets[1] = &s
}

// TestDiff: each change is in its list, and in no other.
func TestDiff(t *testing.T) {
	pod := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}
	hep := verdict.EndpointID{Kind: verdict.Host, Name: "h"}
	row := &table.Row{ID: 3, Other: decision(verdict.Allow, 3)}
	set := &table.Set{ID: 3, Default: [2]table.RowID{1, 2}, Rows: map[table.ClassID]table.RowID{}}
	host, net := addr("10.0.0.1"), small().Nets[0]
	type entries = map[table.ClassID]table.RowID
	for _, c := range []struct {
		name   string
		change func(*table.Tables)
		want   table.Delta
	}{
		{"nothing", func(*table.Tables) {}, table.Delta{}},
		{"a row comes", func(x *table.Tables) { x.Rows[3] = row }, table.Delta{NewRows: []*table.Row{row}}},
		{"a row goes", func(x *table.Tables) { delete(x.Rows, 2) }, table.Delta{OldRows: []table.RowID{2}}},
		{"a set comes", func(x *table.Tables) { x.Sets[3] = set }, table.Delta{NewSets: []*table.Set{set}}},
		{"a set goes", func(x *table.Tables) { delete(x.Sets, 1) }, table.Delta{OldSets: []table.SetID{1}}},
		{"an entry of a class that nobody had comes early", func(x *table.Tables) { withEntries(x, entries{20: 2, 30: 2}) },
			table.Delta{NewEntries: []table.Entry{{Set: 1, Class: 30, Row: 2}}}},
		{"an entry of a class that a host has is a flip", func(x *table.Tables) { withEntries(x, entries{20: 1}) },
			table.Delta{Entries: []table.Entry{{Set: 1, Class: 20, Row: 1}}}},
		{"an entry of a class that a net has is a flip", func(x *table.Tables) { withEntries(x, entries{20: 2, 21: 2}) },
			table.Delta{Entries: []table.Entry{{Set: 1, Class: 21, Row: 2}}}},
		{"an entry of the class of all others is a flip", func(x *table.Tables) { withEntries(x, entries{20: 2, table.OtherIPv6: 2}) },
			table.Delta{Entries: []table.Entry{{Set: 1, Class: table.OtherIPv6, Row: 2}}}},
		{"an entry that goes while the class is in use is a flip to the default", func(x *table.Tables) { withEntries(x, entries{}) },
			table.Delta{Entries: []table.Entry{{Set: 1, Class: 20}}}},
		{"an entry that goes with its class goes late", func(x *table.Tables) {
			withEntries(x, entries{})
			delete(x.Hosts, host)
		}, table.Delta{Hosts: []table.HostChange{{Addr: host}}, OldEntries: []table.Entry{{Set: 1, Class: 20}}}},
		{"a host changes its class", func(x *table.Tables) { x.Hosts[host] = 21 }, table.Delta{Hosts: []table.HostChange{{Addr: host, Class: 21}}}},
		{"hosts come, in order", func(x *table.Tables) { x.Hosts[addr("10.0.0.3")], x.Hosts[addr("10.0.0.2")] = 20, 21 },
			table.Delta{Hosts: []table.HostChange{{Addr: addr("10.0.0.2"), Class: 21}, {Addr: addr("10.0.0.3"), Class: 20}}}},
		{"a net goes", func(x *table.Tables) { x.Nets = nil }, table.Delta{OldNets: []table.Net{net}}},
		{"a net changes its class", func(x *table.Tables) { x.Nets = []table.Net{{From: net.From, To: net.To, Class: 22}} },
			table.Delta{OldNets: []table.Net{net}, NewNets: []table.Net{{From: net.From, To: net.To, Class: 22}}}},
		{"a net changes its end", func(x *table.Tables) { x.Nets = []table.Net{{From: net.From, To: addr("10.1.0.255"), Class: 21}} },
			table.Delta{OldNets: []table.Net{net}, NewNets: []table.Net{{From: net.From, To: addr("10.1.0.255"), Class: 21}}}},
		{"a net comes before", func(x *table.Tables) {
			x.Nets = []table.Net{{From: addr("10.0.1.0"), To: addr("10.0.1.255"), Class: 22}, net}
		}, table.Delta{NewNets: []table.Net{{From: addr("10.0.1.0"), To: addr("10.0.1.255"), Class: 22}}}},
		{"an endpoint changes its set", func(x *table.Tables) { x.Endpoints[pod] = endpoint(pod, 2) },
			table.Delta{Endpoints: []table.EndpointChange{{Old: endpoint(pod, 1), New: endpoint(pod, 2)}}}},
		{"an endpoint is put again", func(x *table.Tables) { x.Endpoints[pod] = endpoint(pod, 1) }, table.Delta{}},
		{"an interface is renamed", func(x *table.Tables) {
			e := endpoint(pod, 1)
			e.Interface = "eth1"
			x.Endpoints[pod] = e
		}, table.Delta{Endpoints: []table.EndpointChange{{Old: endpoint(pod, 1), New: func() *table.Endpoint {
			e := endpoint(pod, 1)
			e.Interface = "eth1"
			return e
		}()}}}},
		{"endpoints come and go, in order", func(x *table.Tables) {
			delete(x.Endpoints, pod)
			x.Endpoints[hep] = endpoint(hep, 1)
		}, table.Delta{Endpoints: []table.EndpointChange{{Old: endpoint(pod, 1)}, {New: endpoint(hep, 1)}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := small()
			c.change(to)
			got := table.Diff(small(), to)
			if diff := cmp.Diff(&c.want, got, compareAddrs); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if want := cmp.Equal(c.want, table.Delta{}); got.Empty() != want {
				t.Errorf("Empty is %v", got.Empty())
			}
		})
	}
}

// player takes tables through a delta, one key at a time, as Delta says.
type player struct{ *table.Tables }

func (p player) add(d *table.Delta) {
	for _, r := range d.NewRows {
		p.Rows[r.ID] = r
	}
	for _, s := range d.NewSets {
		p.Sets[s.ID] = s
	}
	p.entries(d.NewEntries)
}

// flips are the single changes of the second step. Nets change together: a
// range cannot come while one that it overlaps is there. A host that comes
// does so before the nets under it change, one that goes after; an endpoint
// that goes does so before its peers change, one that comes after.
func (p player) flips(d *table.Delta) []func() {
	var all []func()
	for _, c := range d.Endpoints {
		if c.New == nil {
			all = append(all, func() { delete(p.Endpoints, c.Old.ID) })
		}
	}
	for _, e := range d.Entries {
		all = append(all, func() { p.entries([]table.Entry{e}) })
	}
	for _, h := range d.Hosts {
		if h.Class != 0 {
			all = append(all, func() { p.Hosts[h.Addr] = h.Class })
		}
	}
	all = append(all, func() {
		p.Nets = slices.DeleteFunc(slices.Clone(p.Nets), func(n table.Net) bool { return slices.Contains(d.OldNets, n) })
		p.Nets = append(p.Nets, d.NewNets...)
		slices.SortFunc(p.Nets, func(a, b table.Net) int { return a.From.Compare(b.From) })
	})
	for _, h := range d.Hosts {
		if h.Class == 0 {
			all = append(all, func() { delete(p.Hosts, h.Addr) })
		}
	}
	for _, c := range d.Endpoints {
		if c.New != nil {
			all = append(all, func() { p.Endpoints[c.New.ID] = c.New })
		}
	}
	return all
}

func (p player) drop(d *table.Delta) {
	p.entries(d.OldEntries)
	for _, id := range d.OldSets {
		delete(p.Sets, id)
	}
	for _, id := range d.OldRows {
		delete(p.Rows, id)
	}
}

// entries changes sets, which are shared, on copies.
func (p player) entries(all []table.Entry) {
	for _, e := range all {
		s := *p.Sets[e.Set]
		s.Rows = maps.Clone(s.Rows)
		if e.Row == 0 {
			delete(s.Rows, e.Class)
		} else {
			s.Rows[e.Class] = e.Row
		}
		p.Sets[e.Set] = &s
	}
}

// dangles returns what points at something that is not there.
func (p player) dangles() (all []string) {
	row := func(id table.RowID) {
		if p.Rows[id] == nil {
			all = append(all, "a row")
		}
	}
	for _, s := range p.Sets {
		row(s.Default[0])
		row(s.Default[1])
		for class, id := range s.Rows {
			row(id)
			if class == 0 {
				all = append(all, "a class 0")
			}
		}
	}
	for _, e := range p.Endpoints {
		for _, spans := range e.Spans {
			for _, s := range spans {
				if p.Sets[s.Set] == nil {
					all = append(all, "a set of "+e.ID.String())
				}
			}
		}
	}
	for a, class := range p.Hosts {
		if class == 0 {
			all = append(all, "the class of "+a.String())
		}
	}
	for i, n := range p.Nets {
		if n.Class == 0 || n.To.Less(n.From) || n.From.Is4() != n.To.Is4() || i > 0 && n.From.Compare(p.Nets[i-1].To) <= 0 {
			all = append(all, "the net "+n.From.String())
		}
	}
	return all
}
