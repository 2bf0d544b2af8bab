package verdict_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/verdict"
)

func TestWords(t *testing.T) {
	for _, row := range []struct {
		value fmt.Stringer
		want  string
	}{
		{verdict.Deny, "deny"},
		{verdict.Allow, "allow"},
		{verdict.Ingress, "ingress"},
		{verdict.Egress, "egress"},
		{verdict.NoAction, "None"},
		{verdict.ActionAllow, "Allow"},
		{verdict.ActionDeny, "Deny"},
		{verdict.ActionPass, "Pass"},
		{verdict.ActionLog, "Log"},
		{verdict.NoReason, "no reason"},
		{verdict.ByRule, "rule"},
		{verdict.ByTierDefault, "tier default"},
		{verdict.NoPolicyApplies, "no policy applies"},
		{verdict.ByProfile, "profile"},
		{verdict.ByFailsafe, "failsafe"},
		{verdict.ByHostDefault, "host default"},
		{verdict.NotAnEndpoint, "not an endpoint"},
		{verdict.InvalidPolicy, "invalid policy"},
		{verdict.NoEndpoint, "none"},
		{verdict.Pod, "pod"},
		{verdict.Host, "host"},
		{verdict.EndpointID{}, ""},
		{verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "fe-1"}, "blue/fe-1"},
		{verdict.EndpointID{Kind: verdict.Host, Name: "gw"}, "hep:gw"},
		{verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "fe"}, "NetworkPolicy/blue/fe"},
		{verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "block"}, "GlobalNetworkPolicy//block"},
	} {
		if got := row.value.String(); got != row.want {
			t.Errorf("%#v: %q, want %q", row.value, got, row.want)
		}
	}
}

// TestZeroIsClosed: a forgotten verdict denies, and no reason or action is
// taken for one that was meant.
func TestZeroIsClosed(t *testing.T) {
	var trace verdict.Trace
	if trace.Verdict != verdict.Deny || trace.Reason != verdict.NoReason || trace.Deciding() != nil {
		t.Errorf("the zero trace is %s", &trace)
	}
	if got, want := trace.String(), "deny: no reason"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParsePolicyID(t *testing.T) {
	for _, row := range []struct {
		text string
		want verdict.PolicyID
		ok   bool
	}{
		{"NetworkPolicy/blue/fe", verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "fe"}, true},
		{"GlobalNetworkPolicy//block", verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "block"}, true},
		{"GlobalNetworkPolicy//sec.block", verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "sec.block"}, true},
		{"", verdict.PolicyID{}, false},
		{"block", verdict.PolicyID{}, false},
		{"GlobalNetworkPolicy/block", verdict.PolicyID{}, false},
		{"GlobalNetworkPolicy//", verdict.PolicyID{}, false},
		{"/blue/fe", verdict.PolicyID{}, false},
		{"//", verdict.PolicyID{}, false},
	} {
		got, ok := verdict.ParsePolicyID(row.text)
		if got != row.want || ok != row.ok {
			t.Errorf("ParsePolicyID(%q) = %#v, %v; want %#v, %v", row.text, got, ok, row.want, row.ok)
		}
	}
}

func TestPolicyIDRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[a-z0-9][a-z0-9.-]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		id := verdict.PolicyID{
			Kind: rapid.StringMatching(`[A-Z][A-Za-z]{0,20}`).Draw(t, "kind"), Name: name.Draw(t, "name"),
		}
		if rapid.Bool().Draw(t, "namespaced") {
			id.Namespace = name.Draw(t, "namespace")
		}
		if back, ok := verdict.ParsePolicyID(id.String()); !ok || back != id {
			t.Fatalf("%q reads as %#v, %v", id, back, ok)
		}
		if id.IsZero() {
			t.Fatalf("%q is taken for none", id)
		}
	})
	if !(verdict.PolicyID{}).IsZero() {
		t.Error("the zero id names a policy")
	}
}

func TestEndpointOrder(t *testing.T) {
	pod := func(ns, name string) verdict.EndpointID {
		return verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}
	}
	host := func(name string) verdict.EndpointID { return verdict.EndpointID{Kind: verdict.Host, Name: name} }
	want := []verdict.EndpointID{pod("a", "z"), pod("b", "a"), pod("b", "b"), host("a"), host("b")}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, verdict.EndpointID.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i, a := range want {
		for j, b := range want {
			if c := a.Compare(b); (c < 0) != (i < j) || (c == 0) != (i == j) {
				t.Errorf("%s against %s: %d", a, b, c)
			}
		}
	}
}

func TestPacket(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	c, d := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	for _, row := range []struct {
		packet verdict.Packet
		want   string
	}{
		{verdict.Packet{Src: a, Dst: b, Protocol: verdict.TCP, SrcPort: 1024, DstPort: 80}, "TCP 10.0.0.1:1024 -> 10.0.0.2:80"},
		{verdict.Packet{Src: c, Dst: d, Protocol: verdict.UDP, SrcPort: 1024, DstPort: 53}, "UDP [fd00::1]:1024 -> [fd00::2]:53"},
		{verdict.Packet{Src: a, Dst: b, Protocol: verdict.SCTP, DstPort: 9}, "SCTP 10.0.0.1:0 -> 10.0.0.2:9"},
		{verdict.Packet{Src: a, Dst: b, Protocol: verdict.ICMP, DstPort: verdict.ICMPKey(8, 0)}, "ICMP 8/0 10.0.0.1 -> 10.0.0.2"},
		{verdict.Packet{Src: c, Dst: d, Protocol: verdict.ICMPv6, DstPort: verdict.ICMPKey(1, 4)}, "ICMPv6 1/4 fd00::1 -> fd00::2"},
		{verdict.Packet{Src: a, Dst: b, Protocol: verdict.UDPLite}, "UDPLite 10.0.0.1 -> 10.0.0.2"},
		{verdict.Packet{Src: a, Dst: b, Protocol: 47}, "47 10.0.0.1 -> 10.0.0.2"},
	} {
		if got := row.packet.String(); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
	p := verdict.Packet{Src: a, Dst: b}
	if p.Local(verdict.Ingress) != b || p.Remote(verdict.Ingress) != a {
		t.Error("at ingress the destination is local")
	}
	if p.Local(verdict.Egress) != a || p.Remote(verdict.Egress) != b {
		t.Error("at egress the source is local")
	}
}

func TestHasPorts(t *testing.T) {
	for n := range 256 {
		want := n == 6 || n == 17 || n == 132
		if got := verdict.HasPorts(uint8(n)); got != want {
			t.Errorf("protocol %d: %v", n, got)
		}
		if got := verdict.IsICMP(uint8(n)); got != (n == 1 || n == 58) {
			t.Errorf("protocol %d is ICMP: %v", n, got)
		}
	}
}
