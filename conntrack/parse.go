package conntrack

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Event is what the kernel tells of a connection.
type Event struct {
	// Gone says that the connection has left the table; else it has come, or is
	// there.
	Gone bool
	// ID is the connection's number. Another may get it later.
	ID uint32
	// Origin is the way of its first packet as that was sent, Reply the way of
	// answers: they differ from the mirror image where addresses are translated.
	Origin, Reply Tuple
	// Label is what was noted at it. The events of those that go do not have it.
	Label    [16]byte
	HasLabel bool
	// Seen says that an answer has come.
	Seen bool
	// Out and In are what passed in the way of Origin and of Reply; zero unless
	// the kernel counts (net.netfilter.nf_conntrack_acct).
	Out, In Count
}

// Tuple is one way of a connection. Ports are 0 for protocols without; for
// ICMP and ICMPv6, DstPort holds type and code, the type in the upper byte.
type Tuple struct {
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
}

// Count is an amount of traffic, with the headers of IP.
type Count struct{ Packets, Bytes uint64 }

// The kernel's names: linux/netfilter/nfnetlink_conntrack.h.
const (
	msgNew, msgGet, msgDelete = 0, 1, 2

	ctaTupleOrig, ctaTupleReply, ctaStatus, ctaCountersOrig, ctaCountersReply, ctaID, ctaLabels = 1, 2, 3, 9, 10, 12, 22

	tupleIP, tupleProto                                          = 1, 2
	ipV4Src, ipV4Dst, ipV6Src, ipV6Dst                           = 1, 2, 3, 4
	protoNum, protoSrcPort, protoDstPort                         = 1, 2, 3
	protoICMPType, protoICMPCode, protoICMP6Type, protoICMP6Code = 5, 6, 8, 9

	countPackets, countBytes = 1, 2

	statusSeenReply = 1 << 1
)

const (
	headerSize = 16 + 4 // of netlink, and of nfnetlink
	typeMask   = 1<<14 - 1
)

// parse reads the netlink messages in a buffer and calls take with each
// connection. done reports that the answer to a dump has ended.
func parse(b []byte, e *Event, take func(*Event)) (done bool, err error) {
	for len(b) >= headerSize-4 {
		size := int(binary.NativeEndian.Uint32(b))
		kind := binary.NativeEndian.Uint16(b[4:])
		if size < 16 || size > len(b) {
			return false, errShort
		}
		m := b[:size]
		b = b[min((size+3)&^3, len(b)):]
		switch {
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR && size >= 20:
			if n := int32(binary.NativeEndian.Uint32(m[16:])); n != 0 {
				return true, unix.Errno(-n)
			}
			return true, nil
		case kind>>8 != unix.NFNL_SUBSYS_CTNETLINK || size < headerSize:
			continue
		}
		*e = Event{Gone: kind&0xff == msgDelete}
		if e.read(m[headerSize:]) {
			take(e)
		}
	}
	return false, nil
}

// each calls f with each attribute. It reports false for a list that is cut.
func each(b []byte, f func(typ uint16, value []byte)) bool {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return false
		}
		f(binary.NativeEndian.Uint16(b[2:])&typeMask, b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return true
}

// read reports whether the attributes are those of a connection.
func (e *Event) read(b []byte) bool {
	ok := each(b, func(typ uint16, v []byte) {
		switch typ {
		case ctaTupleOrig:
			e.Origin.read(v)
		case ctaTupleReply:
			e.Reply.read(v)
		case ctaCountersOrig:
			e.Out.read(v)
		case ctaCountersReply:
			e.In.read(v)
		case ctaID:
			if len(v) == 4 {
				e.ID = binary.BigEndian.Uint32(v)
			}
		case ctaStatus:
			if len(v) == 4 {
				e.Seen = binary.BigEndian.Uint32(v)&statusSeenReply != 0
			}
		case ctaLabels:
			e.HasLabel = copy(e.Label[:], v) == len(e.Label)
		}
	})
	return ok && e.Origin.Src.IsValid() && e.Reply.Src.IsValid()
}

func (t *Tuple) read(b []byte) {
	each(b, func(typ uint16, v []byte) {
		switch typ {
		case tupleIP:
			each(v, t.readAddress)
		case tupleProto:
			each(v, t.readProtocol)
		}
	})
}

func (t *Tuple) readAddress(typ uint16, v []byte) {
	a, ok := netip.AddrFromSlice(v)
	if !ok {
		return
	}
	switch typ {
	case ipV4Src, ipV6Src:
		t.Src = a
	case ipV4Dst, ipV6Dst:
		t.Dst = a
	}
}

func (t *Tuple) readProtocol(typ uint16, v []byte) {
	switch {
	case typ == protoNum && len(v) == 1:
		t.Protocol = v[0]
	case typ == protoSrcPort && len(v) == 2:
		t.SrcPort = binary.BigEndian.Uint16(v)
	case typ == protoDstPort && len(v) == 2:
		t.DstPort = binary.BigEndian.Uint16(v)
	case (typ == protoICMPType || typ == protoICMP6Type) && len(v) == 1:
		t.DstPort |= uint16(v[0]) << 8
	case (typ == protoICMPCode || typ == protoICMP6Code) && len(v) == 1:
		t.DstPort |= uint16(v[0])
	}
}

func (c *Count) read(b []byte) {
	each(b, func(typ uint16, v []byte) {
		switch {
		case len(v) != 8:
		case typ == countPackets:
			c.Packets = binary.BigEndian.Uint64(v)
		case typ == countBytes:
			c.Bytes = binary.BigEndian.Uint64(v)
		}
	})
}
