package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// recording is how decisions leave traces. The zero value leaves none.
type recording struct {
	dataplane.Recording
	// rate is how many denied packets a second are sent to the group.
	rate uint64
}

// unrecorded is the counter of denied packets that were not sent to the group.
// It outlives epochs.
const unrecorded = "denied-unrecorded"

// confirmed is the bit of a connection's status that says that its first packet
// has passed (linux/netfilter/nf_conntrack_common.h).
const confirmed = 1 << 3

// noted is the rule by which a set notes itself and the peer's class in the
// connection's labels: at its first packet alone, since labels can only be added
// to. Without recording there is none.
//
// A packet meets two sets at most that allow it, so that each has a half. Those of
// pods, and of hosts for what is their own, have that of their direction. What
// comes in to be forwarded was sent by no local pod, and what goes out goes to
// none: the stage Forward has the other half. So has the one before translation,
// which hosts' policy does not follow where it allows; where it does not, Forward
// finds the half in use, and notes nothing. Pods have both halves: what the stage
// does with theirs is not noted. Nor is the stage before connection tracking, after
// which there is no connection to note it at.
func (b builder) noted(s *table.Set) []rule {
	half, ahead := s.Direction, []expr.Any{}
	switch s.Stage {
	case verdict.Untracked:
		return nil
	case verdict.PreDNAT:
		half = verdict.Egress
		ahead = []expr.Any{meta(expr.MetaKeyIIFNAME), &expr.Lookup{SourceRegister: reg1, SetName: b.pods(), Invert: true}}
	case verdict.Forward:
		half = otherHalf(s.Direction)
		ahead = unused(half)
	}
	l, at, ok := dataplane.SetLabel(b.record.Tag, half, s.ID)
	if !ok {
		return nil
	}
	return []rule{{exprs: append(ahead,
		&expr.Ct{Key: expr.CtKeySTATUS, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: four(confirmed), Xor: four(0)},
		equals(four(0)),
		&expr.Immediate{Register: reg1, Data: l[:]},
		&expr.Meta{Key: expr.MetaKeyPRIORITY, Register: unix.NFT_REG32_00 + uint32(at/4)},
		&expr.Ct{Key: expr.CtKeyLABELS, SourceRegister: true, Register: reg1},
	), comment: "the set, and the class from the priority"}}
}

func otherHalf(d verdict.Direction) verdict.Direction {
	if d == verdict.Egress {
		return verdict.Ingress
	}
	return verdict.Egress
}

func four(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// unused goes on if nothing is noted in a half of the connection's labels.
func unused(half verdict.Direction) []expr.Any {
	mask, _, _ := dataplane.SetLabel(dataplane.Tags, half, 0)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyLABELS, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: dataplane.LabelSize, Mask: mask[:], Xor: make([]byte, dataplane.LabelSize)},
		equals(make([]byte, dataplane.LabelSize)),
	}
}

// denied names the chain that ends denials, by stage.
func (n names) denied(s verdict.Stage) string { return n.of("denied" + early(s)) }

// deniedChains send what is denied to the log group before it is dropped. What
// comes too fast is counted instead: a packet is recorded or counted, never both.
//
// The message does not say which set denied. The packet's mark could (nobody
// reads it after that), but nft reads no rule that puts the priority there, not
// even its own listing; the labels could, but few kernels put them into messages
// of the log. Who hears it looks the packet up in the tables, which are known.
func (b builder) deniedChains() []chain {
	if b.record.Group == 0 {
		return nil
	}
	var list []chain
	for _, s := range []verdict.Stage{verdict.Normal, verdict.Untracked, verdict.PreDNAT} {
		end := b.denial(s)
		what := s.String()
		if s == verdict.Normal {
			what = "normal" // and forward, which shares its rows
		}
		list = append(list, chain{name: b.denied(s), comment: "denials are recorded, or counted if there are too many", rules: []rule{
			{exprs: []expr.Any{
				&expr.Limit{Type: expr.LimitTypePkts, Rate: b.record.rate, Unit: expr.LimitTimeSecond, Burst: uint32(b.record.rate), Over: true},
				&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: unrecorded},
				end,
			}},
			{exprs: []expr.Any{&expr.Log{Key: logKeys, Group: b.record.Group, Snaplen: logSnaplen, Data: []byte(dataplane.DeniedPrefix + what)}}},
			to(end),
		}})
	}
	return list
}

