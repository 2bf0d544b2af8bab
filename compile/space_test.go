package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/table"
)

// TestSpace: after any sequence of networks that come and go, every address
// has the class of just the atoms whose networks contain it, by the tables'
// own look-up; and equal sets of atoms have one class.
func TestSpace(t *testing.T) {
	texts := []string{
		"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.1/32",
		"10.0.0.2/32", "10.0.1.0/24", "10.1.0.0/16", "255.255.255.255/32", "255.255.255.254/31", "255.0.0.0/8", "9.255.255.255/32",
		"::/0", "fd00::/8", "fd00::/128", "fd00::1/128", "ffff::/16", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
	}
	var probes []netip.Addr
	for _, text := range texts {
		p := netip.MustParsePrefix(text)
		for _, a := range []netip.Addr{p.Addr(), lastAddr(p), p.Addr().Prev(), lastAddr(p).Next()} {
			if a.IsValid() {
				probes = append(probes, a)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s, ids := newSpace(), newIDs(uint64(table.FirstClass))
		var sources []*source
		laid := map[*source][]netip.Prefix{}
		for i := range 4 {
			a := &atom{id: uint32(i + 1)}
			sources = append(sources, &source{atoms: []*atom{a}})
		}
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			for range rapid.IntRange(1, 4).Draw(t, "edits") {
				by := rapid.SampledFrom(sources).Draw(t, "source")
				if list := laid[by]; len(list) > 0 && rapid.IntRange(0, 2).Draw(t, "lift") == 0 {
					i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
					s.lift(list[i], by)
					laid[by] = slices.Delete(list, i, i+1)
					continue
				}
				p := netip.MustParsePrefix(rapid.SampledFrom(texts).Draw(t, "network"))
				s.lay(p, by)
				laid[by] = append(laid[by], p)
			}
			before := slices.Clone(s.nets)
			gone, come := s.settle(nobody{}, ids)
			checkSpace(t, s, probes, laid)
			if g, c := table.DiffNets(before, s.nets); !slices.Equal(g, gone) || !slices.Equal(c, come) {
				t.Fatalf("the ranges changed by %v and %v, told were %v and %v", g, c, gone, come)
			}
			for _, k := range s.touched {
				k.touched = false
				if k.held == 0 && k.shown == 0 {
					s.forget(k, ids)
				}
			}
			s.touched, s.renamed = nil, nil
			clear(s.moved)
		}
		for by, list := range laid {
			for _, p := range list {
				s.lift(p, by)
			}
		}
		s.settle(nobody{}, ids)
		if s.hosts.Len()+s.cidrs.Len()+len(s.nets) > 0 {
			t.Fatalf("left are %d hosts, %d networks, %v", s.hosts.Len(), s.cidrs.Len(), s.nets)
		}
		for _, k := range s.classes {
			if k.held != 0 || k.shown != 0 {
				t.Fatalf("class %d is held %d times and shown %d times", k.id, k.held, k.shown)
			}
		}
	})
}

func checkSpace(t *rapid.T, s *space, probes []netip.Addr, laid map[*source][]netip.Prefix) {
	tables := table.New()
	tables.Nets = s.nets
	s.hosts.Scan(func(h host) bool {
		if h.class != nil && !h.hidden {
			tables.Hosts[h.addr] = h.class.id
		}
		return true
	})
	for i := 1; i < len(s.nets); i++ {
		if a, b := s.nets[i-1], s.nets[i]; !a.To.Less(b.From) || a.Class == b.Class && a.To.Next() == b.From {
			t.Fatalf("%v and %v", a, b)
		}
	}
	byAtoms := map[string]table.ClassID{}
	for _, a := range probes {
		var ids []uint32
		for by, list := range laid {
			if slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) }) {
				ids = append(ids, by.atoms[0].id)
			}
		}
		slices.Sort(ids)
		key := fmt.Sprint(a.Is4(), ids)
		got := tables.Class(a)
		if len(ids) == 0 && got != table.Other(a) {
			t.Fatalf("%s has class %d and is in nothing", a, got)
		}
		if known, ok := byAtoms[key]; ok && known != got {
			t.Fatalf("%s has class %d, others in %s have %d", a, got, key, known)
		}
		byAtoms[key] = got
	}
	seen := map[table.ClassID]string{}
	for key, id := range byAtoms {
		if other, ok := seen[id]; ok {
			t.Fatalf("%s and %s have one class", key, other)
		}
		seen[id] = key
	}
}

// nobody has no address.
type nobody struct{}

func (nobody) atomsAt(list []*atom, _ netip.Addr) []*atom { return list }
func (nobody) groupAt(netip.Addr) *group                  { return nil }
