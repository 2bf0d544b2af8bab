package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"

	"github.com/tierwall/tierwall/labhost"
)

// machine is a node or an external machine: what is plugged into the fabric.
type machine struct {
	ref, netns string
	port       string       // the name of its link in the fabric
	addrs      []netip.Addr // its own, one per family, IPv4 first
	via        []netip.Addr // where the fabric reaches it, one per family, IPv4 first
	ports      []Port
	names      []labhost.Record
	pods       pool // of a node; no CIDRs for an external machine

	nl   *netlink.Handle // in its namespace
	eth0 int             // the index of its link
	host *Host
}

// newNode plans the i-th node, counted from 0.
func newNode(lab string, n Node, i int) *machine {
	v4, v6 := onFabric(firstNode + i)
	return &machine{
		ref: n.Ref(), netns: namePrefix(lab) + "node." + n.Name, port: "node" + strconv.Itoa(i+1),
		addrs: complete(n.Addrs, v4, v6), via: []netip.Addr{v4, v6}, ports: n.Ports,
		pods: pool{cidrs: podCIDRs(n.PodCIDRs, i+1)},
	}
}

// newExternal plans the i-th external machine, counted from 0.
func newExternal(lab string, e External, i int) *machine {
	v4, v6 := onFabric(firstExternal + i)
	return &machine{
		ref: e.Ref(), netns: namePrefix(lab) + "ext." + e.Name, port: "ext" + strconv.Itoa(i+1),
		addrs: complete(e.Addrs, v4, v6), via: []netip.Addr{v4, v6}, ports: e.Ports, names: e.Names,
	}
}

// own is the machine's address of the family of a.
func (m *machine) own(a netip.Addr) netip.Addr { return sameFamily(m.addrs, a) }

// sameFamily is the address of the family of a, or the zero one.
func sameFamily(addrs []netip.Addr, a netip.Addr) netip.Addr {
	i := slices.IndexFunc(addrs, func(b netip.Addr) bool { return b.Is4() == a.Is4() })
	if i < 0 {
		return netip.Addr{}
	}
	return addrs[i]
}

// build makes the machine's namespace and plugs it into the fabric.
func (m *machine) build(fabric *netlink.Handle, bridge int) error {
	var err error
	if m.nl, err = newStack(m.netns, settingsOfRouters...); err != nil {
		return err
	}
	link, err := plug(fabric, m.port, m.netns, bridge)
	if err != nil {
		return err
	}
	if err := fabric.LinkSetUp(link); err != nil {
		return err
	}
	eth0, err := m.nl.LinkByName("eth0")
	if err != nil {
		return err
	}
	m.eth0 = eth0.Attrs().Index
	for _, a := range m.allAddrs() {
		if err := m.nl.AddrAdd(eth0, hostAddress(a)); err != nil {
			return fmt.Errorf("address %s of %s: %w", a, m.ref, err)
		}
	}
	if err := m.nl.LinkSetUp(eth0); err != nil {
		return err
	}
	return addRoutes(m.nl, m.basicRoutes()...)
}

// allAddrs is every address that the machine answers to.
func (m *machine) allAddrs() []netip.Addr {
	out := slices.Clone(m.addrs)
	for _, a := range m.via {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// basicRoutes lead to the fabric, to everywhere else through it, and nowhere
// for a pod address that no pod has: by the default route such a packet would
// go round in circles.
func (m *machine) basicRoutes() []route {
	var out []route
	for _, p := range []netip.Prefix{fabric4, fabric6} {
		out = append(out,
			route{to: p.Masked(), link: m.eth0, source: m.own(p.Addr())},
			route{to: anywhere(p.Addr()), via: p.Addr(), link: m.eth0, source: m.own(p.Addr())})
	}
	for _, c := range m.pods.cidrs {
		out = append(out, route{to: c, unreachable: true})
	}
	return out
}

// reaches is what others reach through the machine: its own addresses, where
// they are not those of the fabric, and its pods'.
func (m *machine) reaches() []netip.Prefix {
	out := slices.Clone(m.pods.cidrs)
	for _, a := range m.addrs {
		if !slices.Contains(m.via, a) {
			out = append(out, single(a))
		}
	}
	return out
}

// routesTo are the routes of from (nil: of the fabric) to prefixes behind m.
func (m *machine) routesTo(from *machine, bridge int, prefixes ...netip.Prefix) []route {
	out := make([]route, len(prefixes))
	for i, p := range prefixes {
		out[i] = route{to: p, via: sameFamily(m.via, p.Addr()), link: bridge}
		if from != nil {
			out[i].link, out[i].source = from.eth0, from.own(p.Addr())
		}
	}
	return out
}

// start starts the machine's process.
func (m *machine) start(ctx context.Context, o *Options, lab string) (err error) {
	m.host, err = startHost(m.ref, m.netns, o.hostCommand(), environment(lab, nil))
	if err != nil {
		return err
	}
	if err := m.host.prepare(ctx, m.ports); err != nil || m.names == nil {
		return err
	}
	_, err = m.host.do(ctx, labhost.Request{Op: labhost.OpNames, Records: m.names})
	return err
}

// remove ends the machine's process and takes its namespace away.
func (m *machine) remove() error {
	var problems []error
	if m.host != nil {
		problems = append(problems, m.host.stop())
	}
	if m.nl != nil {
		m.nl.Close()
	}
	return errors.Join(append(problems, deleteNetns(m.netns))...)
}