// Recording implements dataplane.Recorder.
func (d *Dataplane) Recording() dataplane.Recording {
	return dataplane.Recording{Tag: uint8(d.tag.Load()), Group: uint16(d.group.Load())}
}

// recording returns how an epoch records. The tag is that of the first epoch of
// this process: labels of a process before mean nothing to this one, those of
// its own former epochs do.
func (d *Dataplane) recording(epoch int) recording {
	if d.group.Load() == 0 {
		return recording{}
	}
	d.tag.CompareAndSwap(0, uint32(epoch%dataplane.Tags)+1)
	return recording{d.Recording(), d.options.FlowRate}
}

// loadRecording is load, without recording where the kernel cannot: the policy
// matters more.
func (d *Dataplane) loadRecording(ctx context.Context, s *socket, p dataplane.Program) (*state, error) {
	next, err := d.load(ctx, s, p)
	group := d.group.Load()
	if group == 0 || !errors.Is(err, unix.EOPNOTSUPP) {
		return next, err
	}
	refused := err
	d.group.Store(0)
	if next, err = d.load(ctx, s, p); err != nil {
		d.group.Store(group)
		return next, err
	}
	if d.options.Warn != nil {
		d.options.Warn(fmt.Errorf("flows are not recorded: the kernel has not CONFIG_NF_CONNTRACK_LABELS: %w", refused))
	}
	return next, nil
}

// addCounter adds the counter of denied packets that were not recorded; one that
// is there stays.
func (b *batch) addCounter() {
	b.add(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE, false, "add counter "+unrecorded, func(a *attrs) {
		a.text(unix.NFTA_OBJ_NAME, unrecorded)
		a.number(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
		a.nest(unix.NFTA_OBJ_DATA, func(a *attrs) {
			a.bytes(unix.NFTA_COUNTER_BYTES, make([]byte, 8)...)
			a.bytes(unix.NFTA_COUNTER_PACKETS, make([]byte, 8)...)
		})
	})
}

// Unrecorded implements dataplane.Recorder. It may be called by others while the
// dataplane is changed.
func (d *Dataplane) Unrecorded() (uint64, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: d.options.NetNS})
	if err != nil {
		return 0, explain(err)
	}
	defer func() { _ = conn.Close() }()
	body := attrs{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}
	body.text(unix.NFTA_OBJ_TABLE, tableName)
	body.text(unix.NFTA_OBJ_NAME, unrecorded)
	body.number(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETOBJ, Flags: netlink.Request}, Data: body,
	})
	if err != nil {
		return 0, explain(err)
	}
	for _, r := range replies {
		if n, ok := counted(r.Data); ok {
			return n, nil
		}
	}
	return 0, errors.New("the kernel does not tell the counter " + unrecorded)
}

// counted reads the packets of a counter object.
func counted(data []byte) (n uint64, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	d, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return 0, false
	}
	for d.Next() {
		if d.Type() != unix.NFTA_OBJ_DATA {
			continue
		}
		d.Nested(func(d *netlink.AttributeDecoder) error {
			for d.Next() {
				if value := d.Bytes(); d.Type() == unix.NFTA_COUNTER_PACKETS && len(value) == 8 {
					n, ok = binary.BigEndian.Uint64(value), true
				}
			}
			return nil
		})
	}
	if d.Err() != nil {
		return 0, false
	}
	return n, ok
}
