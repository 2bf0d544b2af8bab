package compile

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
)

// people tell who has an address.
type people interface {
	// atomsAt appends the atoms of the endpoints that have the address.
	atomsAt([]*atom, netip.Addr) []*atom
	// groupAt returns the group of the endpoint that alone has the address; nil if
	// none has it, or several.
	groupAt(netip.Addr) *group
}

// target is where addresses go: the class of those that are in just the atoms.
type target struct {
	atoms []*atom // sorted
	key   string
	class *class // nil until it is needed
}

// move is an address that is looked at again.
type move struct {
	host
	known  bool // the space has it
	around *cidr
	to     *target // nil if it is in no atom by itself
}

// settleHosts brings the classes of single addresses up to date. A class all of
// whose addresses go to one that is not there yet becomes that one, and no address
// changes its class: see rename.
func (s *space) settleHosts(by people, ids *idPool) {
	if len(s.dirtyHosts) == 0 {
		return
	}
	moves := s.moves(by)
	s.rename(moves)
	for i := range moves {
		s.move(&moves[i], ids)
	}
	s.dirtyHosts = emptied(s.dirtyHosts)
}

// moves finds where the addresses belong. Those of a group that lie in the same
// network, and that no list names, belong together: it is found out once.
func (s *space) moves(by people) []move {
	type place struct {
		group  *group
		around *cidr
	}
	moves := make([]move, 0, len(s.dirtyHosts))
	places, targets := map[place]*target{}, map[string]*target{}
	for a := range s.dirtyHosts {
		h, ok := s.hosts.Get(host{addr: a})
		h.addr = a
		m := move{host: h, known: ok}
		g := by.groupAt(a)
		if g == nil || !h.owners.none() {
			if atoms := h.owners.appendAtoms(by.atomsAt(s.scratch[:0], a)); len(atoms) > 0 {
				m.around = s.around(a, a.BitLen())
				m.to = s.targetOf(targets, table.Family(a), atoms, m.around)
			}
		} else if len(g.atoms) > 0 {
			m.around = s.around(a, a.BitLen())
			at := place{g, m.around}
			if m.to, ok = places[at]; !ok || m.to.key[0] != byte(table.Family(a)) {
				m.to = s.targetOf(targets, table.Family(a), append(s.scratch[:0], g.atoms...), m.around)
				places[at] = m.to
			}
		}
		moves = append(moves, m)
	}
	return moves
}

func (s *space) targetOf(known map[string]*target, family int, atoms []*atom, around *cidr) *target {
	if around != nil {
		atoms = append(atoms, around.atoms...)
	}
	s.scratch = atoms[:0]
	atoms = s.keyOf(family, atoms)
	t := known[string(s.key)]
	if t == nil {
		t = &target{atoms: slices.Clone(atoms), key: string(s.key)}
		known[t.key] = t
	}
	return t
}

// keyOf sorts atoms and leaves the key of their class in s.key.
func (s *space) keyOf(family int, atoms []*atom) []*atom {
	slices.SortFunc(atoms, compareAtoms)
	atoms = slices.Compact(atoms)
	s.key = append(s.key[:0], byte(family))
	for _, a := range atoms {
		s.key = binary.BigEndian.AppendUint32(s.key, a.id)
	}
	return atoms
}

// rename lets classes whose addresses all go to one and the same that is not there
// yet become it, where no set that stays can tell the two apart: a condition is new
// that all of them meet, or one is asked no more. Sets that are new with the change
// find the row of such a class anew, for all others it is the same.
func (s *space) rename(moves []move) {
	type going struct {
		n  int
		to *target
	}
	all := map[*class]*going{}
	for i := range moves {
		m := &moves[i]
		if m.class == nil {
			continue
		}
		g := all[m.class]
		if g == nil {
			g = &going{to: m.to}
			all[m.class] = g
		}
		if g.n++; g.to != m.to {
			g.to = nil
		}
	}
	first := map[*target]*class{}
	asked := map[*atom]bool{}
	for k, g := range all {
		if g.to == nil || g.n != k.held || g.to.key == k.key || toldApart(asked, k.atoms, g.to.atoms) {
			delete(all, k)
			continue
		}
		if other := first[g.to]; other == nil || all[other].n < g.n || all[other].n == g.n && k.id < other.id {
			first[g.to] = k
		}
	}
	for again := true; again; {
		again = false
		for k, g := range all {
			if there := s.classes[g.to.key]; first[g.to] != k || there != nil && all[there] == nil {
				delete(all, k)
				again = true
			}
		}
	}
	for k := range all {
		delete(s.classes, k.key)
	}
	for k, g := range all {
		for _, a := range k.atoms {
			a.classes.remove(k)
		}
		k.atoms, k.key, g.to.class = g.to.atoms, g.to.key, k
		for _, a := range k.atoms {
			a.classes.put(k, struct{}{})
		}
		s.classes[k.key] = k
		s.renamed = append(s.renamed, k)
	}
}

// toldApart reports whether a set that was there before the change and stays asks
// for an atom that is in one of two sorted lists only.
func toldApart(asked map[*atom]bool, before, after []*atom) bool {
	for len(before)+len(after) > 0 {
		var a *atom
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].id < after[0].id:
			a, before = before[0], before[1:]
		case len(before) == 0 || after[0].id < before[0].id:
			a, after = after[0], after[1:]
		default:
			before, after = before[1:], after[1:]
			continue
		}
		is, known := asked[a]
		if !known {
			is = a.askedBefore()
			asked[a] = is
		}
		if is {
			return true
		}
	}
	return false
}

// askedBefore reports whether a program asks for the atom that was there before
// the present change and stays.
func (a *atom) askedBefore() bool {
	if a.condition == nil {
		return false
	}
	for _, rs := range a.users.entries {
		for _, p := range rs.key.programs.entries {
			if !p.key.fresh && p.key.refs > 0 {
				return true
			}
		}
	}
	return false
}

// move gives an address its class.
func (s *space) move(m *move, ids *idPool) {
	var now *class
	if m.to != nil {
		if m.to.class == nil {
			m.to.class = s.classWith(m.to.key, m.to.atoms, ids)
		}
		now = m.to.class
	}
	h := m.host
	hidden := now != nil && m.around != nil && m.around.class == now
	if m.known && now != nil && h.class == now && h.hidden == hidden {
		return
	}
	was, is := table.ClassID(0), table.ClassID(0)
	if h.class != nil && !h.hidden {
		was = h.class.id
		s.show(h.class, -1)
	}
	s.point(&h.class, now)
	h.hidden = hidden
	if now != nil && !hidden {
		is = now.id
		s.show(now, 1)
	}
	if now == nil && h.owners.none() {
		if m.known {
			s.hosts.Delete(h)
		}
	} else {
		s.hosts.Set(h)
	}
	if first, ok := s.moved[h.addr]; !ok && was != is {
		s.moved[h.addr] = was
	} else if ok && first == is {
		delete(s.moved, h.addr)
	}
}
