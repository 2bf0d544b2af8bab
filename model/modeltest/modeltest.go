// Package modeltest makes random states and packets for tests that compare the
// oracle, the tables and the kernel. The same seed gives the same world.
package modeltest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// Gen makes random objects out of a small vocabulary, so that things meet.
type Gen struct {
	*rand.Rand
	// Node is the node of every endpoint; "n0" or "n1" at random if empty.
	Node string
	// narrow limits packets to the addresses that names are learned to have.
	narrow bool
}

// New returns a generator for a seed.
func New(seed uint64) *Gen { return &Gen{Rand: rand.New(rand.NewPCG(seed, 17))} }

var (
	namespaces = []string{"blue", "red"}
	accounts   = []string{"default", "robot"}
	keys       = []string{"tier", "app", "env"}
	values     = []string{"a", "b"}
	tierNames  = []string{"default", "kube-admin", "kube-baseline", "sec", "gone"}
	protocols  = []uint8{verdict.TCP, verdict.UDP, verdict.SCTP, verdict.ICMP, verdict.ICMPv6, 47}
)

// State returns a random state, with random settings.
func (g *Gen) State() *model.State {
	s := model.NewState()
	s.Apply(g.World()...)
	s.Settings = g.settings()
	return s
}

// settings returns the defaults half of the time, else others that meet the
// packets more often.
func (g *Gen) settings() model.Settings {
	if g.IntN(2) == 0 {
		return model.DefaultSettings()
	}
	s := model.Settings{HTTPAsL4: g.IntN(2) == 0}
	list := func() (all []model.Failsafe) {
		for range g.IntN(3) {
			f := model.Failsafe{Protocol: pick(g, protocols[:3]), Port: pick(g, Ports)}
			if g.IntN(2) == 0 {
				f.Net = g.net()
			}
			all = append(all, f)
		}
		return all
	}
	s.FailsafeIn, s.FailsafeOut = list(), list()
	s.Log, s.Reject = g.logSettings(), g.IntN(2) == 0
	s.PodToHost = pick(g, []verdict.HostAction{verdict.HostAccept, verdict.HostDrop, verdict.HostReturn})
	s.DNS = g.dnsSettings()
	return s
}

// logSettings returns settings that change no verdict, some of them left out.
func (g *Gen) logSettings() (s model.LogSettings) {
	if g.IntN(2) == 0 {
		s.Prefix = "other"
	}
	for _, n := range []*uint32{&s.Rate, &s.Per, &s.Burst} {
		*n = uint32(g.IntN(3))
	}
	return s
}

