package nft

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/verdict"
)

// post is where the policy of host endpoints is asked: a stage, in a direction.
type post struct {
	stage     verdict.Stage
	direction verdict.Direction
}

// posts are all that there are. Nothing that begins on the host is translated
// before it is routed: preDNAT is for ingress alone.
var posts = []post{
	{verdict.Untracked, verdict.Ingress}, {verdict.Untracked, verdict.Egress}, {verdict.PreDNAT, verdict.Ingress},
	{verdict.Forward, verdict.Ingress}, {verdict.Forward, verdict.Egress},
	{verdict.Normal, verdict.Ingress}, {verdict.Normal, verdict.Egress},
}

// suffix distinguishes the names of what belongs to a place.
func (p post) suffix() string {
	s := ""
	if p.stage != verdict.Normal {
		s = "-" + p.stage.String()
	}
	if p.direction == verdict.Egress {
		return s + "-out"
	}
	return s + "-in"
}

func (n names) host(p post) string   { return n.of("host" + p.suffix()) }
func (n names) others(p post) string { return n.of("other" + p.suffix()) }
func (n names) at(p post) string     { return n.of("at-host" + p.suffix()) }

// accepted names the chain of an explicit Allow in an early stage.
func (n names) accepted(s verdict.Stage) string { return n.of("accepted-" + s.String()) }

// interfaceOf is the key by which a place finds its host endpoint.
func (p post) interfaceOf() expr.MetaKey {
	if p.direction == verdict.Egress {
		return expr.MetaKeyOIFNAME
	}
	return expr.MetaKeyIIFNAME
}

// placeChain leads the packets at a place to the host endpoint that governs
// their interface. Interfaces of pods have none when it comes to what is
// forwarded; before translation the one for all interfaces sees them too
// (semantics.md section 11).
func (b builder) placeChain(p post) chain {
	c := chain{name: b.at(p)}
	if p.stage == verdict.Forward {
		c.rules = append(c.rules, rule{exprs: append(inSet(p.interfaceOf(), b.pods()), back)})
	}
	c.rules = append(c.rules, rule{exprs: []expr.Any{meta(p.interfaceOf()), vmap(b.host(p))}})
	if p.stage != verdict.Untracked {
		c.rules = append(c.rules, to(goTo(b.others(p))))
	}
	return c
}

// acceptedBit is the bit of a connection's labels that says that a policy
// before translation has allowed it: the last.
const acceptedBit = 127

func labels() []byte {
	b := make([]byte, 16)
	b[acceptedBit/8] = 1 << (acceptedBit % 8)
	return b
}

// outcomeChains end what needs no policy, the early stages, and denials that are
// answered. What an early stage allows must be known to the stages after it, and
// the packet's mark is not ours: see docs/design/007-host-stages.md.
func (b builder) outcomeChains() []chain {
	list := []chain{
		b.establishedChain(),
		{name: b.of("go-on"), comment: "no rule of the stage decided", rules: []rule{forgetClass()}},
		{name: b.accepted(verdict.Untracked), rules: []rule{forgetClass(), {exprs: []expr.Any{&expr.Notrack{}}}, to(accept)}},
	}
	if b.hasEarly(verdict.PreDNAT) {
		list = append(list, b.labelled())
	}
	if b.settings.Reject {
		list = append(list, chain{name: b.of("refuse"), rules: []rule{
			{exprs: []expr.Any{meta(expr.MetaKeyL4PROTO), equals([]byte{verdict.TCP}), &expr.Reject{Type: rejectReset}}},
			{exprs: []expr.Any{&expr.Reject{Type: rejectICMPX, Code: adminProhibited}}},
		}})
	}
	return append(list, b.deniedChains()...)
}

// labelled is the chain of an explicit Allow before translation.
func (b builder) labelled() chain {
	return chain{name: b.accepted(verdict.PreDNAT), rules: []rule{forgetClass(),
		{exprs: []expr.Any{&expr.Immediate{Register: reg1, Data: labels()}, &expr.Ct{Key: expr.CtKeyLABELS, SourceRegister: true, Register: reg1}}},
		to(accept)}}
}

// linux/netfilter/nf_tables.h: nft_reject_types, nft_reject_inet_code.
const (
	rejectReset     = 1
	rejectICMPX     = 2
	adminProhibited = 3
)

