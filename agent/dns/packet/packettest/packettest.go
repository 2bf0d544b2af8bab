// Package packettest makes packets for tests.
package packettest

import (
	"encoding/binary"
	"net/netip"
)

// UDP returns an IPv4 packet with a UDP datagram in it, without checksums.
func UDP(from, to netip.AddrPort, payload []byte) []byte {
	const headers = 20 + 8
	b := make([]byte, headers, headers+len(payload))
	b[0], b[9] = 0x45, 17
	binary.BigEndian.PutUint16(b[2:], uint16(headers+len(payload)))
	copy(b[12:], from.Addr().AsSlice())
	copy(b[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[20:], from.Port())
	binary.BigEndian.PutUint16(b[22:], to.Port())
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload)))
	return append(b, payload...)
}
