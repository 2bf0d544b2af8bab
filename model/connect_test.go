package model_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

func addrs(texts string) []netip.Addr {
	var all []netip.Addr
	for _, text := range strings.Fields(texts) {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func podAt(ns, name, node, at string) *model.Endpoint {
	return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Node: node, Addrs: addrs(at)}
}

func hostAt(name, node, iface, expected string) *model.Endpoint {
	return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: name}, Node: node, Interface: iface, Addrs: addrs(expected)}
}

// lan is two nodes with pods. n1 has a host endpoint by address, n2 one for
// all its interfaces, n3 none.
func lan() *model.State {
	s := model.NewState()
	for _, o := range []model.Object{
		&model.Node{Name: "n1", Addrs: addrs("10.9.0.1 fd00:9::1")},
		&model.Node{Name: "n2", Addrs: addrs("10.9.0.2")},
		&model.Node{Name: "n3", Addrs: addrs("10.9.0.3")},
		&model.Node{Name: "bare"},
		podAt("blue", "a", "n1", "10.0.0.1 fd00::1"),
		podAt("blue", "b", "n1", "10.0.0.2"),
		podAt("red", "c", "n2", "10.0.1.1 fd00::c"),
		podAt("red", "six", "n3", "fd00::6"),
		podAt("red", "lost", "", "10.0.2.1"),
		podAt("red", "lost-too", "", "10.0.2.2"),
		hostAt("h1", "n1", "eth0", "10.9.0.1"),
		hostAt("h2", "n2", "*", ""),
		hostAt("nowhere", "n9", "eth0", ""),
		hostAt("stray", "", "eth0", "10.9.0.9"),
		&model.Learned{Name: "www.example.com", Addrs: addrs("203.0.113.1 203.0.113.2 2001:db8::1")},
		&model.Learned{Name: "inside.example", Addrs: addrs("10.0.1.1")},
		&model.Learned{Name: "host.example", Addrs: addrs("10.9.0.2")},
		&model.Learned{Name: "short", Addrs: addrs("203.0.113.3")},
	} {
		s.Apply(model.Put(o))
	}
	return s
}

// side is "address endpoint", or "address (reason)" where nothing is asked.
func side(s model.Side) string {
	if s.Endpoint != nil {
		return s.Addr.String() + " " + s.Endpoint.ID.String()
	}
	return fmt.Sprintf("%s (%s)", s.Addr, &s.Fixed)
}

