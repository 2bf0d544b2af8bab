package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var src, dst = netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("10.0.0.1:4000")
var src6, dst6 = netip.MustParseAddrPort("[2001:db8::1]:53"), netip.MustParseAddrPort("[fd00::1]:4000")

func ports(from, to netip.AddrPort) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from.Port()), to.Port())
}

func udpOf(from, to netip.AddrPort, payload string) []byte {
	b := binary.BigEndian.AppendUint16(ports(from, to), uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

func tcpOf(from, to netip.AddrPort, sequence uint32, flags byte, payload string) []byte {
	b := binary.BigEndian.AppendUint32(ports(from, to), sequence)
	b = append(b, 0, 0, 0, 0, 6<<4, flags, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1) // four bytes of options
	return append(b, payload...)
}

func ip4(protocol byte, from, to netip.AddrPort, rest []byte) []byte {
	b := make([]byte, 20)
	b[0], b[9] = 0x45, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(rest)))
	copy(b[12:], from.Addr().AsSlice())
	copy(b[16:], to.Addr().AsSlice())
	return append(b, rest...)
}

func ip6(next byte, from, to netip.AddrPort, rest []byte) []byte {
	b := make([]byte, 40)
	b[0], b[6] = 0x60, next
	binary.BigEndian.PutUint16(b[4:], uint16(len(rest)))
	copy(b[8:], from.Addr().AsSlice())
	copy(b[24:], to.Addr().AsSlice())
	return append(b, rest...)
}

func TestParse(t *testing.T) {
	options := []byte{udp, 0, 1, 4, 0, 0, 0, 0}
	for what, c := range map[string]struct {
		packet []byte
		want   Segment
	}{
		"UDP on IPv4":                {ip4(udp, src, dst, udpOf(src, dst, "hello")), Segment{From: src, To: dst, Payload: []byte("hello")}},
		"UDP on IPv6":                {ip6(udp, src6, dst6, udpOf(src6, dst6, "hello")), Segment{From: src6, To: dst6, Payload: []byte("hello")}},
		"UDP behind options of IPv6": {ip6(hopByHop, src6, dst6, append(options, udpOf(src6, dst6, "x")...)), Segment{From: src6, To: dst6, Payload: []byte("x")}},
		"padding of the wire":        {append(ip4(udp, src, dst, udpOf(src, dst, "hello")), 0, 0, 0), Segment{From: src, To: dst, Payload: []byte("hello")}},
		"TCP":                        {ip4(tcp, src, dst, tcpOf(src, dst, 9, 0x18, "hi")), Segment{From: src, To: dst, TCP: true, Sequence: 9, Payload: []byte("hi")}},
		"TCP SYN":                    {ip4(tcp, src, dst, tcpOf(src, dst, 9, 0x12, "")), Segment{From: src, To: dst, TCP: true, Sequence: 10, Start: true, Payload: []byte{}}},
		"TCP FIN on IPv6":            {ip6(tcp, src6, dst6, tcpOf(src6, dst6, 9, 0x11, "")), Segment{From: src6, To: dst6, TCP: true, Sequence: 9, End: true, Payload: []byte{}}},
		"TCP RST":                    {ip4(tcp, src, dst, tcpOf(src, dst, 9, 4, "")), Segment{From: src, To: dst, TCP: true, Sequence: 9, Reset: true, Payload: []byte{}}},
	} {
		got, err := Parse(c.packet)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.AddrPort{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
}

func TestOther(t *testing.T) {
	good := ip4(udp, src, dst, udpOf(src, dst, "hello"))
	change := func(at int, to byte) []byte {
		b := slices.Clone(good)
		b[at] = to
		return b
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "cut": good[:24], "a fragment": change(7, 1), "the first of several": change(6, 0x20), "another protocol": change(9, 1),
		"another version": change(0, 0x55), "a short header": change(0, 0x44), "a length beyond the packet": change(3, 200), "a UDP length beyond it": change(25, 200),
		"a UDP length of less than its header": change(25, 7), "TCP with a header beyond the packet": ip4(tcp, src, dst, append(tcpOf(src, dst, 1, 0, "")[:12], 0xf0, 0, 0, 0, 0, 0, 0, 0)),
		"options beyond the packet": ip6(hopByHop, src6, dst6, []byte{udp, 9, 0, 0, 0, 0, 0, 0}),
	} {
		if s, err := Parse(b); !errors.Is(err, ErrOther) {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ip4(udp, src, dst, udpOf(src, dst, "hello")))
	f.Add(ip6(tcp, src6, dst6, tcpOf(src6, dst6, 9, 0x11, "x")))
	f.Add(ip6(hopByHop, src6, dst6, append([]byte{udp, 0, 1, 4, 0, 0, 0, 0}, udpOf(src6, dst6, "x")...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err == nil && (len(s.Payload) > len(b) || !s.From.IsValid() || !s.To.IsValid()) {
			t.Errorf("%+v", s)
		}
	})
}
