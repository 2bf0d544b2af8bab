package evaluate_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

func oracle(s *model.State) *evaluate.Oracle { return evaluate.New(s) }

// TestMiss: for each thing that a rule can ask, the words in which a packet is
// told why the rule is not for it.
func TestMiss(t *testing.T) {
	udp, tcpNumber := verdict.UDP, verdict.TCP
	service := model.Peer{Service: &model.ServiceRef{Namespace: "blue", Name: "db"}}
	some := func(r ...model.PortRange) []model.PortRange { return r }
	for _, row := range []struct {
		name string
		rule model.Rule
		want string
	}{
		{"all match", allow, ""},
		{"IP version 6", model.Rule{IPVersion: 6}, "the rule is for IPv6"},
		{"protocol", model.Rule{Protocol: &udp}, "the rule is for protocol UDP"},
		{"notProtocol", model.Rule{NotProtocol: &tcpNumber}, "the rule is for protocols other than TCP"},
		{"source nets", model.Rule{Source: model.Peer{Nets: nets("192.0.2.0/24", "198.51.100.0/24")}},
			"source 8.8.8.8 is not in nets 192.0.2.0/24, 198.51.100.0/24"},
		{"destination nets", model.Rule{Destination: model.Peer{Nets: nets("192.0.2.0/24")}}, "destination 10.0.0.1 is not in nets 192.0.2.0/24"},
		{"notNets", model.Rule{Source: model.Peer{NotNets: nets("192.0.2.0/24", "8.8.0.0/16")}},
			"source 8.8.8.8 is in notNets 192.0.2.0/24, 8.8.0.0/16"},
		{"notNets of the other family", model.Rule{Source: model.Peer{NotNets: nets("2001:db8::/32")}},
			"source notNets 2001:db8::/32 has no network of the family of 8.8.8.8, so the rule does not match it"},
		{"selector", model.Rule{Source: selecting("app == 'b'")}, `source 8.8.8.8 is not among what app == "b" selects`},
		{"notSelector", model.Rule{Destination: model.Peer{NotSelector: selector.MustParse("app == 'a'")}},
			`destination blue/a (10.0.0.1) is among what notSelector app == "a" selects`},
		{"source ports", model.Rule{Source: model.Peer{Ports: some(model.PortRange{From: 1, To: 1}, model.PortRange{From: 5, To: 9})}},
			"source port 32768 is not in 1, 5-9"},
		{"destination ports", model.Rule{Destination: model.Peer{Ports: some(model.PortRange{From: 81, To: 81})}}, "destination port 80 is not in 81"},
		{"notPorts", model.Rule{Destination: model.Peer{NotPorts: some(model.PortRange{From: 79, To: 80})}}, "destination port 80 is in notPorts 79-80"},
		{"named ports", model.Rule{Destination: model.Peer{Ports: some(model.PortRange{From: 81, To: 81}), NamedPorts: []string{"http"}}},
			"destination port 80 is not in 81, http"},
		{"ICMP", model.Rule{ICMP: &model.ICMPMatch{}}, "the ICMP type and code are not those of the rule"},
		{"HTTP", model.Rule{HTTP: true}, "the rule asks for HTTP, which is not seen here"},
		{"a service where it comes from", model.Rule{Source: service}, "source 8.8.8.8 is not an endpoint of service blue/db"},
		{"a service where it goes", model.Rule{Destination: service}, "destination 10.0.0.1 port 80 is not an endpoint of service blue/db"},
		{"the source is asked first", model.Rule{
			Source: model.Peer{Nets: nets("192.0.2.0/24")}, Destination: model.Peer{Nets: nets("192.0.2.0/24")},
		}, "source 8.8.8.8 is not in nets 192.0.2.0/24"},
	} {
		row.rule.Action = verdict.ActionAllow
		s := world(policy("default", "p", row.rule))
		e, p := question(t, s, verdict.Ingress, ipA, outside)
		trace, visits := oracle(s).Explain(e, verdict.Ingress, p)
		if len(visits) == 0 || visits[0].Miss != row.want || visits[0].Matched != (row.want == "") {
			t.Errorf("%s: %+v, want %q", row.name, visits, row.want)
		}
		if allowed := trace.Verdict == verdict.Allow; allowed != (row.want == "") {
			t.Errorf("%s: %s", row.name, &trace)
		}
	}
}