// TestConnect says, for every combination of ends, who polices the connection
// (semantics.md sections 9 and 11).
func TestConnect(t *testing.T) {
	const outside, host = " (allow: not an endpoint)", " (allow: host default)"
	s := lan()
	for _, row := range []struct{ name, from, to, egress, ingress string }{
		{"pod to pod on one node", "blue/a", "blue/b", "10.0.0.1 blue/a", "10.0.0.2 blue/b"},
		{"pod to pod across nodes", "blue/a", "red/c", "10.0.0.1 blue/a", "10.0.1.1 red/c"},
		{"IPv6 where one end has nothing else", "blue/a", "red/six", "fd00::1 blue/a", "fd00::6 red/six"},
		{"a pod to itself never leaves it", "blue/a", "blue/a", "10.0.0.1" + outside, "10.0.0.1" + outside},
		{"a pod to its own other address", "blue/a", "10.0.0.1", "10.0.0.1" + outside, "10.0.0.1" + outside},
		{"pod to the outside", "blue/a", "8.8.8.8", "10.0.0.1 blue/a", "8.8.8.8" + outside},
		{"the outside to a pod", "8.8.8.8", "blue/a", "8.8.8.8" + outside, "10.0.0.1 blue/a"},
		{"the outside to the outside", "8.8.8.8", "9.9.9.9", "8.8.8.8" + outside, "9.9.9.9" + outside},
		{"an address that is a pod's", "10.0.0.2", "10.0.1.1", "10.0.0.2 blue/b", "10.0.1.1 red/c"},
		{"an IPv4 address written as IPv6", "::ffff:10.0.0.2", "blue/a", "10.0.0.2 blue/b", "10.0.0.1 blue/a"},
		{"a domain name is the first of its addresses", "blue/a", "WWW.example.com.", "10.0.0.1 blue/a", "203.0.113.1" + outside},
		{"of the family that fits", "red/six", "www.example.com", "fd00::6 red/six", "2001:db8::1" + outside},
		{"one without a dot", "blue/a", "domain:short", "10.0.0.1 blue/a", "203.0.113.3" + outside},
		{"a name of a pod's address", "blue/a", "inside.example", "10.0.0.1 blue/a", "10.0.1.1 red/c"},
		{"a name of the sender's own address", "red/c", "domain:inside.example", "10.0.1.1" + outside, "10.0.1.1" + outside},
		{"a name of a host's address", "blue/a", "host.example", "10.0.0.1 blue/a", "10.9.0.2 hep:h2"},
		{"a host to its own pod is always allowed", "node:n1", "blue/a", "10.9.0.1" + host, "10.0.0.1" + host},
		{"by its address too", "10.9.0.1", "blue/a", "10.9.0.1" + host, "10.0.0.1" + host},
		{"by its host endpoint too", "hep:h1", "blue/a", "10.9.0.1" + host, "10.0.0.1" + host},
		{"a pod to its own host: its egress alone decides", "blue/a", "node:n1", "10.0.0.1 blue/a", "10.9.0.1" + host},
		{"to its host endpoint too", "blue/a", "hep:h1", "10.0.0.1 blue/a", "10.9.0.1" + host},
		{"a host to a pod elsewhere", "node:n1", "red/c", "10.9.0.1 hep:h1", "10.0.1.1 red/c"},
		{"a pod to a host elsewhere", "red/c", "node:n1", "10.0.1.1 red/c", "10.9.0.1 hep:h1"},
		{"pods of unknown nodes are not on one node", "red/lost", "red/lost-too", "10.0.2.1 red/lost", "10.0.2.2 red/lost-too"},
		{"nor is a host endpoint of an unknown node a pod's own", "red/lost", "hep:stray", "10.0.2.1 red/lost", "10.9.0.9 hep:stray"},
		{"host to host", "node:n1", "node:n2", "10.9.0.1 hep:h1", "10.9.0.2 hep:h2"},
		{"a host to itself", "node:n1", "node:n1", "10.9.0.1" + host, "10.9.0.1" + host},
		{"a host without a host endpoint is not restricted", "node:n3", "node:n2", "10.9.0.3" + host, "10.9.0.2 hep:h2"},
		{"the outside to a host", "8.8.8.8", "node:n2", "8.8.8.8" + outside, "10.9.0.2 hep:h2"},
		{"an address that is a host's", "8.8.8.8", "10.9.0.2", "8.8.8.8" + outside, "10.9.0.2 hep:h2"},
		{"a host endpoint without expectedIPs has its node's", "8.8.8.8", "hep:h2", "8.8.8.8" + outside, "10.9.0.2 hep:h2"},
		{"an address that no host endpoint expects", "2001:db8::1", "fd00:9::1", "2001:db8::1" + outside, "fd00:9::1" + host},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := s.Connect(row.from, row.to)
			if err != nil {
				t.Fatal(err)
			}
			if got := side(c.Egress); got != row.egress {
				t.Errorf("egress %q, want %q", got, row.egress)
			}
			if got := side(c.Ingress); got != row.ingress {
				t.Errorf("ingress %q, want %q", got, row.ingress)
			}
		})
	}
}

// TestConnectErrors: each error names the reference that is wrong.
func TestConnectErrors(t *testing.T) {
	s := lan()
	for _, row := range []struct{ from, to, want string }{
		{"blue/none", "blue/a", `no pod is called "blue/none"`},
		{"blue/a", "blue/none", `no pod is called "blue/none"`},
		{"hep:none", "blue/a", `no host endpoint is called "none"`},
		{"hep:nowhere", "blue/a", `host endpoint "nowhere" has no expectedIPs and its node "n9" no address`},
		{"node:none", "blue/a", `no node is called "none"`},
		{"node:bare", "blue/a", `node "bare" has no address`},
		{"blue", "blue/a", `"blue" is not a reference`},
		{"blue/a/b", "blue/a", `"blue/a/b" is not a reference`},
		{"", "blue/a", `"" is not a reference`},
		{"10.0.0.0/8", "blue/a", `no pod is called "10.0.0.0/8"`},
		{"blue/b", "red/six", "blue/b and red/six have no addresses of one family: [10.0.0.2] and [fd00::6]"},
		{"8.8.8.8", "2001:db8::1", "8.8.8.8 and 2001:db8::1 have no addresses of one family"},
	} {
		_, err := s.Connect(row.from, row.to)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s -> %s: %v, want %q", row.from, row.to, err, row.want)
		}
	}
}

