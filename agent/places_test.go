package agent

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// world is a node and what its kernel reported, for tests.
type world struct {
	*places
	t *testing.T
}

func newWorld(t *testing.T) *world { return &world{newPlaces("n1"), t} }

func (w *world) link(index int, name string, kind string, up, gone bool) {
	attrs := netlink.LinkAttrs{Index: index, Name: name}
	if up {
		attrs.Flags = net.FlagUp
	}
	var l netlink.Link = &netlink.Device{LinkAttrs: attrs}
	switch kind {
	case "bridge":
		l = &netlink.Bridge{LinkAttrs: attrs}
	case "veth":
		l = &netlink.Veth{LinkAttrs: attrs}
	}
	u := &netlink.LinkUpdate{Link: l}
	u.Header.Type = unix.RTM_NEWLINK
	if gone {
		u.Header.Type = unix.RTM_DELLINK
	}
	w.take(hostEvent{link: u})
}

func (w *world) addr(index int, a string) {
	_, ipnet, err := net.ParseCIDR(a)
	if err != nil {
		w.t.Fatal(err)
	}
	ipnet.IP = net.ParseIP(netip.MustParsePrefix(a).Addr().String())
	w.take(hostEvent{addr: &netlink.AddrUpdate{LinkAddress: *ipnet, LinkIndex: index, NewAddr: true}})
}

func (w *world) route(index, metric int, dst string, kind uint16, flags uint16) {
	_, ipnet, err := net.ParseCIDR(dst)
	if err != nil {
		w.t.Fatal(err)
	}
	w.take(hostEvent{route: &netlink.RouteUpdate{Type: kind, NlFlags: flags, Route: netlink.Route{
		LinkIndex: index, Priority: metric, Dst: ipnet, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}}})
}

func (w *world) endpoint(kind verdict.EndpointKind, name, node, iface string, addrs ...string) {
	id := verdict.EndpointID{Kind: kind, Name: name}
	if kind == verdict.Pod {
		id.Namespace = "x"
	}
	e := &model.Endpoint{ID: id, Node: node, Interface: iface}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
	}
	w.put(id, e)
}

