package verdict

import (
	"fmt"
	"net/netip"
)

// The IP protocol numbers that policies can name (semantics.md section 1).
const (
	ICMP    uint8 = 1
	TCP     uint8 = 6
	UDP     uint8 = 17
	ICMPv6  uint8 = 58
	SCTP    uint8 = 132
	UDPLite uint8 = 136
)

// Packet is the first packet of a connection, as normal policy sees it: after
// destination NAT. Src and Dst are of one family. Ports are 0 for protocols
// that have none; for ICMP and ICMPv6, DstPort is ICMPKey of type and code.
type Packet struct {
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
}

// HasPorts reports whether rules can match ports of the protocol: TCP, UDP and
// SCTP (semantics.md section 1).
func HasPorts(protocol uint8) bool {
	return protocol == TCP || protocol == UDP || protocol == SCTP
}

// IsICMP reports whether the protocol is ICMP or ICMPv6.
func IsICMP(protocol uint8) bool { return protocol == ICMP || protocol == ICMPv6 }

// ICMPKey puts the type and the code of an ICMP message in the place of a
// destination port: the first two bytes of its header, as a port is the second
// two of TCP's.
func ICMPKey(icmpType, code uint8) uint16 { return uint16(icmpType)<<8 | uint16(code) }

// ProtocolName returns the name as policies write it, or the number.
func ProtocolName(protocol uint8) string {
	switch protocol {
	case ICMP:
		return "ICMP"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case ICMPv6:
		return "ICMPv6"
	case SCTP:
		return "SCTP"
	case UDPLite:
		return "UDPLite"
	}
	return fmt.Sprint(protocol)
}

// String returns "TCP 10.0.0.1:1024 -> 10.0.0.2:80".
func (p Packet) String() string {
	if IsICMP(p.Protocol) {
		return fmt.Sprintf("%s %d/%d %s -> %s", ProtocolName(p.Protocol), p.DstPort>>8, p.DstPort&255, p.Src, p.Dst)
	}
	if !HasPorts(p.Protocol) {
		return fmt.Sprintf("%s %s -> %s", ProtocolName(p.Protocol), p.Src, p.Dst)
	}
	return fmt.Sprintf("%s %s -> %s", ProtocolName(p.Protocol),
		netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort))
}

// Local returns the address of the endpoint that is policed in direction d,
// and Remote that of its peer.
func (p Packet) Local(d Direction) netip.Addr {
	if d == Egress {
		return p.Src
	}
	return p.Dst
}

// Remote returns the peer's address in direction d.
func (p Packet) Remote(d Direction) netip.Addr {
	if d == Egress {
		return p.Dst
	}
	return p.Src
}
