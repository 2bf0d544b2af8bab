package compile

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
)

// atom is one condition on an address that rules can ask for: to be in a list
// of networks, to be one of those that a selector stands for, or to be one of
// those that have a port or serve a service.
type atom struct {
	nets     []netip.Prefix
	selector *selector.Selector
	// name is set for the third sort: what the addresses have in common.
	name  string
	addrs []netip.Addr
}

// atoms are the conditions of all rules in force.
type atoms struct {
	interner *interner
	byID     map[uint32]atom
}

func newAtoms(n *interner) *atoms { return &atoms{interner: n, byID: map[uint32]atom{}} }

// addressTest is what a rule asks of one address, in terms of atoms.
type addressTest struct {
	require, exclude []uint32
	// never holds families, 0 for IPv4 and 1 for IPv6, that cannot match.
	never [2]bool
}

func restrictsAddress(p *model.Peer) bool {
	return len(p.Nets)+len(p.NotNets) > 0 || p.Selector != nil || p.NotSelector != nil
}

// test registers the conditions of a peer and returns its test.
func (a *atoms) test(p *model.Peer) addressTest {
	var t addressTest
	if len(p.Nets) > 0 {
		t.require = append(t.require, a.id(atom{nets: p.Nets}))
	}
	if p.Selector != nil {
		t.require = append(t.require, a.id(atom{selector: p.Selector}))
	}
	if p.NotSelector != nil {
		t.exclude = append(t.exclude, a.id(atom{selector: p.NotSelector}))
	}
	if len(p.NotNets) > 0 {
		t.exclude = append(t.exclude, a.id(atom{nets: p.NotNets}))
		// a list without a network of the family kills the rule for it
		t.never = [2]bool{true, true}
		for _, n := range p.NotNets {
			t.never[table.Family(n.Addr())] = false
		}
	}
	return t
}

func (a *atoms) id(x atom) uint32 {
	id, _ := a.interner.atoms.id(x.key())
	a.byID[id] = x
	return id
}

func (x atom) key() string {
	switch {
	case x.name != "":
		return x.name
	case x.selector != nil:
		return "selector " + x.selector.String()
	}
	words := make([]string, len(x.nets))
	for i, n := range x.nets {
		words[i] = n.String()
	}
	slices.Sort(words)
	return "nets " + strings.Join(slices.Compact(words), " ")
}

// matches reports whether an address of the family that is in just the atoms
// of in, sorted, passes the test.
func (t *addressTest) matches(family int, in []uint32) bool {
	if t.never[family] {
		return false
	}
	for _, a := range t.require {
		if _, ok := slices.BinarySearch(in, a); !ok {
			return false
		}
	}
	for _, a := range t.exclude {
		if _, ok := slices.BinarySearch(in, a); ok {
			return false
		}
	}
	return true
}

// region is a range of addresses that the same atoms, sorted, contain.
type region struct {
	from, to netip.Addr
	atoms    []uint32
}

// partition divides the addresses by the atoms that contain them. Its regions
// are sorted and disjoint; where there is none, no atom contains the address.
// Single addresses come apart from the rest, and lie over it.
type partition struct {
	hosts []region
	nets  []region
}

// partition sweeps over the networks of all atoms. Networks nest or are
// disjoint, so a stack of those that are open at a place is enough:
//
//	10.0.0.0/8      |---------------------------|   a
//	10.1.0.0/16          |---------|                b
//	regions         |-a--|--a,b----|-----a------|
func (a *atoms) partition(d *directory) partition {
	marks := a.marks(d)
	var p partition
	var open []region
	var at netip.Addr // where the innermost open network goes on
	shut := func(until netip.Addr) {
		for len(open) > 0 && (!until.IsValid() || open[len(open)-1].to.Less(until)) {
			top := open[len(open)-1]
			open = open[:len(open)-1]
			if at.IsValid() && at.Compare(top.to) <= 0 {
				p.nets = append(p.nets, region{at, top.to, top.atoms})
			}
			at = top.to.Next()
		}
	}
	for _, m := range marks {
		first, last := m.prefix.Addr(), lastAddr(m.prefix)
		shut(first)
		in := m.atoms
		if len(open) > 0 {
			in = union(open[len(open)-1].atoms, m.atoms)
		}
		if m.prefix.IsSingleIP() {
			p.hosts = append(p.hosts, region{first, first, in})
			continue
		}
		if len(open) > 0 && at.Less(first) {
			p.nets = append(p.nets, region{at, first.Prev(), open[len(open)-1].atoms})
		}
		open = append(open, region{first, last, in})
		at = first
	}
	shut(netip.Addr{})
	return p
}