// World returns the changes that make a random state, in random order.
func (g *Gen) World() []model.Change {
	var all []model.Change
	seen := map[model.Key]bool{}
	put := func(o model.Object) {
		if k := o.Key(); !seen[k] { // each object once, so that the order of changes is free
			seen[k] = true
			all = append(all, model.Put(o))
		}
	}
	for _, ns := range namespaces {
		if g.IntN(8) > 0 { // else it is not known, and neither is what it would hand down
			put(&model.Namespace{Name: ns, Labels: g.labels()})
		}
		for _, sa := range accounts {
			if g.IntN(8) > 0 {
				put(&model.ServiceAccount{Namespace: ns, Name: sa, Labels: g.labels()})
			}
		}
		for i := range 1 + g.IntN(4) {
			put(g.Pod(ns, fmt.Sprintf("p%d", i)))
		}
		put(g.networkSet(ns, "set"))
	}
	put(g.networkSet("", "global"))
	for i := range g.IntN(3) {
		put(g.nodeObject(fmt.Sprintf("n%d", i)))
	}
	for i := range g.IntN(3) {
		put(g.slice(fmt.Sprintf("slice%d", i)))
	}
	for range g.IntN(12) {
		put(g.learned())
	}
	for range g.IntN(3) {
		put(g.tier())
	}
	for i := range g.IntN(3) {
		put(g.hostEndpoint(fmt.Sprintf("h%d", i)))
	}
	put(&model.Profile{Name: "prof", Labels: g.labels(), Rules: [2][]model.Rule{g.service(g.rules(""), verdict.Ingress), g.service(g.rules(""), verdict.Egress)},
		Invalid: [2]bool{g.IntN(20) == 0, g.IntN(20) == 0}})
	for range g.IntN(8) {
		put(g.Policy(fmt.Sprintf("pol%d", g.IntN(4))))
	}
	for i := range g.IntN(3) {
		put(g.staged(fmt.Sprintf("pol%d", i)))
	}
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// Mutation returns a random change of one object.
func (g *Gen) Mutation() model.Change {
	ns := pick(g, namespaces)
	switch g.IntN(18) {
	case 16, 17:
		return model.Put(g.learned())
	case 15:
		return model.Delete(g.learned().Key())
	case 14:
		return model.Put(g.staged(fmt.Sprintf("pol%d", g.IntN(7))))
	case 13:
		return model.Put(g.nodeObject(fmt.Sprintf("n%d", g.IntN(3))))
	case 12:
		return model.Put(g.slice(fmt.Sprintf("slice%d", g.IntN(3))))
	case 0:
		return model.Put(&model.Namespace{Name: ns, Labels: g.labels()})
	case 1:
		return model.Put(&model.ServiceAccount{Namespace: ns, Name: pick(g, accounts), Labels: g.labels()})
	case 2:
		return model.Put(g.networkSet("", "global"))
	case 3:
		return model.Put(g.networkSet(ns, "set"))
	case 4:
		if g.IntN(3) == 0 {
			return model.Delete(g.tier().Key())
		}
		return model.Put(g.tier())
	case 5:
		return model.Delete(g.Pod(ns, fmt.Sprintf("p%d", g.IntN(4))).Key())
	case 6, 7:
		return model.Put(g.Pod(ns, fmt.Sprintf("p%d", g.IntN(4))))
	case 8:
		return model.Put(g.hostEndpoint(fmt.Sprintf("h%d", g.IntN(3))))
	case 9:
		return model.Delete(g.Policy(fmt.Sprintf("pol%d", g.IntN(7))).Key())
	}
	return model.Put(g.Policy(fmt.Sprintf("pol%d", g.IntN(7))))
}

func pick[T any](g *Gen, from []T) T { return from[g.IntN(len(from))] }

func (g *Gen) labels() map[string]string {
	m := map[string]string{}
	for _, k := range keys {
		if g.IntN(2) == 0 {
			m[k] = pick(g, values)
		}
	}
	return m
}

func (g *Gen) order() *float64 {
	if g.IntN(4) == 0 {
		return nil
	}
	f := pick(g, []float64{0, 500, 1000, -1, 0.5, 1e9})
	return &f
}

// tier returns a tier, mostly one of a user; a built-in one may be stored with
// another order or default action than it is made with.
func (g *Gen) tier() *model.Tier {
	name := "sec"
	if g.IntN(4) == 0 {
		name = pick(g, tierNames)
	}
	return &model.Tier{Name: name, Order: g.order(), Pass: g.IntN(3) == 0}
}

func (g *Gen) node() string {
	if g.Node != "" {
		return g.Node
	}
	return fmt.Sprintf("n%d", g.IntN(2))
}

// Pod returns a pod with random labels. Its addresses depend on its name only.
func (g *Gen) Pod(ns, name string) *model.Endpoint {
	labels := g.labels()
	labels[model.LabelNamespace] = ns
	labels[model.LabelOrchestrator] = model.OrchestratorK8s
	sa := pick(g, accounts)
	labels[model.LabelServiceAccount] = sa
	host := byte(len(ns))*16 + name[len(name)-1]%16
	e := &model.Endpoint{
		ID:   verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name},
		Node: g.node(), Labels: labels, ServiceAccount: sa,
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 1, host})},
		Ports: g.namedPorts(),
	}
	if g.IntN(2) == 0 {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(fmt.Sprintf("fd00::1:%x", host)))
	}
	return e
}

