package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// pod is a pod of the lab.
type pod struct {
	Pod   // its Addrs are what was asked for
	netns string
	link  string // its link's name in the node
	node  *machine
	addrs []netip.Addr // IPv4 first

	// built is closed when the pod is there, or has failed to be (err). Whoever
	// wants the pod waits for it.
	built chan struct{}
	err   error
	host  *Host

	removing bool // guarded by Lab.mu
}

// maxName is the longest file name, in bytes.
const maxName = 255

// podNetns names the pod's namespace. Kubernetes allows names that are longer
// than a file name: those are cut, and told apart by a hash.
func podNetns(lab string, p Pod) string {
	name := namePrefix(lab) + "pod." + p.Namespace + "." + p.Name
	if len(name) > maxName {
		tag := linkName(p.Ref())
		name = name[:maxName-len(tag)-1] + "." + tag
	}
	return name
}

// AddPod adds a pod while the lab runs. When it returns nil, the pod's
// addresses are reachable and its Ports answer. It may be called concurrently.
func (l *Lab) AddPod(ctx context.Context, p Pod) error {
	if err := p.validate(); err != nil {
		return err
	}
	end, err := l.begin()
	if err != nil {
		return err
	}
	defer end()
	planned, err := l.reservePod(p)
	if err != nil {
		return err
	}
	return l.buildPod(ctx, planned)
}

