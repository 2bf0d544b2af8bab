package sctp

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The types of chunks.
const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkSack             = 3
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14
)

const (
	// whole is the flags of a DATA chunk that is a whole message.
	whole = 3
	// cookieParameter is the type of the parameter with the cookie.
	cookieParameter = 7
	window          = 65536
)

// packet is a packet of SCTP. The port 0 never comes.
type packet struct {
	from, to uint16
	tag      uint32
	chunks   []chunk
}

type chunk struct {
	kind, flags byte
	value       []byte
}

var errPacket = errors.New("sctp: this is no packet")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// marshal writes a packet, with its checksum.
func (p packet) marshal() []byte {
	b := binary.BigEndian.AppendUint16(nil, p.from)
	b = binary.BigEndian.AppendUint16(b, p.to)
	b = binary.BigEndian.AppendUint32(b, p.tag)
	b = append(b, 0, 0, 0, 0)
	for _, c := range p.chunks {
		b = append(b, c.kind, c.flags)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(c.value)))
		b = append(b, c.value...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, castagnoli))
	return b
}

// parse reads a packet. The values are parts of b.
func parse(b []byte) (packet, error) {
	if len(b) < 12 {
		return packet{}, errPacket
	}
	sum := binary.LittleEndian.Uint32(b[8:])
	zero := append([]byte{}, b...)
	copy(zero[8:], []byte{0, 0, 0, 0})
	if crc32.Checksum(zero, castagnoli) != sum {
		return packet{}, errPacket
	}
	p := packet{from: binary.BigEndian.Uint16(b), to: binary.BigEndian.Uint16(b[2:]), tag: binary.BigEndian.Uint32(b[4:])}
	for b = b[12:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return packet{}, errPacket
		}
		p.chunks = append(p.chunks, chunk{b[0], b[1], b[4:n]})
		b = b[min(len(b), (n+3)/4*4):]
	}
	return p, nil
}

// hello is the value of an INIT or an INIT ACK.
type hello struct {
	tag, tsn uint32
	cookie   []byte // of an INIT ACK
}

func (h hello) marshal() []byte {
	b := binary.BigEndian.AppendUint32(nil, h.tag)
	b = binary.BigEndian.AppendUint32(b, window)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = binary.BigEndian.AppendUint32(b, h.tsn)
	if h.cookie != nil {
		b = binary.BigEndian.AppendUint16(b, cookieParameter)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(h.cookie)))
		b = append(b, h.cookie...)
	}
	return b
}

func parseHello(b []byte) (hello, error) {
	if len(b) < 16 {
		return hello{}, errPacket
	}
	h := hello{tag: binary.BigEndian.Uint32(b), tsn: binary.BigEndian.Uint32(b[12:])}
	for b = b[16:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return hello{}, errPacket
		}
		if binary.BigEndian.Uint16(b) == cookieParameter {
			h.cookie = b[4:n]
		}
		b = b[min(len(b), (n+3)/4*4):]
	}
	return h, nil
}

// data is a DATA chunk with a message.
func data(tsn uint32, sequence uint16, message []byte) chunk {
	b := binary.BigEndian.AppendUint32(nil, tsn)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, sequence)
	b = binary.BigEndian.AppendUint32(b, 0)
	return chunk{chunkData, whole, append(b, message...)}
}

// sack acknowledges all up to a TSN.
func sack(tsn uint32) chunk {
	b := binary.BigEndian.AppendUint32(nil, tsn)
	b = binary.BigEndian.AppendUint32(b, window)
	return chunk{chunkSack, 0, append(b, 0, 0, 0, 0)}
}
