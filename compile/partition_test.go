package compile

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// netsOf draws networks that nest, touch, and lie at the ends of a family.
func netsOf(t *rapid.T) []netip.Prefix {
	v4 := rapid.SampledFrom([][4]byte{{10, 0, 0, 0}, {10, 0, 1, 0}, {0, 0, 0, 0}, {255, 255, 255, 0}})
	v6 := rapid.SampledFrom([]string{"fd00::", "fd00::100", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00"})
	lows := rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 129, 253, 254, 255})
	one := rapid.Custom(func(t *rapid.T) netip.Prefix {
		low := lows.Draw(t, "low")
		if rapid.Bool().Draw(t, "IPv4") {
			b := v4.Draw(t, "base")
			b[3] = low
			bits := rapid.SampledFrom([]int{0, 1, 8, 23, 24, 25, 28, 30, 31, 32}).Draw(t, "bits")
			return netip.PrefixFrom(netip.AddrFrom4(b), bits).Masked()
		}
		b := netip.MustParseAddr(v6.Draw(t, "base")).As16()
		b[15] = low
		bits := rapid.SampledFrom([]int{0, 1, 16, 119, 120, 124, 126, 127, 128}).Draw(t, "bits")
		return netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
	})
	return rapid.SliceOfN(one, 1, 4).Draw(t, "nets")
}

// edges returns the first and last address of each network, those one before
// and one after, and the ends of both families.
func edges(all []netip.Prefix) []netip.Addr {
	list := []netip.Addr{
		netip.IPv4Unspecified(), netip.MustParseAddr("255.255.255.255"),
		netip.IPv6Unspecified(), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	}
	for _, n := range all {
		first, last := n.Addr(), lastAddr(n)
		list = append(list, first, last, first.Prev(), last.Next())
	}
	return slices.DeleteFunc(list, func(a netip.Addr) bool { return !a.IsValid() })
}

// TestPartition holds the sweep against asking every network about every edge.
func TestPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var atoms [][]netip.Prefix
		for range rapid.IntRange(1, 5).Draw(t, "atoms") {
			atoms = append(atoms, netsOf(t))
		}
		checkPartition(t, atoms)
	})
}

// TestPartitionOfNests is TestPartition for the ways in which networks lie in
// each other that a sweep can get wrong.
func TestPartitionOfNests(t *testing.T) {
	for _, texts := range [][]string{
		{"10.0.0.0/24", "10.0.0.0/32"},
		{"10.0.0.0/24", "10.0.0.255/32"},
		{"10.0.0.0/24", "10.0.0.0/25"},
		{"10.0.0.0/24", "10.0.0.128/25"},
		{"10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25"},
		{"10.0.0.0/24", "10.0.0.4/30", "10.0.0.12/30"},
		{"10.0.0.0/24", "10.0.0.4/30", "10.0.0.8/30"},
		{"10.0.0.0/24", "10.0.0.0/25", "10.0.0.0/26", "10.0.0.63/32", "10.0.0.64/32"},
		{"10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/23"},
		{"10.0.0.0/31", "10.0.0.0/32", "10.0.0.1/32"},
		{"0.0.0.0/0", "255.255.255.255/32", "0.0.0.0/32"},
		{"0.0.0.0/0", "128.0.0.0/1", "255.0.0.0/8"},
		{"0.0.0.0/0", "::/0"},
		{"255.255.255.254/31", "::/127"},
		{"::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "8000::/1"},
	} {
		var all []netip.Prefix
		var atoms [][]netip.Prefix
		for _, text := range texts {
			n := netip.MustParsePrefix(text)
			atoms, all = append(atoms, []netip.Prefix{n}), append(all, n)
		}
		checkPartition(t, atoms)
		checkPartition(t, append(atoms, all))
	}
}

func checkPartition(t rapid.TB, nets [][]netip.Prefix) {
	a := newAtoms(newInterner())
	for _, list := range nets {
		a.id(atom{nets: list})
	}
	p := a.partition(nil)
	apart(t, "hosts", p.hosts)
	apart(t, "nets", p.nets)
	whole := p.whole()
	covers(t, whole)
	for _, at := range edges(slices.Concat(nets...)) {
		want := a.brute(at)
		if got := p.find(at); !slices.Equal(got, want) {
			t.Fatalf("%v: %s is in the atoms %v, want %v", nets, at, got, want)
		}
		if got := in(whole, at); !slices.Equal(got, want) {
			t.Fatalf("%v: %s is in the atoms %v of the whole, want %v", nets, at, got, want)
		}
	}
}

// brute returns the ids of the atoms that contain the address, sorted.
func (a *atoms) brute(at netip.Addr) []uint32 {
	var ids []uint32
	for id, x := range a.byID {
		if slices.ContainsFunc(x.nets, func(n netip.Prefix) bool { return n.Contains(at) }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// find looks an address up as the tables do: single addresses first.
func (p partition) find(at netip.Addr) []uint32 {
	for _, r := range p.hosts {
		if r.from == at {
			return r.atoms
		}
	}
	return in(p.nets, at)
}

func in(regions []region, at netip.Addr) []uint32 {
	for _, r := range regions {
		if r.from.Compare(at) <= 0 && at.Compare(r.to) <= 0 {
			return r.atoms
		}
	}
	return nil
}

// apart checks that regions are sorted, disjoint, of one family each and of
// some atom.
func apart(t rapid.TB, what string, regions []region) {
	for i, r := range regions {
		if r.to.Less(r.from) || r.from.Is4() != r.to.Is4() || len(r.atoms) == 0 || !slices.IsSorted(r.atoms) {
			t.Fatalf("%s: %v", what, r)
		}
		if i > 0 && r.from.Compare(regions[i-1].to) <= 0 {
			t.Fatalf("%s: %v begins before %v ends", what, r, regions[i-1])
		}
	}
}

// covers checks that regions cover both families, without gap or overlap.
func covers(t rapid.TB, regions []region) {
	next := netip.IPv4Unspecified()
	for i, r := range regions {
		if r.from != next || r.to.Less(r.from) {
			t.Fatalf("region %d of the whole is %v, want it to begin at %s", i, r, next)
		}
		if next = r.to.Next(); !next.IsValid() && r.to.Is4() {
			next = netip.IPv6Unspecified()
		}
	}
	if next.IsValid() {
		t.Fatalf("the whole ends before %s", next)
	}
}

func TestLastAddr(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.255.255.255", "10.0.0.8/29": "10.0.0.15", "10.0.0.1/32": "10.0.0.1", "0.0.0.0/0": "255.255.255.255",
		"fd00::/8": "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00::1/128": "fd00::1",
	} {
		if got := lastAddr(netip.MustParsePrefix(text)).String(); got != want {
			t.Errorf("%s ends at %s, want %s", text, got, want)
		}
	}
}

// TestAtomKey: one key for conditions that are the same, written differently.
func TestAtomKey(t *testing.T) {
	a := newAtoms(newInterner())
	nets := func(texts ...string) uint32 {
		var all []netip.Prefix
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return a.id(atom{nets: all})
	}
	x := nets("10.0.0.0/8", "192.0.2.0/24")
	if nets("192.0.2.0/24", "10.0.0.0/8", "10.0.0.0/8") != x {
		t.Error("order and repetition make another atom")
	}
	if nets("10.0.0.0/8") == x || nets("10.0.0.0/9") == nets("10.0.0.0/8") {
		t.Error("different lists are one atom")
	}
}
