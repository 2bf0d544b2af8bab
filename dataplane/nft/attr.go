package nft

import "encoding/binary"

// attrs is a growing list of netlink attributes. Numbers are big-endian, as
// nf_tables wants them.
type attrs []byte

const nested = 1 << 15

func (a *attrs) bytes(typ uint16, value ...byte) {
	length := 4 + len(value)
	*a = binary.NativeEndian.AppendUint16(*a, uint16(length))
	*a = binary.NativeEndian.AppendUint16(*a, typ)
	*a = append(*a, value...)
	for ; length%4 != 0; length++ {
		*a = append(*a, 0)
	}
}

func (a *attrs) text(typ uint16, value string) { a.bytes(typ, append([]byte(value), 0)...) }

func (a *attrs) number(typ uint16, value uint32) {
	a.bytes(typ, binary.BigEndian.AppendUint32(nil, value)...)
}

// nest writes an attribute whose value is what fill appends. The value must
// stay under 64 KiB: that is all that the length field can say.
func (a *attrs) nest(typ uint16, fill func(*attrs)) {
	start := len(*a)
	*a = append(*a, 0, 0, 0, 0)
	fill(a)
	binary.NativeEndian.PutUint16((*a)[start:], uint16(len(*a)-start))
	binary.NativeEndian.PutUint16((*a)[start+2:], typ|nested)
}
