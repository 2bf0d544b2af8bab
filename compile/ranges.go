package compile

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
)

// settleNets brings the networks that changed, and all that lies in them, up
// to date, and returns the ranges of the tables that went and that came.
func (s *space) settleNets(ids *idPool) (gone, come []table.Net) {
	dirty := make([]netip.Prefix, 0, len(s.dirtyNets))
	for p := range s.dirtyNets {
		dirty = append(dirty, p)
	}
	slices.SortFunc(dirty, comparePrefixes)
	rest := cursor{list: s.nets}
	after := make([]table.Net, 0, len(s.nets)+2*len(dirty))
	var until netip.Addr
	for _, p := range dirty {
		if until.IsValid() && p.Addr().Compare(until) <= 0 {
			continue // lies in one that was done
		}
		until = lastAddr(p)
		after = rest.before(p.Addr(), after)
		for _, n := range s.resolve(p, ids) {
			after = appendNet(after, n)
		}
		rest.skip(until)
	}
	after = rest.before(netip.Addr{}, after)
	return s.replaceNets(after)
}

// cursor goes through a sorted list of ranges.
type cursor struct {
	list []table.Net
	// from is where the first of the list really begins, if part of it was
	// skipped.
	from netip.Addr
}

func (c *cursor) first() table.Net {
	n := c.list[0]
	if c.from.IsValid() {
		n.From = c.from
	}
	return n
}

func (c *cursor) next() { c.list, c.from = c.list[1:], netip.Addr{} }

// before appends all that lies before an address, or all there is.
func (c *cursor) before(a netip.Addr, to []table.Net) []table.Net {
	for len(c.list) > 0 {
		n := c.first()
		if a.IsValid() && !n.From.Less(a) {
			break
		}
		if a.IsValid() && a.Compare(n.To) <= 0 {
			c.from = a
			n.To = a.Prev()
			return appendNet(to, n)
		}
		to = appendNet(to, n)
		c.next()
	}
	return to
}

// skip leaves out all up to an address.
func (c *cursor) skip(until netip.Addr) {
	for len(c.list) > 0 {
		n := c.first()
		if until.Less(n.From) {
			return
		}
		if until.Less(n.To) {
			c.from = until.Next()
			return
		}
		c.next()
	}
}

// replaceNets takes over new ranges and returns how they differ.
func (s *space) replaceNets(after []table.Net) (gone, come []table.Net) {
	gone, come = table.DiffNets(s.nets, after)
	for _, n := range gone {
		s.show(s.byID[n.Class], -1)
	}
	for _, n := range come {
		s.show(s.byID[n.Class], 1)
	}
	s.nets = after
	return gone, come
}

// appendNet appends a range, to the last one if it goes on with its class.
func appendNet(list []table.Net, n table.Net) []table.Net {
	if i := len(list) - 1; i >= 0 && list[i].Class == n.Class && list[i].To.Next() == n.From {
		list[i].To = n.To
		return list
	}
	return append(list, n)
}

// resolve finds the classes of a network and of all networks in it anew, and
// returns its ranges. Networks nest or are disjoint, so a stack of those that
// are open at a place is enough:
//
//	10.0.0.0/8      |---------------------------|   a
//	10.1.0.0/16          |---------|                b
//	ranges          |-a--|--a,b----|-----a------|
func (s *space) resolve(p netip.Prefix, ids *idPool) []table.Net {
	var out []table.Net
	emit := func(from, to netip.Addr, k *class) {
		if k != nil && from.IsValid() && from.Compare(to) <= 0 {
			out = appendNet(out, table.Net{From: from, To: to, Class: k.id})
		}
	}
	last := lastAddr(p)
	open := []*cidr{s.around(p.Addr(), p.Bits())} // the innermost is last; nil is none
	ends := []netip.Addr{last}
	at := p.Addr()
	shut := func(until netip.Addr) { // close what ends before until
		for len(open) > 1 && ends[len(ends)-1].Less(until) {
			end := ends[len(ends)-1]
			emit(at, end, open[len(open)-1].class)
			at = end.Next()
			open, ends = open[:len(open)-1], ends[:len(ends)-1]
		}
	}
	s.cidrs.Ascend(&cidr{prefix: p}, func(n *cidr) bool {
		first := n.prefix.Addr()
		if last.Less(first) {
			return false
		}
		shut(first)
		top := open[len(open)-1]
		s.resolveOne(n, top, ids)
		if at.Less(first) {
			emit(at, first.Prev(), classIn(top))
		}
		at = first
		open, ends = append(open, n), append(ends, lastAddr(n.prefix))
		return true
	})
	for len(open) > 1 {
		end := ends[len(ends)-1]
		emit(at, end, open[len(open)-1].class)
		at = end.Next()
		open, ends = open[:len(open)-1], ends[:len(ends)-1]
	}
	emit(at, last, classIn(open[0]))
	s.markHosts(p.Addr(), last)
	return out
}

func classIn(n *cidr) *class {
	if n == nil {
		return nil
	}
	return n.class
}

func (s *space) resolveOne(n, around *cidr, ids *idPool) {
	atoms := n.owners.appendAtoms(s.scratch[:0])
	if around != nil {
		atoms = append(atoms, around.atoms...)
	}
	s.scratch = atoms[:0]
	k := s.classOf(table.Family(n.prefix.Addr()), atoms, ids)
	n.atoms = k.atoms
	s.point(&n.class, k)
}

// markHosts says that the networks around the hosts from first to last have
// changed.
func (s *space) markHosts(first, last netip.Addr) {
	s.hosts.Ascend(host{addr: first}, func(h host) bool {
		if last.Less(h.addr) {
			return false
		}
		s.dirtyHosts[h.addr] = struct{}{}
		return true
	})
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
