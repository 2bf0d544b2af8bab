package flows

import (
	"encoding/binary"
	"net/netip"

	"github.com/tierwall/tierwall/verdict"
)

// ParsePacket reads addresses, protocol and ports from the head of an IP packet,
// and how long the whole is, in bytes. Extension headers of IPv6 are not passed.
// It reports false for what is no IP packet.
func ParsePacket(b []byte) (p verdict.Packet, length int, ok bool) {
	var rest []byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && len(b) >= int(b[0]&15)*4:
		p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		p.Protocol, rest = b[9], b[int(b[0]&15)*4:]
		length = int(binary.BigEndian.Uint16(b[2:]))
	case len(b) >= 40 && b[0]>>4 == 6:
		p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		p.Protocol, rest = b[6], b[40:]
		length = 40 + int(binary.BigEndian.Uint16(b[4:]))
	default:
		return p, 0, false
	}
	switch {
	case verdict.HasPorts(p.Protocol) && len(rest) >= 4:
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	case verdict.IsICMP(p.Protocol) && len(rest) >= 2:
		p.DstPort = verdict.ICMPKey(rest[0], rest[1])
	}
	return p, length, true
}
