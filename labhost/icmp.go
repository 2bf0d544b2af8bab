package labhost

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
)

// The ICMP types of echo, RFC 792 and RFC 4443.
const (
	echoReply4   = 0
	echoRequest4 = 8
	echoRequest6 = 128
	echoReply6   = 129
	echoHeader   = 8 // bytes: type, code, checksum, identifier, sequence
)

// connectICMP opens a raw socket to addr, which needs root or CAP_NET_RAW.
func connectICMP(addr netip.Addr) (*conn, error) {
	network := "ip4:icmp"
	if addr.Unmap().Is6() {
		network = "ip6:ipv6-icmp"
	}
	raw, err := net.Dial(network, addr.Unmap().String())
	if err != nil {
		return nil, err
	}
	c := raw.(*net.IPConn)
	return &conn{Conn: c, exchange: func() (message, error) { return message{}, ping(c, addr.Unmap()) }}, nil
}

// ping sends one echo request and reads until its reply is there. A raw socket
// sees all ICMP packets from the address: those of others are skipped.
func ping(c *net.IPConn, addr netip.Addr) error {
	request, reply := byte(echoRequest4), byte(echoReply4)
	if addr.Is6() {
		request, reply = echoRequest6, echoReply6
	}
	packet := make([]byte, echoHeader+16)
	packet[0] = request
	rand.Read(packet[4:]) // identifier, sequence and data are the token
	if addr.Is4() {       // the kernel fills in the IPv6 one
		binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	}
	if _, err := c.Write(packet); err != nil {
		return err
	}
	buffer := make([]byte, 512)
	for {
		n, _, err := c.ReadFromIP(buffer) // without the IPv4 header
		if err != nil {
			return err
		}
		got := buffer[:n]
		if n >= echoHeader && got[0] == reply && bytes.Equal(got[4:], packet[4:]) {
			return nil
		}
	}
}

// checksum is the Internet checksum (RFC 1071) of a packet whose checksum field
// is zero.
func checksum(packet []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(packet); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(packet[i:]))
	}
	if len(packet)%2 == 1 {
		sum += uint32(packet[len(packet)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