// want says where endpoints are to be, by pod's name or hep:NAME, and that
// settle tells just what changed.
func (w *world) want(what string, want map[string][]string) {
	w.t.Helper()
	before := w.all()
	changed := w.settle()
	got := map[string][]string{}
	for id, names := range w.at {
		got[short(id)] = names
		if !slices.Equal(before[id], names) && !slices.Equal(changed[id], names) {
			w.t.Errorf("%s: %s is at %v now, and settle says %v", what, id, names, changed[id])
		}
	}
	for id, names := range changed {
		if slices.Equal(before[id], names) {
			w.t.Errorf("%s: settle tells of %s, which is where it was", what, id)
		}
		if len(names) == 0 && len(w.at[id]) > 0 {
			w.t.Errorf("%s: settle says that %s is nowhere", what, id)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

func short(id verdict.EndpointID) string {
	if id.Kind == verdict.Host {
		return "hep:" + id.Name
	}
	return id.Name
}

const (
	add = unix.RTM_NEWROUTE
	del = unix.RTM_DELROUTE
)

// TestPlaces: pods are where their addresses are routed to; of the rest, host
// endpoints govern by name, by address, and by "*", the lowest name first.
func TestPlaces(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{"eth0", "eth1", "eth2", "tw1", "tw2"} {
		w.link(i+1, name, "", true, false)
	}
	w.addr(1, "192.0.2.1/24")
	w.addr(2, "192.0.2.2/24")
	w.route(4, 0, "10.1.0.2/32", add, 0)
	w.route(4, 1024, "fd00::2/128", add, 0)
	w.route(5, 0, "10.1.0.3/32", add, 0)
	w.endpoint(verdict.Pod, "here", "n1", "", "10.1.0.2", "fd00::2")
	w.endpoint(verdict.Pod, "elsewhere", "n2", "", "10.1.0.3")
	w.endpoint(verdict.Pod, "not-yet", "n1", "", "10.1.0.9")
	w.endpoint(verdict.Host, "named-b", "n1", "eth0")
	w.endpoint(verdict.Host, "named-a", "n1", "eth0")
	w.endpoint(verdict.Host, "by-address", "n1", "", "192.0.2.2")
	w.endpoint(verdict.Host, "star", "n1", "*", "192.0.2.1")
	w.endpoint(verdict.Host, "other-node", "n2", "eth2")
	at := map[string][]string{"here": {"tw1"}, "hep:named-a": {"eth0"}, "hep:by-address": {"eth1"}, "hep:star": {"eth2", "tw2"}}
	w.want("at first", at)
	w.want("nothing new", at)

	w.endpoint(verdict.Host, "named-a", "n2", "eth0")
	w.route(5, 0, "10.1.0.9/32", add, 0)
	w.want("a host endpoint moves to another node, a pod's route comes",
		map[string][]string{"here": {"tw1"}, "not-yet": {"tw2"}, "hep:named-b": {"eth0"}, "hep:by-address": {"eth1"}, "hep:star": {"eth2"}})

	w.link(5, "tw2", "", true, true)
	w.endpoint(verdict.Pod, "here", "n2", "", "10.1.0.2")
	w.want("an interface vanishes, and an address moves to another node",
		map[string][]string{"hep:named-b": {"eth0"}, "hep:by-address": {"eth1"}, "hep:star": {"eth2", "tw1"}})
	if got := w.unplaced(); len(got) != 1 || got[0].Name != "not-yet" {
		t.Errorf("unplaced: %v", got)
	}
}

// TestRoutes: what the kernel reports of routes, and what it leaves out.
func TestRoutes(t *testing.T) {
	w := newWorld(t)
	w.link(1, "a", "", true, false)
	w.link(2, "b", "", true, false)
	w.endpoint(verdict.Pod, "p", "n1", "", "10.1.0.2")
	at := func(name string) map[string][]string {
		if name == "" {
			return map[string][]string{}
		}
		return map[string][]string{"p": {name}}
	}
	w.route(1, 0, "10.1.0.2/32", add, 0)
	w.want("a route", at("a"))
	w.route(2, 10, "10.1.0.2/32", add, 0)
	w.want("a worse one", at("a"))
	w.route(1, 0, "10.1.0.2/32", del, 0)
	w.want("the better one goes", at("b"))
	w.route(1, 10, "10.1.0.2/32", add, unix.NLM_F_REPLACE)
	w.want("one is replaced", at("a"))
	w.route(2, 10, "10.1.0.2/32", del, 0)
	w.want("a late word on the one that was replaced", at("a"))
	w.link(1, "a", "", false, false)
	w.want("a word that it was down once: it may be late", at("a"))
	w.link(1, "c", "", true, false)
	w.want("it is renamed", at("c"))
	w.route(7, 0, "10.1.0.2/32", add, unix.NLM_F_REPLACE)
	w.want("to an interface that is not known yet", at(""))
	w.link(7, "late", "", true, false)
	w.want("which then is", at("late"))
	w.route(7, 0, "10.1.0.0/24", add, 0)
	w.route(7, 0, "10.1.0.2/32", del, 0)
	w.route(1, 10, "10.1.0.2/32", del, 0)
	w.want("a network is no pod's route", at(""))
	w.take(hostEvent{all: newHost()})
	w.want("all is read again", at(""))
}

// TestBridge: behind a bridge, all pods are at the bridge; a route of a pod's
// own is before it.
func TestBridge(t *testing.T) {
	w := newWorld(t)
	w.link(1, "cni0", "bridge", true, false)
	w.link(2, "docker0", "bridge", true, false)
	w.link(3, "veth", "", true, false)
	w.route(1, 0, "10.1.0.0/24", add, 0)
	w.route(2, 0, "10.1.0.0/16", add, 0)
	w.endpoint(verdict.Pod, "p", "n1", "", "10.1.0.2")
	w.endpoint(verdict.Pod, "q", "n1", "", "10.1.0.3")
	w.endpoint(verdict.Pod, "r", "n1", "", "10.1.9.3")
	w.endpoint(verdict.Host, "star", "n1", "*")
	w.want("the nearest network", map[string][]string{"p": {"cni0"}, "q": {"cni0"}, "r": {"docker0"}, "hep:star": {"veth"}})
	w.route(3, 0, "10.1.0.3/32", add, 0)
	w.route(2, 0, "10.1.0.0/16", del, 0)
	w.want("a route of its own", map[string][]string{"p": {"cni0"}, "q": {"veth"}, "hep:star": {"docker0"}})
	w.link(1, "cni0", "bridge", true, true)
	w.want("the bridge goes", map[string][]string{"q": {"veth"}, "hep:star": {"docker0"}})
}

// TestSharedAddress: two pods that report one address are both where it leads,
// until one is gone.
func TestSharedAddress(t *testing.T) {
	w := newWorld(t)
	w.link(1, "a", "", true, false)
	w.route(1, 0, "10.1.0.2/32", add, 0)
	w.endpoint(verdict.Pod, "old", "n1", "", "10.1.0.2")
	w.endpoint(verdict.Pod, "new", "n1", "", "10.1.0.2")
	w.want("both", map[string][]string{"old": {"a"}, "new": {"a"}})
	w.put(verdict.EndpointID{Kind: verdict.Pod, Namespace: "x", Name: "old"}, nil)
	w.want("one is gone", map[string][]string{"new": {"a"}})
	w.route(1, 0, "10.1.0.2/32", del, 0)
	w.want("and the route of the other", map[string][]string{})
}

// TestGone: a pod that the API does not know any more keeps its interface closed
// until the interface goes, or another pod has it; not one that others share, nor
// one that may lead elsewhere.
func TestGone(t *testing.T) {
	w := newWorld(t)
	w.link(1, "eth0", "", true, false)
	w.link(2, "veth1", "veth", true, false)
	w.link(3, "veth2", "veth", true, false)
	w.link(4, "veth3", "veth", true, false)
	w.route(1, 0, "10.1.0.1/32", add, 0)
	w.route(2, 0, "10.1.0.2/32", add, 0)
	w.route(3, 0, "10.1.0.3/32", add, 0)
	w.route(3, 0, "10.1.0.4/32", add, 0)
	w.route(4, 0, "10.1.0.5/32", add, 0)
	pods := map[string]string{"routed": "10.1.0.1", "alone": "10.1.0.2", "shares": "10.1.0.3", "stays": "10.1.0.4", "replaced": "10.1.0.5"}
	for name, a := range pods {
		w.endpoint(verdict.Pod, name, "n1", "", a)
	}
	w.settle()
	for _, name := range []string{"routed", "alone", "shares", "replaced"} {
		w.put(verdict.EndpointID{Kind: verdict.Pod, Namespace: "x", Name: name}, nil)
	}
	w.want("gone from the API", map[string][]string{"alone": {"veth1"}, "stays": {"veth2"}, "replaced": {"veth3"}})
	w.route(2, 0, "10.1.0.2/32", del, 0)
	w.want("its route went", map[string][]string{"alone": {"veth1"}, "stays": {"veth2"}, "replaced": {"veth3"}})
	w.endpoint(verdict.Pod, "next", "n1", "", "10.1.0.5")
	w.want("another pod has the interface", map[string][]string{"alone": {"veth1"}, "stays": {"veth2"}, "replaced": {"veth3"}, "next": {"veth3"}})
	w.link(2, "veth1", "veth", false, true)
	w.link(4, "veth3", "veth", false, true)
	w.want("the interfaces went", map[string][]string{"stays": {"veth2"}})
	w.endpoint(verdict.Pod, "alone", "n1", "", "10.1.0.4")
	w.want("the name is another pod's", map[string][]string{"stays": {"veth2"}, "alone": {"veth2"}})
	if len(w.gone) > 0 {
		t.Errorf("remembered: %v", w.gone)
	}
}
