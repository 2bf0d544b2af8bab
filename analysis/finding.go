package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// Findings returns what is right in the policies and may not be what was meant,
// as warnings with stable codes, sorted: log-only, egress-empty, egress-no-dns,
// not-selector-alone, negative-selects-hosts, order-tie, service-port,
// domains-elsewhere. With ids it is about
// these policies alone. Staged policies are looked at in State.Pending. An
// endpoint that a finding names stands for all with its labels.
func Findings(s *model.State, ids ...verdict.PolicyID) []model.Problem {
	f := newFinder(s, nil)
	for _, id := range ids {
		f.about[id] = true
	}
	f.endpoints = kinds(s, f.touched(ids))
	return f.all()
}

// touched returns the endpoints that findings about the policies can be about:
// those that one of them applies to, all if none is named. They are in order.
func (f *finder) touched(ids []verdict.PolicyID) []*model.Endpoint {
	all := f.state.SortedEndpoints()
	if len(ids) == 0 {
		return all
	}
	var policies []*model.Policy
	for _, id := range ids {
		if p := f.state.Policies[id]; p != nil {
			policies = append(policies, p)
		}
	}
	return slices.DeleteFunc(all, func(e *model.Endpoint) bool {
		labels := f.state.Labels(e)
		return !slices.ContainsFunc(policies, func(p *model.Policy) bool { return appliesTo(p, e, labels) })
	})
}

// FindingsAt returns the findings about the policies that apply to an endpoint
// in the directions.
func FindingsAt(s *model.State, e *model.Endpoint, directions ...verdict.Direction) []model.Problem {
	f := newFinder(s, []*model.Endpoint{e})
	for _, d := range directions {
		for _, t := range f.oracle.Effective(e, d) {
			for _, p := range t.Policies {
				f.about[p.ID] = true
			}
		}
	}
	if len(f.about) == 0 {
		return nil
	}
	return f.all()
}

// finder collects findings, each once for a policy and field.
type finder struct {
	state  *model.State
	oracle *evaluate.Oracle
	// endpoints are one of each sort: see kinds.
	endpoints []*model.Endpoint
	// domainSets are the network sets that have domains alone, in order.
	domainSets []*model.NetworkSet
	// about limits it to these policies; empty is all.
	about map[verdict.PolicyID]bool
	found []model.Problem
	said  map[[2]string]bool
}

func newFinder(s *model.State, endpoints []*model.Endpoint) *finder {
	f := &finder{state: s, oracle: evaluate.New(s), endpoints: endpoints, about: map[verdict.PolicyID]bool{}, said: map[[2]string]bool{}}
	for _, n := range s.SortedNetworkSets() {
		if len(n.Domains) > 0 && len(n.Nets) == 0 {
			f.domainSets = append(f.domainSets, n)
		}
	}
	return f
}