func (g *Gen) hostEndpoint(name string) *model.Endpoint {
	e := &model.Endpoint{
		ID:   verdict.EndpointID{Kind: verdict.Host, Name: name},
		Node: g.node(), Labels: g.labels(), Interface: pick(g, []string{"eth0", "*", ""}),
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 2, name[1]})},
		Ports: g.namedPorts(),
	}
	if g.IntN(2) == 0 {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(fmt.Sprintf("fd00::1:%x", name[1])))
	}
	for _, p := range []string{"prof", "projectcalico-default-allow", "absent"} {
		if g.IntN(3) == 0 {
			e.Profiles = append(e.Profiles, p)
		}
	}
	return e
}

var portNames = []string{"web", "dns"}

// namedPorts gives the same name different numbers on different endpoints.
func (g *Gen) namedPorts() (all []model.NamedPort) {
	for range g.IntN(3) {
		all = append(all, model.NamedPort{Name: pick(g, portNames), Protocol: pick(g, protocols[:3]), Port: pick(g, Ports)})
	}
	return all
}

func (g *Gen) slice(name string) *model.EndpointSlice {
	s := &model.EndpointSlice{Namespace: pick(g, namespaces), Name: name, Service: "svc"}
	for range g.IntN(5) {
		s.Addrs = append(s.Addrs, g.address(pick(g, []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()})))
	}
	for range g.IntN(3) {
		s.Ports = append(s.Ports, model.ServicePort{Protocol: pick(g, protocols[:3]), Port: pick(g, Ports)})
	}
	return s
}

// nodeObject returns a node whose addresses pods and hosts may have too.
func (g *Gen) nodeObject(name string) *model.Node {
	n := &model.Node{Name: name, Labels: g.labels(), PodNets: []netip.Prefix{g.net()}}
	for range g.IntN(3) {
		n.Addrs = append(n.Addrs, g.address(pick(g, []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()})))
	}
	return n
}

func (g *Gen) networkSet(ns, name string) *model.NetworkSet {
	n := &model.NetworkSet{Namespace: ns, Name: name, Labels: g.labels()}
	if ns != "" {
		n.Labels[model.LabelNamespace] = ns
	}
	for range g.IntN(4) {
		n.Nets = append(n.Nets, g.net())
	}
	for range g.IntN(3) {
		n.Domains = append(n.Domains, pick(g, domains))
	}
	return n
}

// net returns a network that is likely to contain other ones, or addresses.
func (g *Gen) net() netip.Prefix {
	if g.IntN(4) == 0 {
		a := netip.MustParseAddr(fmt.Sprintf("fd00::1:%x", g.IntN(128)))
		return netip.PrefixFrom(a, pick(g, []int{0, 16, 112, 124, 128})).Masked()
	}
	a := netip.AddrFrom4([4]byte{10, 0, byte(1 + g.IntN(2)), byte(g.IntN(128))})
	return netip.PrefixFrom(a, pick(g, []int{0, 8, 24, 28, 30, 32})).Masked()
}

// Packet returns a packet between known and unknown addresses, to or from the
// local address.
func (g *Gen) Packet(d verdict.Direction, local netip.Addr) verdict.Packet {
	p := verdict.Packet{Protocol: pick(g, append(protocols, 99)), Src: g.address(local), Dst: local}
	if d == verdict.Egress {
		p.Src, p.Dst = p.Dst, p.Src
	}
	if verdict.HasPorts(p.Protocol) {
		p.SrcPort = pick(g, Ports) + uint16(g.IntN(20))
		p.DstPort = pick(g, Ports) + uint16(g.IntN(3))
	}
	if verdict.IsICMP(p.Protocol) {
		p.DstPort = verdict.ICMPKey(pick(g, icmpTypes), uint8(g.IntN(3)))
	}
	return p
}

func (g *Gen) address(family netip.Addr) netip.Addr {
	if g.narrow {
		return g.learnable(family)
	}
	if !family.Is4() {
		return netip.MustParseAddr(fmt.Sprintf("fd00::%x:%x", g.IntN(2), g.IntN(128)))
	}
	if g.IntN(6) == 0 {
		return netip.AddrFrom4([4]byte{172, 16, 0, byte(g.IntN(256))})
	}
	return netip.AddrFrom4([4]byte{10, 0, byte(1 + g.IntN(2)), byte(g.IntN(128))})
}
