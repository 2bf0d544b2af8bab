package conntrack

import (
	"encoding/binary"
	"testing"
)

// message is an event as the kernel writes it: attributes nested, each padded.
func message(kind uint16, attrs ...[]byte) []byte {
	b := make([]byte, headerSize)
	for _, a := range attrs {
		b = append(b, a...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], 1<<8|kind)
	return b
}

func attr(typ uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func nest(typ uint16, attrs ...[]byte) []byte {
	var all []byte
	for _, a := range attrs {
		all = append(all, a...)
	}
	return attr(typ|1<<15, all...)
}

// tcp is the start of a TCP connection, as conntrack tells of it.
func tcp() []byte {
	tuple := func(typ uint16) []byte {
		return nest(typ, nest(tupleIP, attr(ipV4Src, 10, 0, 0, 1), attr(ipV4Dst, 10, 0, 0, 2)), nest(tupleProto, attr(protoNum, 6), attr(protoSrcPort, 1, 2), attr(protoDstPort, 3, 4)))
	}
	return message(msgNew, tuple(ctaTupleOrig), tuple(ctaTupleReply), attr(ctaID, 1, 2, 3, 4), attr(ctaStatus, 0, 0, 0, 8), attr(7, 0, 0, 0, 120),
		nest(4, nest(1, attr(1, 1), attr(2, 7), attr(3, 0))), attr(ctaLabels, make([]byte, 16)...))
}

// BenchmarkParse is what reading an event costs.
func BenchmarkParse(b *testing.B) {
	m := tcp()
	var e Event
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(m, &e, func(*Event) { n++ }); err != nil {
			b.Fatal(err)
		}
	}
	if n == 0 || e.Origin.DstPort != 3<<8|4 || !e.HasLabel {
		b.Fatalf("%+v", e)
	}
}