type mark struct {
	prefix netip.Prefix
	atoms  []uint32
}

// marks lists each network once with the atoms that name it, in the order in
// which a sweep meets them: a network before those in it.
func (a *atoms) marks(d *directory) []mark {
	byPrefix := map[netip.Prefix][]uint32{}
	for id, x := range a.byID {
		nets := x.nets
		if x.selector != nil {
			nets = d.members(x.selector)
		}
		for _, addr := range x.addrs {
			p := netip.PrefixFrom(addr, addr.BitLen())
			byPrefix[p] = append(byPrefix[p], id)
		}
		for _, n := range nets {
			byPrefix[n.Masked()] = append(byPrefix[n.Masked()], id)
		}
	}
	marks := make([]mark, 0, len(byPrefix))
	for p, ids := range byPrefix {
		slices.Sort(ids)
		marks = append(marks, mark{p, slices.Compact(ids)})
	}
	slices.SortFunc(marks, func(a, b mark) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		return a.prefix.Bits() - b.prefix.Bits()
	})
	return marks
}

// union merges two sorted lists.
func union(a, b []uint32) []uint32 {
	all := make([]uint32, 0, len(a)+len(b))
	all = append(append(all, a...), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// whole returns regions that cover both families without a gap, single
// addresses cut out of what they lie in.
func (p partition) whole() []region {
	var all []region
	for _, family := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		first, last := family.Addr(), lastAddr(family)
		at := first
		fill := func(until netip.Addr, in []uint32) { // covers at..until
			if at.IsValid() && at.Compare(until) <= 0 {
				all = append(all, region{at, until, in})
				at = until.Next()
			}
		}
		hosts := p.hosts
		cover := func(r region) { // r with its hosts cut out
			for len(hosts) > 0 && hosts[0].from.Compare(r.to) <= 0 {
				if h := hosts[0]; h.from.Is4() == first.Is4() && r.from.Compare(h.from) <= 0 {
					if at.Less(h.from) {
						fill(h.from.Prev(), r.atoms)
					}
					fill(h.to, h.atoms)
				}
				hosts = hosts[1:]
			}
			fill(r.to, r.atoms)
		}
		for _, n := range p.nets {
			if n.from.Is4() != first.Is4() {
				continue
			}
			if at.Less(n.from) {
				cover(region{from: at, to: n.from.Prev()})
			}
			cover(n)
		}
		if at.IsValid() && at.Is4() == first.Is4() {
			cover(region{from: at, to: last})
		}
	}
	return all
}

// class is a PeerClass while it is made.
type class struct {
	id     table.ClassID
	family int
	atoms  []uint32
}

// classify gives every region its class and writes the address part of the
// tables.
func (b *build) classify() {
	p := b.atoms.partition(b.directory)
	for _, r := range p.nets {
		id := b.class(r)
		if n := len(b.out.Nets); n > 0 && b.out.Nets[n-1].Class == id && b.out.Nets[n-1].To.Next() == r.from {
			b.out.Nets[n-1].To = r.to
			continue
		}
		b.out.Nets = append(b.out.Nets, table.Net{From: r.from, To: r.to, Class: id})
	}
	for _, r := range p.hosts {
		if id := b.class(r); id != b.out.Class(r.from) {
			b.out.Hosts[r.from] = id
		}
	}
}

func (b *build) class(r region) table.ClassID {
	family := table.Family(r.from)
	key := []byte{byte(family)}
	for _, a := range r.atoms {
		key = binary.BigEndian.AppendUint32(key, a)
	}
	id, first := b.compiler.ids.classes.id(string(key))
	if first {
		b.classes = append(b.classes, class{id, family, r.atoms})
	}
	return id
}

// addressMatches answers a rule's question about an endpoint's own address.
func (b *build) addressMatches(p *model.Peer, a netip.Addr) bool {
	in := func(nets []netip.Prefix) bool {
		return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	sameFamily := func(n netip.Prefix) bool { return n.Addr().Is4() == a.Is4() }
	switch {
	case len(p.Nets) > 0 && !in(p.Nets),
		len(p.NotNets) > 0 && (in(p.NotNets) || !slices.ContainsFunc(p.NotNets, sameFamily)),
		p.Selector != nil && !in(b.directory.members(p.Selector)),
		p.NotSelector != nil && in(b.directory.members(p.NotSelector)):
		return false
	}
	return true
}
