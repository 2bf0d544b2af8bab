package table

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// Index makes look-ups among many Nets fast. Nets must not be changed after it.
func (t *Tables) Index() {
	n := slices.IndexFunc(t.Nets, func(n Net) bool { return !n.From.Is4() })
	if n < 0 {
		n = len(t.Nets)
	}
	t.ranges4 = newRanges4(t.Nets[:n])
}

// ranges4 finds the range of an IPv4 address. The span of all ranges is cut
// into equal parts, about two a range, so that few ranges end in one part and
// most searches touch one place of the memory:
//
//	base                                             base + parts<<shift
//	|--- part 0 ---|--- part 1 ---|--- part 2 ---| ...
//	 [range 0] [range 1]             [range 2]        ends:  e0 e1 e2
//	                                                  first: 0  2  2 ...
//
// Where ranges lie close together in a large span, the search within a part is
// binary, so it never costs more than that over all of them.
type ranges4 struct {
	// ends are the last addresses of the ranges.
	ends []uint32
	// first says for each part which is the first range that does not end
	// before the part begins; there is one more than parts.
	first []int32
	base  uint32
	shift uint
}

func newRanges4(nets []Net) *ranges4 {
	r := &ranges4{ends: make([]uint32, len(nets))}
	if len(nets) == 0 {
		return r
	}
	for i, n := range nets {
		r.ends[i] = number4(n.To)
	}
	r.base = number4(nets[0].From)
	span := r.ends[len(nets)-1] - r.base
	r.shift = uint(max(0, bits.Len32(span)-bits.Len(uint(len(nets)))-1))
	parts := int(span>>r.shift) + 1
	r.first = make([]int32, parts+1)
	i := 0
	for part := range r.first {
		begin := uint64(r.base) + uint64(part)<<r.shift
		for i < len(r.ends) && uint64(r.ends[i]) < begin {
			i++
		}
		r.first[part] = int32(i)
	}
	return r
}

// firstFrom returns the number of the first range that does not end before
// the address.
func (r *ranges4) firstFrom(a uint32) int {
	n := len(r.ends)
	switch {
	case n == 0 || a > r.ends[n-1]:
		return n
	case a <= r.base:
		return 0
	}
	part := (a - r.base) >> r.shift
	from, to := int(r.first[part]), int(r.first[part+1])
	i, _ := slices.BinarySearch(r.ends[from:to], a)
	return from + i
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
