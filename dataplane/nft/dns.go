package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

// The base chains that hand DNS over. They come after the policy's own: what
// policy drops is none of their business, and a packet that was held goes on
// behind them.
const (
	dnsForwardHook = "dns-forward"
	dnsInputHook   = "dns-input"
	dnsOutputHook  = "dns-output"
	dnsPriority    = 5
)

// querySnaplen is how much of a query is handed over: more than the longest
// name takes.
const querySnaplen = 576

// dnsSide is how a hook knows which packets are a local endpoint's queries and
// answers: by a pod's interface, or, for the host itself, by the hook alone.
type dnsSide struct {
	queries, answers []expr.Any
}

// dnsChains hand over the DNS of local endpoints with trusted servers: copies of
// queries, and answers, which wait. A server is known by the address that was
// asked, before kube-proxy translated it: the answer bears the address of the
// server's pod until postrouting.
func (b builder) dnsChains() []chain {
	if b.settings.DNS == nil || b.queue == noQueue || len(b.settings.DNS.Servers) == 0 {
		return nil
	}
	pods := dnsSide{queries: inSet(expr.MetaKeyIIFNAME, b.pods()), answers: inSet(expr.MetaKeyOIFNAME, b.pods())}
	at := func(name string, on *nftables.ChainHook, comment string, side dnsSide, first ...rule) chain {
		return chain{name: name, comment: comment, hook: &hook{*on, dnsPriority}, rules: append(first, b.dnsRules(side)...)}
	}
	return []chain{
		at(dnsForwardHook, nftables.ChainHookForward, "answers to pods wait until what they say is known", pods),
		at(dnsInputHook, nftables.ChainHookInput, "the same for the host", dnsSide{}, b.untrackedDNS(false)...),
		at(dnsOutputHook, nftables.ChainHookOutput, "and for pods that ask the host", dnsSide{},
			append([]rule{loopback(expr.MetaKeyOIF)}, b.untrackedDNS(true)...)...),
	}
}

// untrackedDNS hands over look-ups at a resolver of the node itself that conntrack
// is told to ignore, as NodeLocal DNSCache does with its own: queries that come in,
// or answers that go out. Nobody but the node sends the latter, so that the address
// that they come from can be believed.
func (b builder) untrackedDNS(answers bool) (list []rule) {
	for _, v4 := range []bool{true, false} {
		servers := serverElements(b.settings.DNS.Servers, v4)
		if len(servers) == 0 {
			continue
		}
		to := func(number uint8, do expr.Any) rule {
			next := portRegister(v4)
			server := []expr.Any{address(v4, false, reg1), destinationPort(next)}
			if answers {
				server = []expr.Any{address(v4, true, reg1), sourcePort(next)}
			}
			match := slices.Concat([]expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: reg1}, equals(ctState(ctUntracked)),
				meta(expr.MetaKeyL4PROTO), equals([]byte{number})}, family(v4), server, []expr.Any{member(""), do})
			return rule{exprs: match, anonymous: &anonymous{serverType(v4), servers}}
		}
		if answers {
			list = append(list, to(verdict.UDP, b.hold()), to(verdict.TCP, b.hold()))
		} else {
			list = append(list, to(verdict.UDP, b.copyQuery()))
		}
	}
	return list
}

// copyQuery sends a copy to the log group.
func (b builder) copyQuery() expr.Any {
	return &expr.Log{Key: logKeys, Group: b.settings.DNS.QueryGroup, Snaplen: querySnaplen, Data: []byte("dns")}
}

func (b builder) dnsRules(side dnsSide) []rule {
	list := []rule{b.notDNS()}
	for _, v4 := range []bool{true, false} {
		servers := serverElements(b.settings.DNS.Servers, v4)
		if len(servers) == 0 {
			continue
		}
		to := func(number uint8, dir byte, side []expr.Any, do expr.Any) rule {
			match := slices.Concat(ofDirection(dir), []expr.Any{meta(expr.MetaKeyL4PROTO), equals([]byte{number})}, side, serverKey(v4), []expr.Any{member(""), do})
			return rule{exprs: match, anonymous: &anonymous{serverType(v4), servers}}
		}
		list = append(list,
			to(verdict.UDP, 0, side.queries, b.copyQuery()),
			to(verdict.UDP, 1, side.answers, b.hold()),
			to(verdict.TCP, 1, side.answers, b.hold()))
	}
	return list
}

// notDNS ends the chain at once for nearly all packets.
func (b builder) notDNS() rule {
	var ports []uint16
	for _, s := range b.settings.DNS.Servers {
		ports = append(ports, s.Port())
	}
	slices.Sort(ports)
	var elements []element
	for _, p := range slices.Compact(ports) {
		elements = append(elements, element{key: port(p)[:2]})
	}
	return rule{exprs: []expr.Any{&expr.Ct{Key: expr.CtKeyPROTODST, Register: reg1}, &expr.Lookup{SourceRegister: reg1, Invert: true}, accept},
		anonymous: &anonymous{mapType{key: []nftables.SetDatatype{nftables.TypeInetService}}, elements}}
}

