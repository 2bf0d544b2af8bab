package nft

import (
	"encoding/binary"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/verdict"
)

// The chains through which every packet of a new connection goes.

// baseChains are the chains at the kernel's hooks: three, and those of the early
// stages that are needed. They keep their names through all epochs; their rules
// are all that leads into one.
func (b builder) baseChains() []chain {
	at := func(s verdict.Stage, d verdict.Direction) rule { return to(jumpTo(b.at(post{s, d}))) }
	forward := append(append(b.known(drop), b.graceRules()...), b.cutRules()...)
	forward = append(forward, to(jumpTo(b.of("from-pod"))), to(jumpTo(b.of("to-pod"))))
	if b.needs[post{verdict.Forward, verdict.Egress}] {
		forward = append(forward, at(verdict.Forward, verdict.Egress))
	}
	input := append(append(append(b.known(nil), loopback(expr.MetaKeyIIF)), b.graceRules()...), b.cutRules()...)
	input = append(input, rule{exprs: append(inSet(expr.MetaKeyIIFNAME, b.pods()), goTo(b.of("pod-to-host")))})
	input = append(append(input, b.onPodInterfaces(expr.MetaKeyIIFNAME, goTo(b.of("pod-to-host")))...), []rule{
		b.inPodNets(true, true),
		b.inPodNets(false, true),
		neighbours(hostNeighbours, accept),
	}...)
	output := append(append(append(b.known(nil), loopback(expr.MetaKeyOIF)), b.graceRules()...), b.cutRules()...)
	output = append(output, []rule{
		{exprs: append(inSet(expr.MetaKeyOIFNAME, b.pods()), accept), comment: "the host reaches its own pods"},
		neighbours(hostNeighbours, accept),
	}...)
	input = append(append(input, b.skips(verdict.Ingress)...), at(verdict.Normal, verdict.Ingress), forgetClass())
	output = append(append(output, b.skips(verdict.Egress)...), at(verdict.Normal, verdict.Egress), forgetClass())
	return append(append(b.earlyChains(), b.dnsChains()...),
		chain{name: forwardHook, hook: &hook{num: *nftables.ChainHookForward}, rules: append(forward, forgetClass())},
		chain{name: inputHook, hook: &hook{num: *nftables.ChainHookInput}, rules: input},
		chain{name: outputHook, hook: &hook{num: *nftables.ChainHookOutput}, rules: output})
}

// podChains lead the traffic of local pods to their sets, and end it where
// there is none.
func (b builder) podChains() []chain {
	return []chain{
		{name: b.of("from-pod"), rules: append([]rule{
			b.ownAddress(verdict.Egress, true),
			b.ownAddress(verdict.Egress, false),
			{exprs: append(inSet(expr.MetaKeyIIFNAME, b.pods()), drop), comment: "not the pod's own address"},
			b.inPodNets(true, true),
			b.inPodNets(false, true),
		}, b.onPodInterfaces(expr.MetaKeyIIFNAME, drop)...)},
		{name: b.of("to-pod"), rules: append([]rule{
			b.ownAddress(verdict.Ingress, true),
			b.ownAddress(verdict.Ingress, false),
			{exprs: append(inSet(expr.MetaKeyOIFNAME, b.pods()), drop), comment: "not the pod's own address"},
			b.inPodNets(true, false),
			b.inPodNets(false, false),
		}, b.onPodInterfaces(expr.MetaKeyOIFNAME, drop)...)},
		{name: b.of("pod-to-host"), rules: []rule{
			neighbours(podNeighbours, accept),
			dropInvalid(),
			to(jumpTo(b.of("from-pod"))),
			forgetClass(),
			b.podToHost(),
		}},
	}
}

// onPodInterfaces gives what comes from, or goes to, interfaces that must be pods'
// a verdict, after those of pods that are programmed.
func (b builder) onPodInterfaces(key expr.MetaKey, v *expr.Verdict) (list []rule) {
	for _, name := range b.settings.PodInterfaces {
		data := ifname(name)
		if begin, ok := strings.CutSuffix(name, "*"); ok {
			data = []byte(begin)
		}
		list = append(list, rule{exprs: []expr.Any{meta(key), equals(data), v}, comment: "no pod is programmed here"})
	}
	return list
}

// podToHost ends what a pod's egress policy lets through to its own host. Accept
// and Return are one: an accept ends only this table's chains, and those of the
// host's own firewall come to their own verdict.
func (b builder) podToHost() rule {
	if b.settings.PodToHost == verdict.HostDrop {
		return rule{exprs: []expr.Any{drop}, comment: "defaultEndpointToHostAction"}
	}
	return to(accept)
}

// othersChain leads the interfaces that no host endpoint names to the one that
// governs all, or lets them pass.
func (b builder) othersChain(p post, t target) chain {
	c := chain{name: b.others(p), comment: "interfaces without a host endpoint of their own"}
	if t.chain == "" || t.chain == through {
		c.rules = []rule{to(back)}
	} else {
		c.rules = []rule{{exprs: []expr.Any{goTo(t.chain)}, comment: t.comment}}
	}
	return c
}

func to(v *expr.Verdict) rule { return rule{exprs: []expr.Any{v}} }

// ownAddress sends the packet of a pod to its set by interface and address.
func (b builder) ownAddress(d verdict.Direction, v4 bool) rule {
	key := expr.MetaKeyOIFNAME
	if d == verdict.Egress {
		key = expr.MetaKeyIIFNAME
	}
	return rule{exprs: append(family(v4),
		meta(key), address(v4, d == verdict.Egress, reg2), vmap(b.own(d, v4)))}
}

// inPodNets drops what has an address that should be a pod's and is none's.
func (b builder) inPodNets(v4, source bool) rule {
	return rule{exprs: append(family(v4), address(v4, source, reg1), member(b.podNets(v4)), drop),
		comment: "no pod is programmed here"}
}

func inSet(key expr.MetaKey, set string) []expr.Any { return []expr.Any{meta(key), member(set)} }

func dropInvalid() rule {
	return rule{exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: ctState(expr.CtStateBitINVALID), Xor: ctState(0)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: ctState(0)},
		drop,
	}}
}

// loopback accepts what the host says to itself. The interface lo has index 1
// in every network namespace.
func loopback(key expr.MetaKey) rule {
	return rule{exprs: []expr.Any{meta(key), equals(binary.NativeEndian.AppendUint32(nil, 1)), accept}}
}

// forgetClass takes the class out of the packet's priority again.
func forgetClass() rule {
	return rule{exprs: []expr.Any{&expr.Immediate{Register: reg1, Data: class(0)}, setClass()}}
}

// The ICMPv6 types without which there is no IPv6 on a link: multicast
// listeners and neighbour discovery. A pod has no business in advertising
// itself as a router (semantics.md section 10).
var (
	podNeighbours  = [][2]byte{{130, 133}, {135, 136}}
	hostNeighbours = [][2]byte{{130, 136}, {143, 143}}
)

func neighbours(types [][2]byte, v *expr.Verdict) rule {
	var elements []element
	for _, t := range types {
		elements = append(elements, element{key: []byte{t[0]}}, element{key: []byte{t[1] + 1}, end: true})
	}
	load := append(family(false), meta(expr.MetaKeyL4PROTO), equals([]byte{unix.IPPROTO_ICMPV6}),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, member(""), v)
	return rule{exprs: load, anonymous: &anonymous{icmpv6Types, elements}, comment: "neighbour discovery"}
}