// labelledEarly goes on for what belongs to a connection that a policy before
// translation has allowed.
func labelledEarly() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyLABELS, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 16, Mask: labels(), Xor: make([]byte, 16)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: make([]byte, 16)},
	}
}

// acceptedEarly accepts what a policy before translation has allowed.
func acceptedEarly() rule {
	return rule{exprs: append(labelledEarly(), &expr.Immediate{Register: reg1, Data: class(0)}, setClass(), accept),
		comment: "a policy before translation allowed it"}
}

// noLongerEarly drops what begins with the addresses and ports of a connection that a
// policy before translation allowed, when none allows it now. The label is still
// there, cannot be taken off, and would let it past what follows. Where the normal
// policy allows it, it comes about when the kernel has forgotten the last.
func noLongerEarly() (list []rule) {
	for _, begins := range [][]expr.Any{opens(), opensSCTP()} {
		list = append(list, rule{exprs: slices.Concat(begins, labelledEarly(), []expr.Any{drop}),
			comment: "a policy before translation allowed the last, and no longer does"})
	}
	return list
}

// untracked asks the policy before connection tracking again about a packet that
// is not tracked: addresses and ports are the same, and somebody else's notrack
// must not count as its Allow.
func (b builder) untracked(d verdict.Direction) rule {
	return rule{exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg1}, equals(ctState(ctUntracked)), jumpTo(b.at(post{verdict.Untracked, d})),
	}}
}

// ctUntracked is the state of what conntrack was told to leave alone.
const ctUntracked = 64

// The base chains of the early stages and of forward ingress, which are there while
// a policy needs them, and the priorities of iptables' raw and mangle.
const (
	untrackedInHook  = "untracked-in"
	untrackedOutHook = "untracked-out"
	preDNATHook      = "before-dnat"
	forwardInHook    = "forward-in"
	rawPriority      = -300
	manglePriority   = -150
	// beforeFilter is that of what host endpoints ask of traffic that comes in to
	// be forwarded: before the policy of the pods that it goes to, which it does not
	// skip even where an early stage's Allow skips the host's.
	beforeFilter = -1
)

// needs says which early stages a policy asks for, by place.
type needs map[post]bool

func (n needs) hasEarly(s verdict.Stage) bool {
	return n[post{s, verdict.Ingress}] || n[post{s, verdict.Egress}]
}

// earlyChains are the base chains of the early stages that are needed.
func (b builder) earlyChains() []chain {
	var list []chain
	raw := func(name string, on *nftables.ChainHook, d verdict.Direction, lo expr.MetaKey) {
		p := post{verdict.Untracked, d}
		if b.needs[p] {
			list = append(list, chain{name: name, hook: &hook{*on, rawPriority}, rules: []rule{loopback(lo), to(jumpTo(b.at(p)))}})
		}
	}
	raw(untrackedInHook, nftables.ChainHookPrerouting, verdict.Ingress, expr.MetaKeyIIF)
	raw(untrackedOutHook, nftables.ChainHookOutput, verdict.Egress, expr.MetaKeyOIF)
	if b.hasEarly(verdict.PreDNAT) {
		rules := append(b.known(nil), loopback(expr.MetaKeyIIF))
		if b.hasEarly(verdict.Untracked) {
			rules = append(rules, b.untracked(verdict.Ingress))
		}
		rules = append(rules, to(jumpTo(b.at(post{verdict.PreDNAT, verdict.Ingress}))))
		rules = append(rules, noLongerEarly()...)
		list = append(list, chain{name: preDNATHook, hook: &hook{*nftables.ChainHookPrerouting, manglePriority}, rules: rules})
	}
	if p := (post{verdict.Forward, verdict.Ingress}); b.needs[p] {
		rules := append(b.known(nil), b.skips(verdict.Ingress)...)
		list = append(list, chain{name: forwardInHook, hook: &hook{*nftables.ChainHookForward, beforeFilter},
			rules: append(rules, to(jumpTo(b.at(p))), forgetClass())})
	}
	return list
}

func (b builder) hasEarly(s verdict.Stage) bool { return b.needs.hasEarly(s) }

// skips are the rules by which a packet that an early stage allowed skips those
// that follow.
func (b builder) skips(d verdict.Direction) (list []rule) {
	if b.hasEarly(verdict.PreDNAT) && d == verdict.Ingress {
		list = append(list, acceptedEarly())
	}
	if b.needs[post{verdict.Untracked, d}] {
		list = append(list, b.untracked(d))
	}
	return list
}
