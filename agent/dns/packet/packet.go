// Package packet reads the headers of IP packets as far as DNS needs them.
package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Segment is the part of a connection that a packet carries.
type Segment struct {
	From, To netip.AddrPort
	// TCP tells TCP from UDP.
	TCP bool
	// Sequence is the number of the first byte of Payload, of TCP; a SYN counts as
	// one byte before it. Start, End and Reset are the flags SYN, FIN and RST.
	Sequence          uint32
	Start, End, Reset bool
	// Payload is what is carried. It shares the packet's memory.
	Payload []byte
}

// ErrOther is returned for packets that are neither UDP nor TCP, for fragments
// and for headers that say what cannot be.
var ErrOther = errors.New("no UDP or TCP packet")

// The protocols that are read, and the headers of IPv6 that may stand before.
const (
	tcp, udp                = 6, 17
	hopByHop, routing       = 0, 43
	destinationOptions      = 60
	maxHeaders              = 8
	syn, fin, rst      byte = 2, 1, 4
)

// Parse reads a packet from its IP header on.
func Parse(b []byte) (s Segment, err error) {
	if len(b) < 20 {
		return s, ErrOther
	}
	var src, dst netip.Addr
	var protocol byte
	switch b[0] >> 4 {
	case 4:
		src, dst, protocol, b, err = ipv4(b)
	case 6:
		src, dst, protocol, b, err = ipv6(b)
	default:
		err = ErrOther
	}
	if err != nil || len(b) < 8 {
		return s, ErrOther
	}
	s.From = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	s.To = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	switch protocol {
	case udp:
		length := int(binary.BigEndian.Uint16(b[4:]))
		if length < 8 || length > len(b) {
			return s, ErrOther
		}
		s.Payload = b[8:length]
		return s, nil
	case tcp:
		return s, s.tcp(b)
	}
	return s, ErrOther
}

func ipv4(b []byte) (src, dst netip.Addr, protocol byte, rest []byte, err error) {
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || total > len(b) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return src, dst, 0, nil, ErrOther
	}
	return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[9], b[header:total], nil
}

func ipv6(b []byte) (src, dst netip.Addr, protocol byte, rest []byte, err error) {
	if len(b) < 40 {
		return src, dst, 0, nil, ErrOther
	}
	src, dst, protocol = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[6]
	length := int(binary.BigEndian.Uint16(b[4:]))
	if b = b[40:]; length > len(b) {
		return src, dst, 0, nil, ErrOther
	}
	b = b[:length]
	for range maxHeaders {
		if protocol != hopByHop && protocol != routing && protocol != destinationOptions {
			return src, dst, protocol, b, nil
		}
		if len(b) < 8 || len(b) < int(b[1])*8+8 {
			break
		}
		protocol, b = b[0], b[int(b[1])*8+8:]
	}
	return src, dst, 0, nil, ErrOther
}

func (s *Segment) tcp(b []byte) error {
	if len(b) < 20 {
		return ErrOther
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) {
		return ErrOther
	}
	s.TCP, s.Sequence, s.Payload = true, binary.BigEndian.Uint32(b[4:]), b[header:]
	flags := b[13]
	s.Start, s.End, s.Reset = flags&syn != 0, flags&fin != 0, flags&rst != 0
	if s.Start {
		s.Sequence++
	}
	return nil
}
