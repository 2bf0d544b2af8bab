package modeltest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// domains are the patterns that rules and sets are made with, names are what is
// learned.
var (
	domains = []domain.Pattern{
		domain.MustParsePattern("a.test"), domain.MustParsePattern("*.test"), domain.MustParsePattern("*.a.test"),
		domain.MustParsePattern("x.*.test"), domain.MustParsePattern("nobody.asks"),
	}
	names = []domain.Name{"a.test", "b.test", "x.a.test", "y.a.test", "x.b.a.test", "x.b.test", "else"}
)

// learned returns what is known of a name: addresses that others may have too.
func (g *Gen) learned() *model.Learned {
	l := &model.Learned{Name: pick(g, names)}
	for range g.IntN(6) {
		l.Addrs = append(l.Addrs, g.address(pick(g, []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()})))
	}
	slices.SortFunc(l.Addrs, netip.Addr.Compare)
	l.Addrs = slices.Compact(l.Addrs)
	return l
}

// allowDomains makes the destination of an egress Allow rule a list of domains
// now and then.
func (g *Gen) allowDomains(r *model.Rule, d verdict.Direction) {
	if d != verdict.Egress || r.Action != verdict.ActionAllow || r.Destination.Service != nil || g.IntN(4) > 0 {
		return
	}
	p := &r.Destination
	p.Nets, p.Selector, p.NotSelector, p.Nodes = nil, nil, nil, nil
	for range 1 + g.IntN(2) {
		p.Domains = append(p.Domains, pick(g, domains))
	}
}

// NewNames returns a generator of worlds in which domains decide much: few
// objects but sets with domains, egress policies and names, and few addresses.
// Use NamesWorld and NamesMutation with it.
func NewNames(seed uint64) *Gen {
	g := New(seed)
	g.narrow = true
	return g
}

// dnsSettings returns settings that change no verdict, some of them left out.
func (g *Gen) dnsSettings() (s model.DNSSettings) {
	s.Extra, s.Hold, s.Epoch = uint32(g.IntN(2)), uint32(g.IntN(2)), g.IntN(2)
	for range g.IntN(3) {
		server := model.DNSServer{Port: uint16(53 * g.IntN(2))}
		if g.IntN(2) == 0 {
			server.Addr = g.address(netip.IPv4Unspecified())
		} else {
			server.Namespace, server.Service = pick(g, namespaces), "svc"
		}
		s.Servers = append(s.Servers, server)
	}
	return s
}

// learnable is one of few addresses, some of which a pod or a set has too.
func (g *Gen) learnable(family netip.Addr) netip.Addr {
	if !family.Is4() {
		return netip.MustParseAddr(fmt.Sprintf("fd00::1:%x", g.IntN(4)))
	}
	return netip.AddrFrom4([4]byte{10, 0, 1, byte(64 + g.IntN(8))})
}

// NamesWorld returns the changes that make a small world of domains.
func (g *Gen) NamesWorld() (all []model.Change) {
	for _, ns := range namespaces {
		all = append(all, model.Put(&model.Namespace{Name: ns, Labels: g.labels()}))
	}
	for range 8 {
		all = append(all, g.NamesMutation())
	}
	return append(all, model.Put(g.Pod("blue", "p0")), model.Put(g.Pod("blue", "p1")), model.Put(g.Pod("red", "p1")))
}

// NamesMutation returns a random change of one object of such a world.
func (g *Gen) NamesMutation() model.Change {
	set := func() *model.NetworkSet {
		n := g.networkSet(pick(g, []string{"", "blue", "red"}), pick(g, []string{"s", "t"}))
		n.Nets = nil
		if g.IntN(4) == 0 {
			n.Nets = []netip.Prefix{g.net()}
		}
		return n
	}
	switch g.IntN(12) {
	case 0:
		return model.Put(&model.Namespace{Name: pick(g, namespaces), Labels: g.labels()})
	case 1:
		return model.Delete(set().Key())
	case 2, 3, 4:
		return model.Put(set())
	case 5:
		return model.Delete(g.learned().Key())
	case 6, 7, 8:
		return model.Put(g.learned())
	case 9:
		return model.Delete(g.outward().Key())
	}
	return model.Put(g.outward())
}

// few are selectors that several rules have.
var few = []*selector.Selector{
	selector.Equal("tier", "a"), selector.Equal(model.PrefixNamespace+"tier", "a"), selector.Has("app"), selector.MustParse("app != 'b'"),
}

// outward is an egress policy of few rules, most of which ask for what a
// selector or a list of domains stands for.
func (g *Gen) outward() *model.Policy {
	p := &model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("out%d", g.IntN(3))}, Tier: "default", Order: g.order(),
		Selector: selector.All(), Applies: [2]bool{g.IntN(2) == 0, true},
	}
	rule := func(i int, d verdict.Direction) model.Rule {
		r := model.Rule{Index: i, Action: pick(g, []verdict.Action{verdict.ActionAllow, verdict.ActionAllow, verdict.ActionAllow, verdict.ActionDeny, verdict.ActionLog})}
		peer := &r.Source
		if d == verdict.Egress {
			peer = &r.Destination
		}
		peer.Selector = pick(g, few)
		if g.IntN(6) == 0 {
			peer.NotSelector = pick(g, few)
		}
		if g.allowDomains(&r, d); d == verdict.Ingress && g.IntN(2) == 0 {
			r.Destination.Selector = pick(g, few) // of the own side, where names do not count
		}
		return r
	}
	for i := range 1 + g.IntN(3) {
		p.Rules[verdict.Egress] = append(p.Rules[verdict.Egress], rule(i, verdict.Egress))
	}
	if p.Applies[verdict.Ingress] {
		p.Rules[verdict.Ingress] = []model.Rule{rule(0, verdict.Ingress)}
	}
	return p
}
