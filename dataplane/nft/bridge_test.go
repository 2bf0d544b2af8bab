package nft

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestBridgeInHistories plays compiled changes: at each step on the way over
// the bridge every endpoint that stays has, for every address, its old row or
// its new one, also where its old set goes on for others.
func TestBridgeInHistories(t *testing.T) {
	var addrs []netip.Addr
	for i := range 128 {
		for net := range 3 {
			addrs = append(addrs, netip.AddrFrom4([4]byte{10, 0, byte(net), byte(i)}))
		}
	}
	bridges, stay := 0, 0
	for seed := range uint64(20) {
		g := modeltest.New(seed)
		c := compile.New(compile.Options{})
		c.Apply(g.World()...)
		for range 40 {
			from := c.Tables()
			d := c.Apply(g.Mutation())
			to := c.Tables()
			b := bridgeOf(from, to, d)
			if b == nil {
				continue
			}
			if len(d.Entries) > 0 {
				t.Fatalf("seed %d: a row of a set that stays changed: %v", seed, d.Entries)
			}
			bridges++
			stay += playBridge(t, from, to, d, b, addrs)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
	if bridges < 100 || stay < 20 {
		t.Errorf("%d bridges, %d of sets that stay: too few to show anything", bridges, stay)
	}
}

// playBridge returns how many endpoints left a set that stays.
func playBridge(t *testing.T, from, to *table.Tables, d *table.Delta, b *bridge, addrs []netip.Addr) (stay int) {
	t.Helper()
	on := from.Clone()
	change(on, b.hosts, d.OldNets, b.nets)
	left, entered := leftSets(d), map[table.SetID]bool{}
	for _, c := range d.Endpoints {
		if c.New != nil {
			for _, spans := range c.New.Spans {
				for _, s := range spans {
					entered[s.Set] = true
				}
			}
		}
	}
	rows := func(id table.SetID) *table.Set {
		s := to.Sets[id]
		if s == nil {
			s = from.Sets[id]
		}
		if old := from.Sets[id]; old != nil { // entries go away only at the end
			s = withEntries(s, entriesOf(old))
		}
		return withEntries(s, b.entries)
	}
	for _, c := range d.Endpoints {
		if c.Old == nil || c.New == nil {
			continue
		}
		for _, dir := range verdict.Directions {
			for _, span := range c.New.Spans[dir] {
				was, is := c.Old.SetFor(dir, span.From), span.Set
				if was == 0 || was == is || entered[was] || left[is] {
					continue
				}
				if to.Sets[was] != nil {
					stay++
				}
				for _, a := range addrs {
					old, now := row(from, from.Sets[was], a), row(to, to.Sets[is], a)
					for step, got := range map[string]table.RowID{
						"old set, before": row(from, rows(was), a), "old set, on the bridge": row(on, rows(was), a),
						"new set, on the bridge": row(on, rows(is), a), "new set, after": row(to, rows(is), a),
					} {
						if got != old && got != now {
							t.Errorf("%s %s %s, %s: row %d, want %d or %d", c.New.ID, dir, a, step, got, old, now)
							return stay
						}
					}
				}
			}
		}
	}
	return stay
}

func entriesOf(s *table.Set) (list []table.Entry) {
	for c, r := range s.Rows {
		list = append(list, table.Entry{Set: s.ID, Class: c, Row: r})
	}
	return list
}

func bridgeOf(from, to *table.Tables, d *table.Delta) *bridge {
	b := newBridge(from, d)
	if b != nil {
		b.span(to, d, firstBridge)
	}
	return b
}
