package manager

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/report"
)

// learned is what the nodes told of domain names. It is not changed after it was
// made.
type learned struct {
	names   map[domain.Name]report.Domain
	leftOut int
}

// learnText reads what the server published of names; empty for nothing.
func (s *store) learnText(text string) error {
	var d report.Domains
	if text != "" {
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return err
		}
	}
	s.learn(d)
	return nil
}

// learn takes over what is known of names.
func (s *store) learn(d report.Domains) {
	now := learned{names: make(map[domain.Name]report.Domain, len(d.Names)), leftOut: d.LeftOut}
	var all []*model.Learned
	for _, one := range d.Names {
		n, err := domain.ParseName(one.Name)
		if err != nil || len(one.Addresses) == 0 {
			continue
		}
		now.names[n] = one
		l := &model.Learned{Name: n}
		for _, a := range one.Addresses {
			l.Addrs = append(l.Addrs, a.Addr)
		}
		slices.SortFunc(l.Addrs, netip.Addr.Compare)
		l.Addrs = slices.Compact(l.Addrs)
		all = append(all, l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var changes []model.Change
	for _, l := range all {
		if was := s.state.Learned[l.Name]; was == nil || !slices.Equal(was.Addrs, l.Addrs) {
			changes = append(changes, model.Put(l))
		}
	}
	for n := range s.learned.names {
		if _, ok := now.names[n]; !ok {
			changes = append(changes, model.Delete(model.LearnedKey(n)))
		}
	}
	s.learned = now
	if len(changes) > 0 { // else only the times are others, on which no verdict depends
		s.state.Apply(changes...)
		s.queue = append(s.queue, changes...)
		s.version++
		s.current = nil
	}
	s.tell(change{kind: "NetworkSet"}) // whose page shows it
}

// names returns what the nodes told last of domain names, to those who see
// everything: who may write a set of his own could else ask it for the names that
// others look up.
func (v *view) names() learned {
	if !v.rights.everything() {
		return learned{}
	}
	return v.store.names()
}

func (s *store) names() learned {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learned
}

// maxNames is how many names of one domain are shown.
const maxNames = 100

// setDomains is what a network set allows by name, with what is known of it.
func (v *view) setDomains(n *model.NetworkSet) []SetDomain {
	out := []SetDomain{}
	known := v.names()
	for _, d := range n.Domains {
		one := SetDomain{Domain: d.String(), Names: []LearnedName{}}
		for _, name := range known.matching(d) {
			if len(one.Names) == maxNames {
				one.More++
				continue
			}
			one.Names = append(one.Names, learnedName(known.names[name]))
		}
		out = append(out, one)
	}
	return out
}

// matching are the known names that a domain stands for, in order.
func (k learned) matching(d domain.Pattern) []domain.Name {
	if n, exact := d.Exact(); exact {
		if _, ok := k.names[n]; ok {
			return []domain.Name{n}
		}
		return nil
	}
	var all []domain.Name
	for n := range k.names {
		if d.Matches(n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

func learnedName(d report.Domain) LearnedName {
	out := LearnedName{Name: d.Name, Addresses: []LearnedAddress{}}
	for _, a := range d.Addresses {
		one := LearnedAddress{Address: a.Addr.String(), Via: text(a.Via), Seen: a.Seen, Expires: a.Expires, Nodes: a.Nodes, NodeCount: a.NodeCount}
		if a.Server.IsValid() {
			one.Server = text(a.Server.String())
		}
		if one.Nodes == nil {
			one.Nodes = []string{}
		}
		out.Addresses = append(out.Addresses, one)
	}
	return out
}

// domainAnswer is what an explanation says of a domain name; nil for none.
func domainAnswer(d *analysis.DomainAnswer) *DomainAnswer {
	if d == nil {
		return nil
	}
	out := &DomainAnswer{Name: d.Name, Known: d.Known, Addresses: []DomainAddress{}, AllowedBy: []DomainUse{}}
	for _, a := range d.Addresses {
		out.Addresses = append(out.Addresses, DomainAddress{Address: a.Address, Verdict: DomainAddressVerdict(a.Verdict)})
	}
	for _, u := range d.AllowedBy {
		out.AllowedBy = append(out.AllowedBy, DomainUse{Policy: u.Policy, Rule: u.Rule, Domain: u.Domain, Set: text(u.Set)})
	}
	return out
}