// TestGoverning holds section 11: which of several host endpoints of a node
// governs, and that it is the one for the address that the connection has.
func TestGoverning(t *testing.T) {
	for _, row := range []struct {
		name string
		heps []*model.Endpoint
		ref  string
		want string
	}{
		{"none", nil, "node:n", "10.9.0.1 (allow: host default)"},
		{"by address", []*model.Endpoint{hostAt("z", "n", "", "10.9.0.1"), hostAt("a", "n", "*", "")}, "node:n", "10.9.0.1 hep:z"},
		{"by address before one by interface", []*model.Endpoint{hostAt("z", "n", "", "10.9.0.1"), hostAt("a", "n", "eth0", "")}, "node:n", "10.9.0.1 hep:z"},
		{"by interface before *", []*model.Endpoint{hostAt("z", "n", "eth0", ""), hostAt("a", "n", "*", "")}, "node:n", "10.9.0.1 hep:z"},
		{"* last, though it expects the address", []*model.Endpoint{hostAt("a", "n", "*", "10.9.0.1"), hostAt("z", "n", "eth0", "10.9.0.1")}, "node:n", "10.9.0.1 hep:z"},
		{"lowest name of several by address", []*model.Endpoint{hostAt("c", "n", "", "10.9.0.1"), hostAt("b", "n", "", "10.9.0.1")}, "node:n", "10.9.0.1 hep:b"},
		{"lowest name of several *", []*model.Endpoint{hostAt("c", "n", "*", ""), hostAt("b", "n", "*", "")}, "node:n", "10.9.0.1 hep:b"},
		{"another address is another interface", []*model.Endpoint{hostAt("a", "n", "eth1", "10.9.9.9")}, "node:n", "10.9.0.1 (allow: host default)"},
		{"another node", []*model.Endpoint{hostAt("a", "m", "*", "")}, "node:n", "10.9.0.1 (allow: host default)"},
		{"the one that is named, whichever governs", []*model.Endpoint{hostAt("z", "n", "*", ""), hostAt("a", "n", "", "10.9.0.1")}, "hep:z", "10.9.0.1 hep:z"},
		{"for the address that is used, not the node's first",
			[]*model.Endpoint{hostAt("a", "n", "", "fd00:9::1"), hostAt("z", "n", "", "10.9.0.1")}, "node:n", "10.9.0.1 hep:z"},
		{"for the address that is asked for",
			[]*model.Endpoint{hostAt("a", "n", "", "fd00:9::1"), hostAt("z", "n", "", "10.9.0.1")}, "10.9.0.1", "10.9.0.1 hep:z"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := model.NewState()
			s.Apply(model.Put(&model.Node{Name: "n", Addrs: addrs("fd00:9::1 10.9.0.1")}))
			for _, h := range row.heps {
				s.Apply(model.Put(h))
			}
			c, err := s.Connect("8.8.8.8", row.ref)
			if err != nil {
				t.Fatal(err)
			}
			if got := side(c.Ingress); got != row.want {
				t.Errorf("to it: %q, want %q", got, row.want)
			}
			if c, err = s.Connect(row.ref, "8.8.8.8"); err != nil {
				t.Fatal(err)
			}
			if got := side(c.Egress); got != row.want {
				t.Errorf("from it: %q, want %q", got, row.want)
			}
		})
	}
}

func TestConnectionPacket(t *testing.T) {
	c, err := lan().Connect("blue/a", "red/c")
	if err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]verdict.Packet{
		"TCP 10.0.0.1:32768 -> 10.0.1.1:80": c.Packet(verdict.TCP, 80),
		"47 10.0.0.1 -> 10.0.1.1":           c.Packet(47, 0),
	} {
		if got := p.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if p := c.Packet(verdict.ICMP, 0); p.SrcPort != 0 {
		t.Errorf("ICMP has the source port %d", p.SrcPort)
	}
}