// TestMissOfOthers: for packets of IPv6, and of protocols without ports.
func TestMissOfOthers(t *testing.T) {
	ports := model.Rule{Action: verdict.ActionAllow, Destination: model.Peer{Ports: []model.PortRange{{From: 80, To: 80}}}}
	notPorts := model.Rule{Action: verdict.ActionAllow, Source: model.Peer{NotPorts: []model.PortRange{{From: 80, To: 80}}}}
	icmp := func(p verdict.Packet) verdict.Packet {
		p.Protocol, p.SrcPort, p.DstPort = verdict.ICMP, 0, verdict.ICMPKey(3, 4)
		return p
	}
	six := func(p verdict.Packet) verdict.Packet {
		p.Src, p.Dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fd00::1")
		return p
	}
	for _, row := range []struct {
		rule   model.Rule
		packet func(verdict.Packet) verdict.Packet
		want   string
	}{
		{ports, icmp, "destination has no ports in protocol ICMP"},
		{notPorts, icmp, "source has no ports in protocol ICMP"},
		{model.Rule{Action: verdict.ActionAllow, IPVersion: 4}, six, "the rule is for IPv4"},
		{model.Rule{Action: verdict.ActionAllow, ICMP: &model.ICMPMatch{Type: number(8)}}, icmp, "the ICMP type and code are not those of the rule"},
		{model.Rule{Action: verdict.ActionAllow, ICMP: &model.ICMPMatch{Type: number(3), Code: number(3)}}, icmp, "the ICMP type and code are not those of the rule"},
		{model.Rule{Action: verdict.ActionAllow, NotICMP: &model.ICMPMatch{Type: number(3)}}, icmp, "the rule excludes this ICMP type and code"},
		{model.Rule{Action: verdict.ActionAllow, NotICMP: &model.ICMPMatch{Type: number(3), Code: number(4)}}, icmp, "the rule excludes this ICMP type and code"},
	} {
		s := world(policy("default", "p", row.rule))
		e, p := question(t, s, verdict.Ingress, ipA, outside)
		_, visits := oracle(s).Explain(e, verdict.Ingress, row.packet(p))
		if len(visits) == 0 || visits[0].Matched || visits[0].Miss != row.want {
			t.Errorf("%+v, want %q", visits, row.want)
		}
	}
}

func number(n uint8) *uint8 { return &n }

// TestICMPMatches: a type alone, a type with its code, and an exclusion of
// others.
func TestICMPMatches(t *testing.T) {
	for _, r := range []model.Rule{
		{ICMP: &model.ICMPMatch{Type: number(3)}}, {ICMP: &model.ICMPMatch{Type: number(3), Code: number(4)}},
		{NotICMP: &model.ICMPMatch{Type: number(8)}}, {NotICMP: &model.ICMPMatch{Type: number(3), Code: number(5)}},
	} {
		r.Action = verdict.ActionAllow
		s := world(policy("default", "p", r))
		e, p := question(t, s, verdict.Ingress, ipA, outside)
		p.Protocol, p.SrcPort, p.DstPort = verdict.ICMP, 0, verdict.ICMPKey(3, 4)
		if got := oracle(s).Decide(e, verdict.Ingress, p); got.Reason != verdict.ByRule {
			t.Errorf("%+v: %s", r, &got)
		}
	}
	// Port 80 has the bytes of type 0 and code 80.
	s := world(policy("default", "p", model.Rule{Action: verdict.ActionAllow, NotICMP: &model.ICMPMatch{Type: number(0), Code: number(80)}}))
	if got := decide(t, s, verdict.Ingress, ipA, outside); got.Reason != verdict.ByRule {
		t.Errorf("what is not ICMP is not excluded: %s", &got)
	}
}

