package compile

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/tidwall/btree"

	"github.com/tierwall/tierwall/table"
)

// space knows for every address in which atoms it is, and so its class. Only
// the addresses of sources that are in some atom are in it.
type space struct {
	hosts *btree.BTreeG[host]
	cidrs *btree.BTreeG[*cidr]
	// byPrefix are the same networks; lengths counts them by family and bits.
	byPrefix map[netip.Prefix]*cidr
	lengths  [2][129]int
	classes  map[string]*class
	byID     map[table.ClassID]*class
	nets     []table.Net

	dirtyHosts map[netip.Addr]struct{}
	dirtyNets  map[netip.Prefix]struct{}
	// moved are the hosts of the present change with the class that they had.
	moved   map[netip.Addr]table.ClassID
	touched []*class
	// renamed are classes that stand for other atoms than before the present
	// change.
	renamed []*class
	key     []byte
	scratch []*atom
}

// host is a single address that is in some atom by itself, not only through a
// network that it lies in.
type host struct {
	addr   netip.Addr
	owners owners
	class  *class
	// hidden says that its network's class is the same: it needs no entry.
	hidden bool
}

// cidr is a network that sources name.
type cidr struct {
	prefix netip.Prefix
	owners owners
	// atoms are those of the network and of all around it.
	atoms []*atom
	class *class
}

// owners are the sources that name a network, with how often they do.
type owners struct {
	first owner
	more  []owner
}

type owner struct {
	*source
	count int
}

func (o *owners) add(s *source) {
	switch o.first.source {
	case s:
		o.first.count++
		return
	case nil:
		o.first = owner{s, 1}
		return
	}
	for i := range o.more {
		if o.more[i].source == s {
			o.more[i].count++
			return
		}
	}
	o.more = append(o.more, owner{s, 1})
}

func (o *owners) remove(s *source) {
	if o.first.source == s {
		if o.first.count--; o.first.count == 0 {
			o.first = owner{}
			if n := len(o.more); n > 0 {
				o.first = o.more[n-1]
				o.more = o.more[:n-1]
			}
		}
		return
	}
	for i := range o.more {
		if o.more[i].source == s {
			if o.more[i].count--; o.more[i].count == 0 {
				o.more = slices.Delete(o.more, i, i+1)
			}
			return
		}
	}
}

func (o *owners) none() bool { return o.first.source == nil }

func (o *owners) appendAtoms(list []*atom) []*atom {
	if o.first.source != nil {
		list = append(list, o.first.atoms...)
	}
	for _, x := range o.more {
		list = append(list, x.atoms...)
	}
	return list
}

// class is a set of addresses of one family that are in the same atoms.
type class struct {
	id     table.ClassID
	family int
	key    string
	atoms  []*atom // sorted
	// held counts what points here, shown how many hosts and ranges of the
	// tables do. lived says whether the class was shown before the present
	// change, if that touched it.
	held, shown    int
	lived, touched bool
}

// has reports whether the class is in an atom of the condition; one of names
// counts only if it is asked for.
func (k *class) has(x *condition, names bool) bool {
	if k == nil {
		return false
	}
	for _, a := range k.atoms {
		if a.condition == x && (names || a.port != allowedNames) {
			return true
		}
	}
	return false
}

func newSpace() *space {
	options := btree.Options{NoLocks: true, Degree: 32}
	return &space{
		hosts:    btree.NewBTreeGOptions(func(a, b host) bool { return a.addr.Less(b.addr) }, options),
		cidrs:    btree.NewBTreeGOptions(func(a, b *cidr) bool { return comparePrefixes(a.prefix, b.prefix) < 0 }, options),
		byPrefix: map[netip.Prefix]*cidr{}, classes: map[string]*class{}, byID: map[table.ClassID]*class{},
		dirtyHosts: map[netip.Addr]struct{}{}, dirtyNets: map[netip.Prefix]struct{}{}, moved: map[netip.Addr]table.ClassID{},
	}
}

