package flows

import (
	"net/netip"
	"testing"
)

func TestParsePacket(t *testing.T) {
	v4 := append([]byte{0x46, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 1}, 0x9c, 0x40, 0, 80)
	v6 := append(append([]byte{0x60, 0, 0, 0, 0, 8, 17, 64}, a16("fd00::1")...), append(a16("fd00::2"), 0, 53, 0, 54)...)
	for _, row := range []struct {
		name string
		in   []byte
		want string
	}{
		{"IPv4 with options", v4, "TCP 10.0.0.1:40000 -> 10.0.0.2:80"},
		{"IPv6", v6, "UDP [fd00::1]:53 -> [fd00::2]:54"},
		{"ICMP", append([]byte{0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, 8, 1), "ICMP 8/1 10.0.0.1 -> 10.0.0.2"},
		{"cut short", v4[:22], ""},
		{"nothing", nil, ""},
	} {
		p, _, ok := ParsePacket(row.in)
		if got := p.String(); ok != (row.want != "") || ok && got != row.want {
			t.Errorf("%s: %q %v, want %q", row.name, got, ok, row.want)
		}
	}
}

func a16(text string) []byte { b := netip.MustParseAddr(text).As16(); return b[:] }
