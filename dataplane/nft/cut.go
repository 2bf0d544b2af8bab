package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

// Open connections are ended by taking them out of the kernel's memory: their
// next packet is that of a new connection, and meets the policy that denies it.
//
// That alone would not end all. The next packet may come from the other end: as
// the first of a connection in the opposite direction, which another policy may
// allow, and with it the old one would go on. So what the other end sends is
// remembered in a set that new packets are looked up in, until it must have
// given up.

// The sets of answers to connections that were cut. They keep their names through
// all epochs.
var cutSets = [2]namedMap{
	{name: "cut4", mapType: cutType(nftables.TypeIPAddr), comment: "answers to connections that were cut"},
	{name: "cut6", mapType: cutType(nftables.TypeIP6Addr), comment: "answers to connections that were cut"},
}

func cutType(address nftables.SetDatatype) mapType {
	return mapType{key: []nftables.SetDatatype{nftables.TypeInetProto, address, nftables.TypeInetService, address, nftables.TypeInetService}, timeout: cutFor}
}

// cutFor is how long answers are remembered, in milliseconds: longer than TCP
// sends again what nobody confirms.
const cutFor = 20 * 60 * 1000

// isCutSet reports whether a name is that of a set above, which stays if the
// dataplane uses them.
func (b builder) isCutSet(name string) bool {
	return b.cuts && (name == cutSets[0].name || name == cutSets[1].name)
}

// cutRules drop the answers to connections that were cut. They come after those
// that accept what belongs to a connection.
func (b builder) cutRules() (list []rule) {
	if !b.cuts {
		return nil
	}
	for _, v4 := range []bool{true, false} {
		next := uint32(unix.NFT_REG32_00)
		at := func(length uint32) uint32 {
			r := next
			next += length / 4
			return r
		}
		size, set := uint32(16), cutSets[1]
		if v4 {
			size, set = 4, cutSets[0]
		}
		load := append(family(v4), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: at(4)},
			address(v4, true, at(size)), sourcePort(at(4)), address(v4, false, at(size)), destinationPort(at(4)))
		list = append(list, rule{exprs: append(load, &expr.Lookup{SourceRegister: unix.NFT_REG32_00, SetName: set.name}, drop),
			comment: "the connection was cut"})
	}
	return list
}

// Cut implements dataplane.Cutter.
func (d *Dataplane) Cut(ctx context.Context, which func([]dataplane.Connection) []bool) (int, error) {
	if !d.options.CutDenied {
		return 0, fmt.Errorf("%w: it was not made to cut connections", dataplane.ErrNotSupported)
	}
	if err := d.waitGrace(ctx); err != nil {
		return 0, err
	}
	grace() // what was on its way under the former policy is in the kernel's memory then
	conn, err := conntrack.Dial(&netlink.Config{NetNS: d.options.NetNS})
	if err != nil {
		return 0, explain(err)
	}
	defer func() { _ = conn.Close() }()
	d.Lock()
	unsure := d.unsure
	d.Unlock()
	flows, err := conn.Dump(nil)
	if err != nil {
		return 0, fmt.Errorf("list of open connections: %w", err)
	}
	kept := flows[:0]
	var list []dataplane.Connection
	for _, f := range flows {
		// one that another announced, such as FTP's for data, is as good as that
		if c, ok := connection(f); ok && !f.Status.Expected() {
			c.Either = unsure[f.ID]
			kept, list = append(kept, f), append(list, c)
		}
	}
	var chosen []conntrack.Flow
	for i, yes := range which(list) {
		if yes {
			chosen = append(chosen, kept[i])
		}
	}
	if len(chosen) == 0 {
		return 0, nil
	}
	if err := d.forgetAnswers(ctx, chosen); err != nil {
		return 0, err
	}
	n := 0
	for _, f := range chosen {
		switch err := conn.Delete(f); {
		case err == nil:
			n++
		case !errors.Is(err, fs.ErrNotExist): // else it ended by itself
			return n, fmt.Errorf("end of connection %s: %w", f.TupleOrig, err)
		}
	}
	return n, nil
}

// connection says how policy sees a flow; false for what no policy asks about.
func connection(f conntrack.Flow) (dataplane.Connection, bool) {
	o, r := f.TupleOrig, f.TupleReply
	p := verdict.Packet{
		Src: o.IP.SourceAddress.Unmap(), Dst: r.IP.SourceAddress.Unmap(), Protocol: o.Proto.Protocol,
		SrcPort: o.Proto.SourcePort, DstPort: r.Proto.SourcePort,
	}
	switch {
	case verdict.IsICMP(p.Protocol):
		p.SrcPort, p.DstPort = 0, verdict.ICMPKey(o.Proto.ICMPType, o.Proto.ICMPCode)
	case !verdict.HasPorts(p.Protocol):
		p.SrcPort, p.DstPort = 0, 0
	}
	return dataplane.Connection{First: p, Asked: netip.AddrPortFrom(o.IP.DestinationAddress.Unmap(), o.Proto.DestinationPort)}, p.Src.IsValid() && p.Dst.IsValid()
}

// forgetAnswers remembers what answers to connections look like, so that they
// are dropped from when the connections are no longer known.
func (d *Dataplane) forgetAnswers(ctx context.Context, flows []conntrack.Flow) error {
	var lists [2][]element
	for _, f := range flows {
		r := f.TupleReply
		if !verdict.HasPorts(r.Proto.Protocol) {
			continue // an answer to a ping is invalid without it
		}
		family := 0
		if !r.IP.SourceAddress.Is4() {
			family = 1
		}
		lists[family] = append(lists[family], element{key: join(proto(r.Proto.Protocol), addr(r.IP.SourceAddress), port(r.Proto.SourcePort),
			addr(r.IP.DestinationAddress), port(r.Proto.DestinationPort))})
	}
	d.Lock()
	defer d.Unlock()
	if d.now == nil {
		return dataplane.ErrOutOfStep
	}
	s, err := d.open()
	if err != nil {
		return explain(err)
	}
	var b batch
	for i, list := range lists {
		b.addElements(cutSets[i].name, list)
	}
	return explain(s.commit(ctx, &b, cut))
}

// bigEndian64 is a number of milliseconds as nf_tables wants it.
func bigEndian64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
