package table

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRangesAgree: the parts change nothing about which range is found, however
// the ranges lie.
func TestRangesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.SampledFrom([]uint32{10, 1000, 1 << 20, 1<<32 - 1}).Draw(t, "span")
		base := rapid.Uint32Range(0, 1<<32-1-span).Draw(t, "base")
		edges := rapid.SliceOfNDistinct(rapid.Uint32Range(0, span), 0, 60, rapid.ID[uint32]).Draw(t, "edges")
		slices.Sort(edges)
		var nets []Net
		for i := 0; i+1 < len(edges); i += 2 {
			nets = append(nets, Net{address(base + edges[i]), address(base + edges[i+1]), FirstClass})
		}
		r := newRanges4(nets)
		asked := []uint32{0, 1<<32 - 1, base, base + span, rapid.Uint32().Draw(t, "anywhere")}
		for _, e := range edges {
			asked = append(asked, base+e, base+e+1, base+e-1)
		}
		for _, a := range asked {
			want := slices.IndexFunc(nets, func(n Net) bool { return n.To.Compare(address(a)) >= 0 })
			if want < 0 {
				want = len(nets)
			}
			if got := r.firstFrom(a); got != want {
				t.Fatalf("%s: range %d, want %d of %v", address(a), got, want, nets)
			}
		}
	})
}

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
