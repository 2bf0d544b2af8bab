package analysis

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// DomainAnswer is what there is to say of a domain name as the destination of a
// connection.
type DomainAnswer struct {
	// Name is in its normal form.
	Name string `json:"name"`
	// Known says that the name was learned to have an address. If not, the
	// explanation is of what follows once it is looked up: of an address that it
	// is then known to have and that no rule speaks of otherwise.
	Known bool `json:"known"`
	// Addresses are those that it has, with what comes of a connection to each;
	// the one that is explained is among them. Not known, it is the one that
	// stands for all.
	Addresses []DomainAddress `json:"addresses"`
	// AllowedBy are the rules at the source that allow the name, in the order in
	// which they are asked; never nil. Rules before them may decide otherwise.
	AllowedBy []DomainUse `json:"allowedBy"`
}

// DomainAddress is an address with the verdict for a connection to it.
type DomainAddress struct {
	Address string `json:"address"`
	Verdict string `json:"verdict"`
}

// DomainUse is a rule that allows a domain.
type DomainUse struct {
	Policy string `json:"policy"`
	Rule   int    `json:"rule"`
	// Domain is the domain as the rule or the set has it.
	Domain string `json:"domain"`
	// Set is the network set that has it, as SetRef names it; empty if the rule
	// itself does.
	Set string `json:"set,omitempty"`
}

// explainDomain is Explain for a destination that is a domain name.
func explainDomain(s *model.State, t *table.Tables, q Query, n domain.Name) (*Explanation, error) {
	answer := &DomainAnswer{Name: string(n), Known: s.Learned[n] != nil, AllowedBy: []DomainUse{}}
	if !answer.Known {
		s, t = lookedUp(s, t, n), nil // the tables are not of that state
	}
	x, err := explain(s, t, q)
	if err != nil {
		return nil, err
	}
	x.Domain = answer
	oracle := evaluate.New(s)
	for _, a := range s.Learned[n].Addrs {
		c, err := s.Connect(q.From, a.String())
		if err != nil { // of the other family, and the source has none
			continue
		}
		answer.Addresses = append(answer.Addresses, DomainAddress{a.String(), Decide(oracle, c, q.Port.Packet(c)).Verdict.String()})
		if e := c.Egress.Endpoint; e != nil && len(answer.AllowedBy) == 0 {
			answer.AllowedBy = domainUses(s, oracle, e, n)
		}
	}
	return x, nil
}

// lookedUp returns the state as if the name had just been learned to have an
// address in each family: one that nothing else is known of, and that no network
// of a rule contains if there is one.
func lookedUp(s *model.State, t *table.Tables, n domain.Name) *model.State {
	out := *s
	out.Learned = maps.Clone(s.Learned)
	l := &model.Learned{Name: n}
	for _, candidates := range [][]string{
		{"192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.2.201", "198.51.100.201", "203.0.113.201"},
		{"2001:db8::1", "2001:db8:1::1", "2001:db8:ffff::1", "3fff::1"},
	} {
		var chosen, unnamed netip.Addr
		for _, text := range candidates { // of those that are for documentation
			a := netip.MustParseAddr(text)
			if _, known := t.Hosts[a]; known {
				continue
			}
			if !chosen.IsValid() {
				chosen = a
			}
			if !unnamed.IsValid() && t.Class(a) == table.Other(a) {
				unnamed = a
			}
		}
		for _, a := range []netip.Addr{unnamed, chosen, netip.MustParseAddr(candidates[0])} {
			if a.IsValid() {
				l.Addrs = append(l.Addrs, a)
				break
			}
		}
	}
	out.Learned[n] = l
	return &out
}

// domainUses returns the rules that apply to an endpoint and allow a name, in
// their order.
func domainUses(s *model.State, oracle *evaluate.Oracle, e *model.Endpoint, n domain.Name) []DomainUse {
	all := []DomainUse{}
	for _, t := range oracle.Effective(e, verdict.Egress) {
		for _, p := range t.Policies {
			eachDomain(s, p, func(u DomainUse, d domain.Pattern) {
				if d.Matches(n) {
					all = append(all, u)
				}
			})
		}
	}
	return all
}

// eachDomain calls f with every domain that the policy's egress rules allow: their
// own, and those of the network sets that their destinations select.
func eachDomain(s *model.State, p *model.Policy, f func(DomainUse, domain.Pattern)) {
	for i := range p.Rules[verdict.Egress] {
		r := &p.Rules[verdict.Egress][i]
		if r.Action != verdict.ActionAllow {
			continue
		}
		for _, d := range r.Destination.Domains {
			f(DomainUse{p.ID.String(), r.Index, d.String(), ""}, d)
		}
		if r.Destination.Selector == nil {
			continue
		}
		for _, set := range s.SortedNetworkSets() {
			if len(set.Domains) == 0 || !r.Destination.Selector.Matches(s.SetLabels(set)) {
				continue
			}
			for _, d := range set.Domains {
				f(DomainUse{p.ID.String(), r.Index, d.String(), SetRef(set)}, d)
			}
		}
	}
}

// domainsOf are the domains that a policy allows, sorted, each once; nil for none.
func domainsOf(s *model.State, p *model.Policy) (all []string) {
	eachDomain(s, p, func(u DomainUse, _ domain.Pattern) { all = append(all, u.Domain) })
	slices.Sort(all)
	return slices.Compact(all)
}

// domainsElsewhere finds rules that select nothing but network sets of domains
// where domains do not count: they match nothing (semantics.md section 16).
func (f *finder) domainsElsewhere(p *model.Policy) {
	if len(f.domainSets) == 0 {
		return
	}
	for _, d := range verdict.Directions {
		for i := range p.Rules[d] {
			r := &p.Rules[d][i]
			for _, side := range []struct {
				name string
				*model.Peer
				counts bool
			}{{"source", &r.Source, false}, {"destination", &r.Destination, d == verdict.Egress && r.Action == verdict.ActionAllow}} {
				if set := f.onlyDomains(side.Selector); set != nil && !side.counts {
					f.say(p, "domains-elsewhere", fmt.Sprintf("spec.%s[%d].%s.selector", d, r.Index, side.name), "give the set nets, or allow its domains in an egress rule",
						"the rule matches nothing: %s has domains alone, and these count only in the destination of an egress rule that allows", SetRef(set))
				}
			}
		}
	}
}

// onlyDomains returns a network set that the selector selects if all that it
// selects are sets of domains without nets; else nil.
func (f *finder) onlyDomains(s *selector.Selector) *model.NetworkSet {
	if s == nil {
		return nil
	}
	at := slices.IndexFunc(f.domainSets, func(n *model.NetworkSet) bool { return s.Matches(f.state.SetLabels(n)) })
	if at < 0 {
		return nil
	}
	for _, n := range f.state.NetworkSets {
		if len(n.Nets) > 0 && s.Matches(f.state.SetLabels(n)) {
			return nil
		}
	}
	for _, e := range f.state.Endpoints {
		if s.Matches(f.state.Labels(e)) {
			return nil
		}
	}
	return f.domainSets[at]
}
