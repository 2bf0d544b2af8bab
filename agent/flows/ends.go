package flows

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"unique"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// maxOutside is how many addresses of others are remembered.
const maxOutside = 10_000

// Directory knows who has which address. The zero value is not ready: use
// NewDirectory. It may be used by several at once.
type Directory struct {
	mu sync.Mutex
	// ends are those that have addresses of their own, by what they are; byAddr
	// are those of an address, the one that counts first.
	byKey  map[model.Key][]*claim
	byAddr map[netip.Addr][]*claim
	// nets are the networks of sets, and bits which lengths of prefixes there are.
	nets map[netip.Prefix][]*flow.End
	bits map[int]int
	sets map[model.Key]*model.NetworkSet
	// outside are answers for addresses that are nobody's own.
	outside map[netip.Addr]*flow.End
}

// claim is an address of somebody.
type claim struct {
	rank int
	key  model.Key
	end  *flow.End
}

// NewDirectory returns an empty one.
func NewDirectory() *Directory {
	return &Directory{
		byKey: map[model.Key][]*claim{}, byAddr: map[netip.Addr][]*claim{}, nets: map[netip.Prefix][]*flow.End{}, bits: map[int]int{},
		sets: map[model.Key]*model.NetworkSet{}, outside: map[netip.Addr]*flow.End{},
	}
}

// See learns a change of the world. What has no address is left alone.
func (d *Directory) See(c model.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch c.Key.Kind {
	case model.KindPod, model.KindHostEndpoint, model.KindNode:
		d.drop(c.Key)
		switch o := c.Object.(type) {
		case *model.Endpoint:
			if o != nil {
				d.endpoint(c.Key, o)
			}
		case *model.Node:
			if o != nil {
				d.put(c.Key, 2, o.Addrs, flow.End{Kind: flow.Node, Name: o.Name, Node: o.Name})
			}
		}
	case model.KindNetworkSet, model.KindGlobalNetworkSet:
		d.dropSet(c.Key)
		if s, ok := c.Object.(*model.NetworkSet); ok && s != nil {
			d.putSet(c.Key, s)
		}
	}
}

func (d *Directory) endpoint(k model.Key, e *model.Endpoint) {
	labels := unique.Make(flow.Labels(e.Labels)).Value()
	if e.ID.Kind == verdict.Host {
		d.put(k, 1, e.Addrs, flow.End{Kind: flow.Host, Name: e.ID.Name, Labels: labels, Node: e.Node})
		return
	}
	d.put(k, 0, e.Addrs, flow.End{Kind: flow.Pod, Namespace: e.ID.Namespace, Name: e.ID.Name, Labels: labels, Node: e.Node})
}

// put lets somebody have addresses. Of several who have one, the lowest rank
// counts, then who came last.
func (d *Directory) put(k model.Key, rank int, addrs []netip.Addr, e flow.End) {
	for _, a := range addrs {
		own := e
		own.Address = a
		c := &claim{rank, k, &own}
		d.byKey[k] = append(d.byKey[k], c)
		list := slices.Insert(slices.Clone(d.byAddr[a]), 0, c)
		slices.SortStableFunc(list, func(x, y *claim) int { return cmp.Compare(x.rank, y.rank) })
		d.byAddr[a] = list
		delete(d.outside, a)
	}
}

func (d *Directory) drop(k model.Key) {
	for _, c := range d.byKey[k] {
		a := c.end.Address
		left := slices.DeleteFunc(slices.Clone(d.byAddr[a]), func(o *claim) bool { return o.key == k })
		if d.byAddr[a] = left; len(left) == 0 {
			delete(d.byAddr, a)
		}
	}
	delete(d.byKey, k)
}

func (d *Directory) putSet(k model.Key, s *model.NetworkSet) {
	d.sets[k] = s
	e := &flow.End{Kind: flow.NetSet, Namespace: s.Namespace, Name: s.Name, Labels: unique.Make(flow.Labels(s.Labels)).Value()}
	for _, n := range s.Nets {
		d.nets[n] = append(d.nets[n], e)
		slices.SortFunc(d.nets[n], func(a, b *flow.End) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
		d.bits[bitsOf(n)]++
	}
	clear(d.outside)
}

func (d *Directory) dropSet(k model.Key) {
	s := d.sets[k]
	if s == nil {
		return
	}
	delete(d.sets, k)
	for _, n := range s.Nets {
		d.nets[n] = slices.DeleteFunc(d.nets[n], func(e *flow.End) bool { return e.Namespace == s.Namespace && e.Name == s.Name })
		if len(d.nets[n]) == 0 {
			delete(d.nets, n)
		}
		if d.bits[bitsOf(n)]--; d.bits[bitsOf(n)] == 0 {
			delete(d.bits, bitsOf(n))
		}
	}
	clear(d.outside)
}

// bitsOf keeps the lengths of the families apart.
func bitsOf(n netip.Prefix) int {
	if n.Addr().Is4() {
		return n.Bits()
	}
	return 1000 + n.Bits()
}

// At returns who has an address. The answer must not be changed; equal
// questions have the same answer as long as nothing changes.
func (d *Directory) At(a netip.Addr) *flow.End {
	d.mu.Lock()
	defer d.mu.Unlock()
	if list := d.byAddr[a]; len(list) > 0 {
		return list[0].end
	}
	if e := d.outside[a]; e != nil {
		return e
	}
	e := &flow.End{Kind: flow.Address, Address: a}
	if s := d.setOf(a); s != nil {
		own := *s
		own.Address = a
		e = &own
	}
	if len(d.outside) >= maxOutside {
		clear(d.outside)
	}
	d.outside[a] = e
	return e
}

// setOf returns the set with the narrowest network that has the address, the
// first by name of several; nil if there is none.
func (d *Directory) setOf(a netip.Addr) *flow.End {
	for bits := a.BitLen(); bits >= 0; bits-- {
		n, err := a.Prefix(bits)
		if err != nil || d.bits[bitsOf(n)] == 0 {
			continue
		}
		if list := d.nets[n]; len(list) > 0 {
			return list[0]
		}
	}
	return nil
}