// reservePod gives the pod its place and its addresses.
func (l *Lab) reservePod(p Pod) (*pod, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := l.pods[p.Ref()]; there {
		return nil, fmt.Errorf("pod %s is there already", p.Ref())
	}
	node := l.machines["node:"+p.Node]
	if node == nil {
		return nil, fmt.Errorf("%s: there is no node %q", p.Ref(), p.Node)
	}
	addrs := slices.Clone(p.Addrs)
	if len(addrs) == 0 {
		var err error
		if addrs, err = node.pods.take(func(a netip.Addr) bool { return l.taken[a] == "" }); err != nil {
			return nil, fmt.Errorf("%s on %s: %w", p.Ref(), p.Node, err)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	if err := l.take(p.Ref(), addrs); err != nil {
		return nil, err
	}
	out := &pod{Pod: p, netns: podNetns(l.name, p), link: linkName(p.Ref()), node: node, addrs: addrs, built: make(chan struct{})}
	l.pods[p.Ref()] = out
	return out, nil
}

// take marks addresses as used, all or none. The caller holds l.mu.
func (l *Lab) take(ref string, addrs []netip.Addr) error {
	for _, a := range addrs {
		if owner := l.taken[a]; owner != "" {
			return fmt.Errorf("%s: address %s is taken by %s", ref, a, owner)
		}
	}
	for _, a := range addrs {
		l.taken[a] = ref
	}
	return nil
}

// buildPod makes a reserved pod, or takes away what it has made of it.
func (l *Lab) buildPod(ctx context.Context, p *pod) error {
	err := l.plugPod(p)
	if err == nil && l.resolver.IsValid() {
		err = nameResolver(p.netns, l.resolver)
	}
	if err == nil {
		p.host, err = startHost(p.Ref(), p.netns, l.options.hostCommand(), environment(l.name, nil))
	}
	if err == nil {
		err = p.host.prepare(ctx, p.Ports)
	}
	if err == nil {
		close(p.built)
		return nil
	}
	p.err = fmt.Errorf("pod %s: %w", p.Ref(), err)
	err = errors.Join(p.err, l.destroyPod(p))
	l.forgetPod(p)
	close(p.built)
	return err
}

// plugPod makes the pod's namespace and connects it with its node.
func (l *Lab) plugPod(p *pod) error {
	nl, err := newStack(p.netns)
	if err != nil {
		return err
	}
	defer nl.Close()
	if err := p.plugNode(); err != nil {
		return err
	}
	eth0, err := nl.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, a := range p.addrs {
		if err := nl.AddrAdd(eth0, hostAddress(a)); err != nil {
			return err
		}
	}
	if err := nl.LinkSetUp(eth0); err != nil {
		return err
	}
	var routes []route
	for _, a := range p.addrs {
		gateway := podGateway6
		if a.Is4() {
			gateway = podGateway4
			routes = append(routes, route{to: single(gateway), link: eth0.Attrs().Index})
		}
		routes = append(routes, route{to: anywhere(a), via: gateway, link: eth0.Attrs().Index, source: a})
	}
	if err := addRoutes(nl, routes...); err != nil {
		return err
	}
	return l.eachRouter(func(m *machine, bridge int) error {
		return addRoutes(l.handle(m), p.node.routesTo(m, bridge, p.strays()...)...)
	}, p.node)
}

// plugNode is the node's side of the pod's link: its end answers for the pods'
// gateways, and routes lead to the pod's addresses.
func (p *pod) plugNode() error {
	link, err := plug(p.node.nl, p.link, p.netns, 0)
	if err != nil {
		return err
	}
	if err := inNetns(p.node.netns, func() error { return write(settingsOfPodLink(p.link)...) }); err != nil {
		return err
	}
	if err := p.node.nl.AddrAdd(link, address(netip.PrefixFrom(podGateway6, 64))); err != nil {
		return err
	}
	if err := p.node.nl.LinkSetUp(link); err != nil {
		return err
	}
	for _, a := range p.addrs {
		if err := addRoutes(p.node.nl, route{to: single(a), link: link.Attrs().Index, source: p.node.own(a)}); err != nil {
			return err
		}
	}
	return nil
}

// strays are the pod's addresses that are not of its node's CIDRs: every other
// router needs a route of its own to them.
func (p *pod) strays() []netip.Prefix {
	var out []netip.Prefix
	for _, a := range p.addrs {
		if !slices.ContainsFunc(p.node.pods.cidrs, func(c netip.Prefix) bool { return c.Contains(a) }) {
			out = append(out, single(a))
		}
	}
	return out
}

// RemovePod takes a pod away while the lab runs; its connections end as those
// of a machine that loses its power. A pod that is being added is waited for.
func (l *Lab) RemovePod(ctx context.Context, namespace, name string) error {
	end, err := l.begin()
	if err != nil {
		return err
	}
	defer end()
	ref := Pod{Namespace: namespace, Name: name}.Ref()
	l.mu.Lock()
	p := l.pods[ref]
	if p != nil && p.removing {
		p = nil
	}
	if p != nil {
		p.removing = true
	}
	l.mu.Unlock()
	if p == nil {
		return fmt.Errorf("there is no pod %s", ref)
	}
	select {
	case <-p.built:
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		p.removing = false
		return ctx.Err()
	}
	if p.err != nil {
		return nil // it took itself away
	}
	err = l.destroyPod(p)
	l.forgetPod(p)
	return err
}

// destroyPod ends a pod's process and removes its network. What is not there is
// no error, so that a pod that was built half can be destroyed too.
func (l *Lab) destroyPod(p *pod) error {
	problems := []error{l.stopProcesses(p.Ref())}
	if p.host != nil {
		problems = append(problems, p.host.stop())
	}
	if link, err := p.node.nl.LinkByName(p.link); err == nil {
		if err := p.node.nl.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
			problems = append(problems, err)
		}
	}
	problems = append(problems, l.eachRouter(func(m *machine, bridge int) error {
		return deleteRoutes(l.handle(m), p.node.routesTo(m, bridge, p.strays()...)...)
	}, p.node), deleteNetns(p.netns))
	return errors.Join(problems...)
}

// forgetPod gives the pod's name and addresses free.
func (l *Lab) forgetPod(p *pod) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pods, p.Ref())
	for _, a := range p.addrs {
		delete(l.taken, a)
	}
}
