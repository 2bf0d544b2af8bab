package flows

import (
	"strconv"
	"strings"

	"github.com/florianl/go-nflog/v2"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Logged is a packet that a Log rule logged.
type Logged struct {
	Packet verdict.Packet
	// Prefix is that of the settings, Rule the rule as the message names it:
	// tier/Kind/namespace/name#number, in which a long name is cut and ends in
	// "...", or "profile NAME".
	Prefix, Rule string
	// Hook is the kernel's number of where it was, In and Out are as in Denial.
	Hook    uint8
	In, Out verdict.EndpointID
}

// The kernel's numbers of hooks (linux/netfilter.h).
const (
	hookPrerouting = 0
	hookLocalIn    = 1
	hookLocalOut   = 3
)

// ParseLogged reads a message of the group of Log rules. It reports false for
// what has no packet.
func ParseLogged(a nflog.Attribute, hostAt func(index uint32) verdict.EndpointID) (l Logged, ok bool) {
	if a.Payload == nil {
		return l, false
	}
	if l.Packet, _, ok = ParsePacket(*a.Payload); !ok {
		return l, false
	}
	if a.Prefix != nil {
		l.Prefix, l.Rule = parsePrefix(*a.Prefix)
	}
	if a.Hook != nil {
		l.Hook = *a.Hook
	}
	if a.InDev != nil && *a.InDev != 0 {
		l.In = hostAt(*a.InDev)
	}
	if a.OutDev != nil && *a.OutDev != 0 {
		l.Out = hostAt(*a.OutDev)
	}
	return l, true
}

// parsePrefix parts the prefix of the settings from the rule. No name of a rule
// has a colon in it.
func parsePrefix(text string) (prefix, rule string) {
	text = strings.TrimRight(text, " \x00")
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[:i], text[i+2:]
	}
	return "", text
}

// stops lists where the packet may have been logged, in its order.
func (l *Logged) stops(c *Collector) (list stops) {
	d := Denial{Packet: l.Packet, In: l.In, Out: l.Out, ToHost: l.Hook == hookLocalIn, FromHost: l.Hook == hookLocalOut}
	switch l.Hook {
	case hookPrerouting:
		list.add(l.In, verdict.Untracked, verdict.Ingress)
		list.add(l.In, verdict.PreDNAT, verdict.Ingress)
		return list
	case hookLocalOut:
		list.add(l.Out, verdict.Untracked, verdict.Egress)
	}
	return append(list, c.stops(d)...)
}

// Logged takes a packet that a Log rule logged. The record has the decisions of
// the tables; where they have just changed, that of the rule as it was.
func (c *Collector) Logged(l Logged) {
	p := l.Packet
	k := key{src: c.ends.At(p.Src), dst: c.ends.At(p.Dst), protocol: p.Protocol, port: p.DstPort, service: untranslated}
	event := flow.Logged{Prefix: l.Prefix}
	var w way
	sides := map[verdict.Direction]bool{}
	for _, s := range l.stops(c) {
		found := c.book.Lookup(s.id, s.stage, s.direction, p)
		d, step := c.book.Logs(s.id, s.stage, s.direction, p, l.names)
		if d != nil {
			sides[s.direction], found = true, d
			event.Tier, event.Profile, event.Rule, event.Direction = step.Tier, step.Profile, step.Rule, s.direction.String()
			if !step.Policy.IsZero() {
				event.Policy = step.Policy.String()
			}
		}
		if found == nil {
			continue
		}
		w.met(s, found)
		if k.denied = found.Verdict == verdict.Deny; k.denied {
			break
		}
	}
	switch len(sides) {
	case 0:
		l.name(&event)
	case 2:
		event.Direction = ""
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	w.logged = c.rule(event)
	k.way = c.one(w)
	c.count(k, p.SrcPort, now)
}

// rule returns the event that equal ones are.
func (c *Collector) rule(l flow.Logged) *flow.Logged {
	if known := c.events[l]; known != nil {
		return known
	}
	if len(c.events) >= maxWays {
		clear(c.events)
	}
	c.events[l] = &l
	return &l
}

// names reports whether a step is what the message names.
func (l *Logged) names(s verdict.Step) bool {
	if s.Action != verdict.ActionLog {
		return false
	}
	if s.Profile != "" {
		return cutOf(l.Rule, "profile "+s.Profile)
	}
	name, number := dataplane.CutLogRule(l.Rule)
	return number == strconv.Itoa(s.Rule) && cutOf(name, s.Tier+"/"+s.Policy.String())
}

// cutOf reports whether a text is another, or its beginning and "...".
func cutOf(text, whole string) bool {
	head, cut := strings.CutSuffix(text, "...")
	return text == whole || cut && strings.HasPrefix(whole, head)
}

// name reads what the message says of the rule, where no decision has it.
func (l *Logged) name(to *flow.Logged) {
	if profile, ok := strings.CutPrefix(l.Rule, "profile "); ok {
		to.Profile = profile
		return
	}
	name, number := dataplane.CutLogRule(l.Rule)
	to.Tier, to.Policy, _ = strings.Cut(name, "/")
	to.Rule, _ = strconv.Atoi(number)
}

// logStep is the step of a decision that a message names; nil for none.
func logStep(d *table.Decision, names func(verdict.Step) bool) *verdict.Step {
	if d == nil {
		return nil
	}
	for _, piece := range d.Way {
		for i := range piece {
			if names(piece[i]) {
				return &piece[i]
			}
		}
	}
	return nil
}