// ofDirection goes on for packets of one direction of a connection: 0 is that of
// the query.
func ofDirection(dir byte) []expr.Any {
	return []expr.Any{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg1}, equals([]byte{dir})}
}

// serverKey loads the address and port that the connection was opened to.
func serverKey(v4 bool) []expr.Any {
	return []expr.Any{ctDestination{v4: v4}, &expr.Ct{Key: expr.CtKeyPROTODST, Register: portRegister(v4)}}
}

// portRegister is where the port stands in a key behind an address.
func portRegister(v4 bool) uint32 {
	if v4 {
		return reg32_1
	}
	return reg2
}

func serverType(v4 bool) mapType {
	if v4 {
		return mapType{key: []nftables.SetDatatype{nftables.TypeIPAddr, nftables.TypeInetService}}
	}
	return mapType{key: []nftables.SetDatatype{nftables.TypeIP6Addr, nftables.TypeInetService}}
}

func serverElements(servers []netip.AddrPort, v4 bool) (list []element) {
	for _, s := range servers {
		if s.Addr().Is4() == v4 {
			list = append(list, element{key: join(addr(s.Addr()), port(s.Port()))})
		}
	}
	return list
}

// ctDestination loads the address that a connection was opened to into the first
// register. expr.Ct knows only the keys from before tables of both families,
// which leave what lies behind an IPv4 address undefined.
type ctDestination struct {
	expr.Any
	v4 bool
}

// linux/netfilter/nf_tables.h: nft_ct_keys.
const (
	ctDstIP  = 20
	ctDstIP6 = 22
)

func (c ctDestination) encode() []byte {
	key := uint32(ctDstIP6)
	if c.v4 {
		key = ctDstIP
	}
	var a attrs
	a.text(unix.NFTA_EXPR_NAME, "ct")
	a.nest(unix.NFTA_EXPR_DATA, func(a *attrs) {
		a.number(unix.NFTA_CT_KEY, key)
		a.number(unix.NFTA_CT_DREG, reg1)
		a.bytes(unix.NFTA_CT_DIRECTION, 0)
	})
	return a
}

// queueing is how the kernel hands packets over.
type queueing int

const (
	// unknownQueue: it was not asked yet.
	unknownQueue queueing = iota
	// noQueue: not at all.
	noQueue
	// nativeQueue: by an expression of nf_tables (CONFIG_NFT_QUEUE).
	nativeQueue
	// xtablesQueue: by a target of iptables (CONFIG_NFT_COMPAT and
	// CONFIG_NETFILTER_XT_TARGET_NFQUEUE).
	xtablesQueue
)

// hold hands a packet over and waits. Where nobody listens it goes on.
func (b builder) hold() expr.Any {
	if b.queue == nativeQueue {
		return &expr.Queue{Num: b.settings.DNS.Queue, Flag: expr.QueueFlagBypass}
	}
	// struct xt_NFQ_info_v3: queuenum, queues_total, flags, and two bytes that
	// align it
	const bypass = 1
	info := binary.NativeEndian.AppendUint16(nil, b.settings.DNS.Queue)
	info = binary.NativeEndian.AppendUint16(info, 1)
	info = xt.Unknown(append(binary.NativeEndian.AppendUint16(info, bypass), 0, 0))
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: (*xt.Unknown)(&info)}
}

// findQueue finds out how the kernel hands packets over, if that will be needed:
// by a rule that is gone again before the transaction ends.
func (d *Dataplane) findQueue(ctx context.Context, s *socket, settings *dataplane.Settings) error {
	if settings == nil || settings.DNS == nil || d.queue != unknownQueue {
		return nil
	}
	if err := d.claim(ctx, s); err != nil {
		return err
	}
	var refused error
	for _, way := range []queueing{nativeQueue, xtablesQueue} {
		var b batch
		probe := builder{queue: way, settings: dataplane.Settings{DNS: &dataplane.DNS{}}}
		b.glue(func() {
			b.addTable(d.flags)
			b.addChain(chain{name: "probe", rules: []rule{{exprs: []expr.Any{probe.hold()}}}})
			b.flush("probe")
			b.deleteChain("probe")
		})
		err := s.commit(ctx, &b, uncut)
		if err == nil {
			d.queue = way
			return nil
		}
		if errors.Is(err, unix.EPERM) || ctx.Err() != nil {
			return err
		}
		refused = err
	}
	d.queue = noQueue
	if d.options.Warn != nil {
		d.options.Warn(fmt.Errorf("DNS answers cannot be seen, so that no name is learned: the kernel has neither CONFIG_NFT_QUEUE nor CONFIG_NFT_COMPAT with CONFIG_NETFILTER_XT_TARGET_NFQUEUE: %w", refused))
	}
	return nil
}
