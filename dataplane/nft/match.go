package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/table"
)

// Registers: the first of 16 bytes, the second of 16, and the two of 4 bytes
// that follow the first 4 of the first, for concatenations.
const (
	reg1    uint32 = unix.NFT_REG_1
	reg2    uint32 = unix.NFT_REG_2
	reg32_1 uint32 = unix.NFT_REG32_00 + 1
	reg32_2 uint32 = unix.NFT_REG32_00 + 2
)

var (
	accept = &expr.Verdict{Kind: expr.VerdictAccept}
	drop   = &expr.Verdict{Kind: expr.VerdictDrop}
	back   = &expr.Verdict{Kind: expr.VerdictReturn}
)

func jumpTo(chain string) *expr.Verdict { return &expr.Verdict{Kind: expr.VerdictJump, Chain: chain} }
func goTo(chain string) *expr.Verdict   { return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain} }

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: reg1} }

func equals(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: data} }

// family is the condition on a rule that looks at addresses.
func family(v4 bool) []expr.Any {
	proto := byte(unix.NFPROTO_IPV6)
	if v4 {
		proto = unix.NFPROTO_IPV4
	}
	return []expr.Any{meta(expr.MetaKeyNFPROTO), equals([]byte{proto})}
}

// address loads the source or destination address.
func address(v4, source bool, reg uint32) expr.Any {
	p := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader}
	switch {
	case v4 && source:
		p.Offset, p.Len = 12, 4
	case v4:
		p.Offset, p.Len = 16, 4
	case source:
		p.Offset, p.Len = 8, 16
	default:
		p.Offset, p.Len = 24, 16
	}
	return p
}

func sourcePort(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2}
}

func destinationPort(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
}

// vmap ends a rule with the verdict that the map gives for the key in the
// first register; a miss goes on to the next rule. An empty name is the rule's
// anonymous map.
func vmap(name string) expr.Any {
	return &expr.Lookup{SourceRegister: reg1, SetName: name, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true}
}

// member goes on if the key in the first register is in the set.
func member(name string) expr.Any { return &expr.Lookup{SourceRegister: reg1, SetName: name} }

// setClass puts the first register into the packet's priority.
func setClass() expr.Any {
	return &expr.Meta{Key: expr.MetaKeyPRIORITY, SourceRegister: true, Register: reg1}
}

func class(id table.ClassID) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(id)) }

// ifname is an interface's name as a key: 16 bytes, filled up with zeros.
func ifname(name string) []byte {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	return key
}

func addr(a netip.Addr) []byte { return a.AsSlice() }

// proto and port are keys of concatenations: filled up to four bytes.
func proto(number uint8) []byte { return []byte{number, 0, 0, 0} }
func port(number uint16) []byte { return []byte{byte(number >> 8), byte(number), 0, 0} }

func join(parts ...[]byte) []byte {
	var key []byte
	for _, p := range parts {
		key = append(key, p...)
	}
	return key
}

// Types of maps.
var (
	classOfIPv4  = mapType{key: []nftables.SetDatatype{nftables.TypeIPAddr}, data: nftables.TypeClassID}
	classOfIPv6  = mapType{key: []nftables.SetDatatype{nftables.TypeIP6Addr}, data: nftables.TypeClassID}
	verdictOf    = nftables.TypeVerdict
	rowOfClass   = mapType{key: []nftables.SetDatatype{nftables.TypeClassID}, data: verdictOf}
	ownIPv4      = mapType{key: []nftables.SetDatatype{nftables.TypeIFName, nftables.TypeIPAddr}, data: verdictOf}
	ownIPv6      = mapType{key: []nftables.SetDatatype{nftables.TypeIFName, nftables.TypeIP6Addr}, data: verdictOf}
	byInterface  = mapType{key: []nftables.SetDatatype{nftables.TypeIFName}, data: verdictOf}
	interfaces   = mapType{key: []nftables.SetDatatype{nftables.TypeIFName}}
	byProtocol   = mapType{key: []nftables.SetDatatype{nftables.TypeInetProto}, data: verdictOf}
	byPort       = mapType{key: []nftables.SetDatatype{nftables.TypeInetProto, nftables.TypeInetService}, data: verdictOf}
	byPortRange  = mapType{key: byPort.key, data: verdictOf, interval: true}
	byBothRanges = mapType{key: []nftables.SetDatatype{nftables.TypeInetProto, nftables.TypeInetService, nftables.TypeInetService}, data: verdictOf, interval: true}
	byState      = mapType{key: []nftables.SetDatatype{nftables.TypeCTState}, data: verdictOf}
	icmpv6Types  = mapType{key: []nftables.SetDatatype{nftables.TypeICMP6Type}, interval: true}
)

// withIntervals returns the type for ranges of its key.
func (t mapType) withIntervals() mapType {
	t.interval = true
	return t
}
