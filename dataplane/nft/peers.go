package nft

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
)

// hosts and nets name the maps from addresses to classes.
func (n names) hosts(v4 bool) string { return n.of(map[bool]string{true: "host4", false: "host6"}[v4]) }
func (n names) nets(v4 bool) string  { return n.of(map[bool]string{true: "net4", false: "net6"}[v4]) }

func (b builder) hostMap(v4 bool) namedMap {
	return namedMap{name: b.hosts(v4), mapType: classType(v4), comment: "peer address -> class"}
}

func (b builder) netMap(v4 bool) namedMap {
	return namedMap{name: b.nets(v4), mapType: classType(v4).withIntervals(), comment: "peer network -> class"}
}

func classType(v4 bool) mapType {
	if v4 {
		return classOfIPv4
	}
	return classOfIPv6
}

// hostElements are the single addresses of one family, sorted.
func hostElements(hosts map[netip.Addr]table.ClassID, v4 bool) []element {
	var list []element
	for _, a := range slices.SortedFunc(maps.Keys(hosts), netip.Addr.Compare) {
		if a.Is4() == v4 {
			list = append(list, element{key: addr(a), data: class(hosts[a])})
		}
	}
	return list
}

// netElements are the ranges of one family. Each is two elements: its first
// address, and an end marker at the first address after it, which the last
// address of the family has not.
func netElements(nets []table.Net, v4 bool) []element {
	var list []element
	for _, n := range nets {
		if n.From.Is4() == v4 {
			list = append(list, interval(n.From, n.To, element{data: class(n.Class)})...)
		}
	}
	return list
}

// interval returns an element for the range and its end marker.
func interval(from, to netip.Addr, e element) []element {
	e.key = addr(from)
	list := []element{e}
	if next := to.Next(); next.IsValid() {
		list = append(list, element{key: addr(next), end: true})
	}
	return list
}

// addressRange is a range of addresses of one family, both ends included.
type addressRange struct {
	from, to netip.Addr
}

// rangesOf returns the addresses of prefixes as sorted ranges that neither
// overlap nor touch.
func rangesOf(prefixes []netip.Prefix) []addressRange {
	var all []addressRange
	for _, p := range prefixes {
		all = append(all, addressRange{p.Masked().Addr(), last(p)})
	}
	slices.SortFunc(all, func(a, b addressRange) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	var merged []addressRange
	for _, r := range all {
		if n := len(merged); n > 0 && touches(merged[n-1], r) {
			if merged[n-1].to.Less(r.to) {
				merged[n-1].to = r.to
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// touches reports whether b, which does not begin before a, overlaps a or
// begins right after it.
func touches(a, b addressRange) bool {
	return a.from.Is4() == b.from.Is4() && (b.from.Compare(a.to) <= 0 || a.to.Next() == b.from)
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
