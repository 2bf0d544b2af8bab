package agent

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/fake"
	"github.com/tierwall/tierwall/verdict"
)

// cutting is a dataplane with connections that it is told to cut.
type cutting struct {
	*fake.Dataplane
	open []dataplane.Connection
	cut  chan []bool
}

func (c *cutting) Cut(_ context.Context, which func([]dataplane.Connection) []bool) (int, error) {
	got := which(c.open)
	c.cut <- got
	return len(slices.DeleteFunc(slices.Clone(got), func(b bool) bool { return !b })), nil
}

func connection(protocol uint8, from, to, asked string) dataplane.Connection {
	f, t := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	c := dataplane.Connection{First: verdict.Packet{Src: f.Addr(), SrcPort: f.Port(), Dst: t.Addr(), DstPort: t.Port(), Protocol: protocol}, Asked: t}
	if asked != "" {
		c.Asked = netip.MustParseAddrPort(asked)
	}
	return c
}

// TestCutDenied: after each change just those of the open connections are cut
// that the tables deny as they are then, wherever on their way that is.
func TestCutDenied(t *testing.T) {
	r := newRig(t)
	plane := &cutting{Dataplane: r.plane, cut: make(chan []bool)}
	r.agent.Dataplane, r.agent.CutDenied = plane, true
	r.agent.cutter = newCutter(r.agent.Options)
	r.agent.legTo = func(to netip.Addr) (leg, bool) { return leg{iface: "eth0"}, true }
	const podA, podB, twice, outside, me, service = "10.0.0.1", "10.0.0.2", "10.0.0.3", "198.51.100.7", "192.0.2.2", "10.96.0.1"
	for _, c := range []struct{ from, to, asked string }{
		{podA + ":1000", podB + ":80", ""},                 // 0
		{podA + ":1001", podB + ":81", service + ":80"},    // 1
		{outside + ":1002", podB + ":80", ""},              // 2
		{outside + ":1003", me + ":22", ""},                // 3
		{outside + ":1004", me + ":80", ""},                // 4
		{me + ":1005", outside + ":443", ""},               // 5
		{me + ":1006", podB + ":81", ""},                   // 6: always allowed
		{outside + ":1007", twice + ":81", ""},             // 7: nobody knows whose it is, which is for pods alone
		{podA + ":1008", outside + ":443", ""},             // 8
		{outside + ":1009", podA + ":80", me + ":30000"},   // 9
		{"127.0.0.1:1010", "127.0.0.1:81", ""},             // 10
		{"203.0.113.1:1011", "203.0.113.2:81", ""},         // 11: through the node, by one interface
		{"[fd00::1]:1012", "[fd00::2]:81", ""},             // 12: nobody's
		{podA + ":1013", me + ":81", ""},                   // 13
		{outside + ":1014", podB + ":81", me + ":30001"},   // 14
		{"203.0.113.1:1015", podA + ":81", "10.9.9.9:999"}, // 15
	} {
		plane.open = append(plane.open, connection(verdict.TCP, c.from, c.to, c.asked))
	}
	answered := connection(verdict.TCP, podB+":81", podA+":1016", "") // 16: as 1, but its beginning was not seen
	answered.Either = true
	backwards := connection(verdict.TCP, podA+":1017", podB+":81", "") // 17: an answer to what B may have opened
	backwards.Either = true
	plane.open = append(plane.open, answered, backwards)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go r.agent.cutDenied(ctx, r.agent.cutter)
	h := newHost()
	h.links[1], h.links[2], h.links[3], h.links[4] = link{name: "a"}, link{name: "b"}, link{name: "twice"}, link{name: "eth0"}
	h.addrs[4] = []netip.Addr{netip.MustParseAddr(me)}
	for i, a := range []string{podA, podB, twice} {
		h.routes[netip.MustParseAddr(a)] = []route{{link: i + 1}}
	}
	expect := func(what string, want ...int) {
		t.Helper()
		var got []int
		for i, yes := range <-plane.cut {
			if yes {
				got = append(got, i)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
	pod := func(name, addr string) *corev1.Pod {
		p := podOn(name, "n1", addr, "1")
		p.Labels = map[string]string{"app": name}
		return p
	}
	r.host <- hostEvent{all: h}
	policy := func(name, selector string, change func(*v3.GlobalNetworkPolicySpec)) *v3.GlobalNetworkPolicy {
		s := v3.GlobalNetworkPolicySpec{Selector: selector}
		change(&s)
		return hostPolicy(name, 1, s)
	}
	must(t, r.pods.Replace([]any{pod("a", podA), pod("b", podB), pod("t1", twice), pod("t2", twice),
		&v3.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"host": ""}}, Spec: v3.HostEndpointSpec{Node: "n1", InterfaceName: "*", Profiles: []string{"projectcalico-default-allow"}}},
	}, "1"))
	expect("without policy")
	deny81 := policy("b", "app == 'b'", func(s *v3.GlobalNetworkPolicySpec) { s.Ingress = tcpRule("Allow", 80) })
	must(t, r.pods.Add(deny81))
	expect("ingress of a pod", 1, 14)
	must(t, r.pods.Delete(deny81))
	expect("the policy is gone")
	egress := policy("a", "app == 'a'", func(s *v3.GlobalNetworkPolicySpec) { s.Egress = tcpRule("Allow", 80) })
	must(t, r.pods.Add(egress))
	expect("egress of a pod", 1, 8, 13)
	must(t, r.pods.Delete(egress))
	expect("the policy is gone")
	normal := policy("n", "has(host)", func(s *v3.GlobalNetworkPolicySpec) { s.Ingress, s.Egress = tcpRule("Allow", 1), tcpRule("Allow", 1) })
	must(t, r.pods.Add(normal))
	expect("the host itself; 22 is failsafe", 4, 5)
	must(t, r.pods.Delete(normal))
	expect("the policy is gone")
	forward := policy("f", "has(host)", func(s *v3.GlobalNetworkPolicySpec) {
		s.ApplyOnForward = true
		s.Ingress = append(tcpRule("Deny", 81), v3.Rule{Action: "Allow"})
	})
	must(t, r.pods.Add(forward))
	expect("what is routed through", 7, 11, 12, 14, 15)
	before := policy("d", "has(host)", func(s *v3.GlobalNetworkPolicySpec) {
		s.ApplyOnForward, s.PreDNAT = true, true
		s.Ingress = tcpRule("Allow", 30001)
	})
	must(t, r.pods.Add(before))
	expect("but not what was allowed before translation", 7, 11, 12, 15)
	must(t, r.pods.Delete(forward))
	expect("the policy is gone")
	before.Spec.Ingress, before.Generation = tcpRule("Deny", 30001), 2
	must(t, r.pods.Update(before))
	expect("before translation", 14)
}

// tcpRule is a rule for one port.
func tcpRule(action v3.Action, port uint16) []v3.Rule {
	tcp := v3.ProtocolFromNumber(verdict.TCP)
	return []v3.Rule{{Action: action, Protocol: &tcp, Destination: v3.EntityRule{Ports: []v3.Port{v3.PortNumber(port)}}}}
}