// comparePrefixes orders networks by address, those around before those within.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// lay says that a source names a network; lift takes that back.
func (s *space) lay(p netip.Prefix, by *source) {
	if p = p.Masked(); p.IsSingleIP() {
		h, ok := s.hosts.Get(host{addr: p.Addr()})
		if !ok {
			h.addr = p.Addr()
		}
		h.owners.add(by)
		s.hosts.Set(h)
		s.dirtyHosts[p.Addr()] = struct{}{}
		return
	}
	n := s.byPrefix[p]
	if n == nil {
		n = &cidr{prefix: p}
		s.byPrefix[p] = n
		s.cidrs.Set(n)
		s.lengths[table.Family(p.Addr())][p.Bits()]++
	}
	n.owners.add(by)
	s.dirtyNets[p] = struct{}{}
}

func (s *space) lift(p netip.Prefix, by *source) {
	if p = p.Masked(); p.IsSingleIP() {
		h, _ := s.hosts.Get(host{addr: p.Addr()})
		h.owners.remove(by)
		s.hosts.Set(h)
		s.dirtyHosts[p.Addr()] = struct{}{}
		return
	}
	n := s.byPrefix[p]
	if n.owners.remove(by); n.owners.none() {
		delete(s.byPrefix, p)
		s.cidrs.Delete(n)
		s.lengths[table.Family(p.Addr())][p.Bits()]--
		s.point(&n.class, nil)
	}
	s.dirtyNets[p] = struct{}{}
}

// mark says that the atoms of a network that is laid have changed.
func (s *space) mark(p netip.Prefix) {
	if p = p.Masked(); p.IsSingleIP() {
		s.dirtyHosts[p.Addr()] = struct{}{}
	} else {
		s.dirtyNets[p] = struct{}{}
	}
}

// around returns the innermost network of fewer than bits bits that contains
// the address, or nil.
func (s *space) around(a netip.Addr, bits int) *cidr {
	lengths := &s.lengths[table.Family(a)]
	for bits--; bits >= 0; bits-- {
		if lengths[bits] == 0 {
			continue
		}
		p, _ := a.Prefix(bits)
		if n := s.byPrefix[p]; n != nil {
			return n
		}
	}
	return nil
}

// settle brings the classes up to date.
func (s *space) settle(by people, ids *idPool) (before, after []table.Net) {
	if len(s.dirtyNets) > 0 {
		before, after = s.settleNets(ids)
		s.dirtyNets = emptied(s.dirtyNets)
	}
	s.settleHosts(by, ids)
	return before, after
}

// classOf returns the class of the addresses that are in just the atoms, which
// it may reorder.
func (s *space) classOf(family int, atoms []*atom, ids *idPool) *class {
	atoms = s.keyOf(family, atoms)
	if k := s.classes[string(s.key)]; k != nil {
		return k
	}
	return s.classWith(string(s.key), slices.Clone(atoms), ids)
}

// classWith returns the class with a key, which it makes of the atoms if it is
// new.
func (s *space) classWith(key string, atoms []*atom, ids *idPool) *class {
	k := s.classes[key]
	if k == nil {
		k = &class{id: table.ClassID(ids.take()), family: int(key[0]), key: key, atoms: atoms}
		s.classes[k.key], s.byID[k.id] = k, k
		s.touch(k)
		for _, a := range atoms {
			a.classes.put(k, struct{}{})
		}
	}
	return k
}

// point lets one of the space's pointers point at another class.
func (s *space) point(at **class, to *class) {
	if to != nil {
		to.held++
	}
	if was := *at; was != nil {
		s.touch(was)
		was.held--
	}
	*at = to
}

// show counts the entries of the tables that lead to a class.
func (s *space) show(k *class, n int) {
	s.touch(k)
	k.shown += n
}

func (s *space) touch(k *class) {
	if !k.touched {
		k.touched, k.lived = true, k.shown > 0
		s.touched = append(s.touched, k)
	}
}

// forget lets a class go that nothing holds.
func (s *space) forget(k *class, ids *idPool) {
	delete(s.classes, k.key)
	delete(s.byID, k.id)
	for _, a := range k.atoms {
		a.classes.remove(k)
	}
	ids.give(uint64(k.id))
}