// kinds returns one endpoint of all that no policy's selector tells apart, and
// that so have the same policies: replicas are looked at once. They are in
// order.
func kinds(s *model.State, all []*model.Endpoint) []*model.Endpoint {
	var out []*model.Endpoint
	seen := map[string]bool{}
	keys := selectorKeys(s)
	for _, e := range all {
		if key := signature(s, e, keys); !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out
}

func (f *finder) all() []model.Problem {
	for _, t := range f.state.Ordered() {
		for _, p := range t.Policies {
			if !f.isAbout(p) {
				continue
			}
			f.logOnly(t, p)
			f.emptyEgress(p)
			f.notSelectorAlone(p)
			f.hosts(p)
			f.servicePorts(p)
			f.domainsElsewhere(p)
		}
	}
	seen := map[string]bool{}
	for _, e := range f.endpoints {
		for _, d := range verdict.Directions {
			tiers := f.oracle.Effective(e, d)
			key := d.String()
			for _, t := range tiers {
				for _, p := range t.Policies {
					key += "\n" + p.ID.String()
				}
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			f.ties(e, d, tiers)
			if d == verdict.Egress && e.ID.Kind == verdict.Pod {
				f.dns(e, tiers)
			}
		}
	}
	model.SortProblems(f.found)
	return f.found
}

func (f *finder) isAbout(p *model.Policy) bool { return len(f.about) == 0 || f.about[p.ID] }

func (f *finder) say(p *model.Policy, code, path, hint, format string, args ...any) {
	key := [2]string{code, p.ID.String() + " " + path}
	if f.said[key] || !f.isAbout(p) {
		return
	}
	f.said[key] = true
	f.found = append(f.found, model.Problem{
		Code: code, Object: p.ID.String(), Path: path, Message: fmt.Sprintf(format, args...), Hint: hint, Warning: true,
	})
}

// logOnly finds policies that only log: they make their tier apply, and its end
// denies (semantics.md section 18, trap 8).
func (f *finder) logOnly(t model.OrderedTier, p *model.Policy) {
	for _, d := range verdict.Directions {
		rules := p.Rules[d]
		logs := func(r model.Rule) bool { return r.Action == verdict.ActionLog }
		if !p.Applies[d] || len(rules) == 0 || p.Invalid[d] || !p.In(verdict.Normal) || slices.ContainsFunc(rules, func(r model.Rule) bool { return !logs(r) }) {
			continue
		}
		if !t.Pass {
			f.say(p, "log-only", "spec."+d.String(), "add a rule with action Allow or Pass if it is only to log",
				"the policy only logs, and so what no other policy of tier %s decides is denied at the tier's end", t.Name)
		}
	}
}

// emptyEgress finds policies that deny all egress without a rule and leave
// ingress as it is (trap 5).
func (f *finder) emptyEgress(p *model.Policy) {
	if p.Applies == [2]bool{verdict.Egress: true} && len(p.Rules[verdict.Egress]) == 0 && !p.Invalid[verdict.Egress] {
		f.say(p, "egress-empty", "spec.egress", "write types: [Ingress, Egress] if both were meant",
			"the policy has no egress rule: it denies all egress that no other policy of its tier allows, DNS too, and leaves ingress as it is")
	}
}

// notSelectorAlone finds rules that allow all addresses but some (trap 3).
func (f *finder) notSelectorAlone(p *model.Policy) {
	for _, d := range verdict.Directions {
		for i := range p.Rules[d] {
			r := &p.Rules[d][i]
			for _, side := range []struct {
				name string
				*model.Peer
			}{{"source", &r.Source}, {"destination", &r.Destination}} {
				if r.Action != verdict.ActionAllow || side.NotSelector == nil || side.Selector != nil || side.Nodes != nil || len(side.Nets) > 0 {
					continue
				}
				f.say(p, "not-selector-alone", fmt.Sprintf("spec.%s[%d].%s.notSelector", d, r.Index, side.name), "add selector: all() to stay among what the cluster knows",
					"the rule allows every address that notSelector does not select, those outside the cluster too")
			}
		}
	}
}

// hosts finds selectors that take in host endpoints because these lack a label
// (trap 2).
func (f *finder) hosts(p *model.Policy) {
	if p.Selector == nil || p.Selector.IsAll() {
		return
	}
	for _, e := range f.endpoints {
		if e.ID.Kind != verdict.Host {
			continue
		}
		labels := f.state.Labels(e)
		if key := lacking(p.Selector, labels); key != "" && p.Selector.Matches(labels) {
			f.say(p, "negative-selects-hosts", "spec.selector", "add has("+key+"), or projectcalico.org/orchestrator == 'k8s' for pods alone",
				"the selector also selects %s, which has no label %s: what is negative is true of what lacks the label", e.ID, key)
			return
		}
	}
}

// lacking returns a label that the selector asks about and the labels lack, and
// without which a positive selector would not match; empty if there is none.
func lacking(s *selector.Selector, labels selector.Labels) string {
	needed := map[string]bool{}
	for _, r := range s.Requirements() {
		needed[r.Key] = true
	}
	for _, key := range s.Keys() {
		if _, has := labels.Label(key); !has && !needed[key] {
			return key
		}
	}
	return ""
}

func sameOrder(p, q *model.Policy) bool {
	if p.Order == nil || q.Order == nil {
		return p.Order == q.Order
	}
	return *p.Order == *q.Order
}

// ties finds neighbours of one order that apply to an endpoint and say different
// things: then their names decide (semantics.md section 8).
func (f *finder) ties(e *model.Endpoint, d verdict.Direction, tiers []model.OrderedTier) {
	for _, t := range tiers {
		for i := 1; i < len(t.Policies); i++ {
			p, q := t.Policies[i-1], t.Policies[i]
			if sameOrder(p, q) && disagree(p.Rules[d], q.Rules[d]) {
				f.say(q, "order-tie", "spec.order", "give one of them another order",
					"the order is that of %s, which also applies to %s at %s: the names decide that that one is asked first in tier %s", p.ID, e.ID, d, t.Name)
			}
		}
	}
}

// disagree reports whether a rule of one list ends a tier otherwise than one of
// the other.
func disagree(a, b []model.Rule) bool {
	seen := [2]map[verdict.Action]bool{{}, {}}
	for i, rules := range [][]model.Rule{a, b} {
		for _, r := range rules {
			seen[i][r.Action] = true
		}
	}
	for _, x := range decisive {
		for _, y := range decisive {
			if x != y && seen[0][x] && seen[1][y] {
				return true
			}
		}
	}
	return false
}

var decisive = []verdict.Action{verdict.ActionAllow, verdict.ActionDeny, verdict.ActionPass}

// dns finds pods whose egress is limited and that cannot ask for names: the
// first thing that breaks with the first egress policy. It is said of the first
// policy of the tier that closes it.
func (f *finder) dns(e *model.Endpoint, tiers []model.OrderedTier) {
	if p := closesDNS(tiers); p != nil {
		if domains := allowedDomains(f.state, tiers); len(domains) > 0 {
			f.say(p, "egress-no-dns", "spec.egress", "add a rule with action Allow, protocol UDP and port 53, and one for TCP",
				"%s may not ask for names, so the domains that it may reach are never learned (%s): no egress rule that applies to it allows UDP port 53", e.ID, domains)
			return
		}
		f.say(p, "egress-no-dns", "spec.egress", "add a rule with action Allow, protocol UDP and port 53, and one for TCP",
			"%s may not ask for names: no egress rule that applies to it allows UDP port 53", e.ID)
	}
}

// allowedDomains lists some domains that the policies allow; empty for none.
func allowedDomains(s *model.State, tiers []model.OrderedTier) string {
	var all []string
	for _, t := range tiers {
		for _, p := range t.Policies {
			all = append(all, domainsOf(s, p)...)
		}
	}
	const most = 3
	if len(all) > most {
		all = append(all[:most:most], "…")
	}
	return strings.Join(all, ", ")
}

// closesDNS returns the first policy of the tier whose end denies DNS, nil if a
// rule may allow it before that.
func closesDNS(tiers []model.OrderedTier) *model.Policy {
	for _, t := range tiers {
		passed := t.Pass
		for _, p := range t.Policies {
			for i := range p.Rules[verdict.Egress] {
				r := &p.Rules[verdict.Egress][i]
				if !mayBeDNS(r) {
					continue
				}
				switch r.Action {
				case verdict.ActionAllow:
					return nil
				case verdict.ActionPass:
					passed = true
				}
			}
		}
		if !passed {
			return t.Policies[0]
		}
	}
	return nil
}

// mayBeDNS reports whether a rule can match a question over UDP, whoever is
// asked.
func mayBeDNS(r *model.Rule) bool {
	in := func(rs []model.PortRange) bool {
		return slices.ContainsFunc(rs, func(p model.PortRange) bool { return p.From <= 53 && 53 <= p.To })
	}
	d := &r.Destination
	switch {
	case d.Domains != nil: // names are learned from the answers of servers that are known by address
		return false
	case r.Protocol != nil && *r.Protocol != verdict.UDP, r.NotProtocol != nil && *r.NotProtocol == verdict.UDP, r.ICMP != nil, in(d.NotPorts):
		return false
	case d.Ports == nil && d.NamedPorts == nil:
		return true
	}
	return in(d.Ports) || d.NamedPorts != nil
}

// servicePorts finds rules that allow a service's port where its pods have
// another: policy meets the pods' own ports (semantics.md section 7).
func (f *finder) servicePorts(p *model.Policy) {
	for _, d := range verdict.Directions {
		for i := range p.Rules[d] {
			r := &p.Rules[d][i]
			pods := p.Selector // those that the rule's ports are of
			if d == verdict.Egress {
				pods = r.Destination.Selector
			}
			if r.Action != verdict.ActionAllow || r.Protocol == nil || pods == nil || r.Destination.Ports == nil {
				continue
			}
			f.servicePort(p, fmt.Sprintf("spec.%s[%d].destination.ports", d, r.Index), r, pods)
		}
	}
}

func (f *finder) servicePort(p *model.Policy, path string, r *model.Rule, pods *selector.Selector) {
	in := func(port uint16) bool {
		return slices.ContainsFunc(r.Destination.Ports, func(x model.PortRange) bool { return x.From <= port && port <= x.To })
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.state.Services), func(a, b model.Key) int { return cmp.Compare(a.String(), b.String()) }) {
		s := f.state.Services[key]
		for _, port := range s.Ports {
			if port.Protocol != *r.Protocol || !in(port.Port) || in(port.Target) || !f.serves(s, pods) {
				continue
			}
			f.say(p, "service-port", path, fmt.Sprintf("write %d, or name the service in services", port.Target),
				"%d is a port of service %s/%s, whose pods have it at %d: policy meets the pods' port", port.Port, s.Namespace, s.Name, port.Target)
			return
		}
	}
}

// serves reports whether one of a service's pods is among the selected.
func (f *finder) serves(s *model.Service, pods *selector.Selector) bool {
	for _, e := range f.state.Endpoints {
		behind := e.ID.Kind == verdict.Pod && e.ID.Namespace == s.Namespace
		for k, v := range s.Selector {
			behind = behind && e.Labels[k] == v
		}
		if behind && pods.Matches(f.state.Labels(e)) {
			return true
		}
	}
	return false
}
