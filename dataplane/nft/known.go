package nft

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/verdict"
)

// What belongs to a connection that the kernel knows is accepted without asking
// policy again. What opens one is not, though the kernel may say that it belongs to
// one: it takes a SYN with the addresses and ports of a connection that it still
// remembers for a packet of that, be it open, or reset by the server up to ten seconds
// ago, and when the server answers it makes the old one the new one. Who was allowed
// once could open connections for as long as he uses the same port.
//
// Such a SYN walks through policy as that of a new connection, and so does one that is
// sent again. It is told from answers by its direction: what answers a SYN with a SYN
// of its own opens the connection that the other end asks for. The labels of the
// connection stay as they were: they can only be added to. The INIT of SCTP is the same.

// known accepts the packets of connections that conntrack knows, and gives
// those that fit none the verdict invalid, if it is not nil. Most packets of all are
// TCP's with an ACK, which open nothing: they come first, without a look-up.
func (b builder) known(invalid *expr.Verdict) []rule {
	elements := []element{
		{key: ctState(expr.CtStateBitESTABLISHED), verdict: jumpTo(b.established())},
		{key: ctState(expr.CtStateBitRELATED), verdict: accept},
	}
	if invalid != nil {
		elements = append(elements, element{key: ctState(expr.CtStateBitINVALID), verdict: invalid})
	}
	isEstablished := []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: reg1}, equals(ctState(expr.CtStateBitESTABLISHED))}
	return []rule{
		{exprs: slices.Concat(isEstablished, tcpFlags(ack, ack), []expr.Any{accept})},
		{exprs: []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: reg1}, vmap("")}, anonymous: &anonymous{byState, elements}},
	}
}

// established names the chain of what belongs to a connection of which the kernel
// has seen both ends.
func (n names) established() string { return n.of("established") }

// establishedChain accepts all but what opens a connection.
func (b builder) establishedChain() chain {
	return chain{name: b.established(), rules: []rule{
		{exprs: append(opens(), back), comment: "a connection of the same addresses and ports begins"},
		{exprs: append(opensSCTP(), back), comment: "an association of the same addresses and ports begins"},
		to(accept),
	}}
}

// tcpFlags goes on for TCP packets of whose flags those in mask are as wanted.
func tcpFlags(mask, want byte) []expr.Any {
	const at = 13
	return []expr.Any{
		meta(expr.MetaKeyL4PROTO), equals([]byte{verdict.TCP}),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: at, Len: 1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 1, Mask: []byte{mask}, Xor: []byte{0}},
		equals([]byte{want}),
	}
}

// Flags of TCP.
const (
	syn = 1 << 1
	ack = 1 << 4
)

// opens goes on for the first packet of a TCP connection, as the end sends it that
// the kernel takes for the one that opened it.
func opens() []expr.Any { return append(tcpFlags(syn|ack, syn), ofDirection(0)...) }

// opensSCTP goes on for the first packet of an association, from either end: an INIT
// stands alone, and where both ends send one, that of one is enough. The kernel lets
// those of the other end through while it remembers an aborted association.
func opensSCTP() []expr.Any {
	const typeAt, isInit = 12, 1
	return []expr.Any{meta(expr.MetaKeyL4PROTO), equals([]byte{verdict.SCTP}), header(typeAt, reg1), equals([]byte{isInit})}
}

func ctState(bit uint32) []byte { return binary.NativeEndian.AppendUint32(nil, bit) }