// TestHTTPAsL4 holds decision 11 of section 0: a rule for HTTP is its addresses
// and ports only where that was asked for.
func TestHTTPAsL4(t *testing.T) {
	r := tcp(allow, 80)
	r.HTTP = true
	s := world(policy("default", "p", r))
	if got := decide(t, s, verdict.Ingress, ipA, outside); got.Reason != verdict.ByTierDefault {
		t.Errorf("not asked for: %s", &got)
	}
	s.Settings.HTTPAsL4 = true
	if got := decide(t, s, verdict.Ingress, ipA, outside); got.Reason != verdict.ByRule {
		t.Errorf("asked for: %s", &got)
	}
}

// TestVisits: everything that was looked at, in order, with what matched.
func TestVisits(t *testing.T) {
	s := world(tier("sec", 1, true),
		at(order(1), policy("sec", "p", tcp(deny, 81), log)), at(order(2), policy("sec", "q", tcp(pass, 82))),
		policy("default", "d", tcp(deny, 83), allow, deny))
	e, p := question(t, s, verdict.Ingress, ipA, outside)
	_, visits := oracle(s).Explain(e, verdict.Ingress, p)
	var got []string
	for _, v := range visits {
		text := v.String()
		if !v.Matched {
			text += ": " + v.Miss
		}
		got = append(got, text)
	}
	want := []string{
		"Deny by sec/GlobalNetworkPolicy//p#0: destination port 80 is not in 81",
		"Log by sec/GlobalNetworkPolicy//p#1",
		"Pass by sec/GlobalNetworkPolicy//q#0: destination port 80 is not in 82",
		"Pass at the end of tier sec",
		"Deny by default/GlobalNetworkPolicy//d#0: destination port 80 is not in 83",
		"Allow by default/GlobalNetworkPolicy//d#1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExplainIsDecide: on random worlds both give the same trace, and the
// visits that matched are its steps; each other visit has a reason.
func TestExplainIsDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := modeltest.New(rapid.Uint64().Draw(t, "seed"))
		s := g.State()
		o := oracle(s)
		for _, e := range s.SortedEndpoints() {
			for _, d := range verdict.Directions {
				p := g.Packet(d, e.Addrs[0])
				want := o.Decide(e, d, p)
				got, visits := o.Explain(e, d, p)
				if !got.Equal(&want) {
					t.Fatalf("%s %s %s:\nExplain %s\n Decide %s", e.ID, d, p, &got, &want)
				}
				var steps []verdict.Step
				for _, v := range visits {
					if v.Matched {
						steps = append(steps, v.Step)
					}
					if v.Matched == (v.Miss != "") {
						t.Fatalf("matched is %v and the miss %q", v.Matched, v.Miss)
					}
				}
				if diff := cmp.Diff(want.Steps, steps); diff != "" {
					t.Fatalf("steps (-trace +visits)\n%s", diff)
				}
			}
		}
	})
}

// TestVisitAnnotations: a rule's annotations come with it, whether it matches
// or not, and with nothing else.
func TestVisitAnnotations(t *testing.T) {
	named := func(r model.Rule, name string) model.Rule {
		r.Annotations = map[string]string{"name": name}
		return r
	}
	s := world(policy("default", "p", named(tcp(deny, 81), "no"), log, named(allow, "yes")))
	e, p := question(t, s, verdict.Ingress, ipA, outside)
	_, visits := oracle(s).Explain(e, verdict.Ingress, p)
	var got []string
	for _, v := range visits {
		got = append(got, v.Annotations["name"])
	}
	if diff := cmp.Diff([]string{"no", "", "yes"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
