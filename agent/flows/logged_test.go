package flows

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestParsePrefix: whatever prefix is configured, the rule is what follows it.
func TestParsePrefix(t *testing.T) {
	for in, want := range map[string][2]string{
		"tierwall: default/NetworkPolicy/blue/fe#0 \x00": {"tierwall", "default/NetworkPolicy/blue/fe#0"},
		"fw: A: profile kns.blue ":                       {"fw: A", "profile kns.blue"},
		"something else":                                 {"", "something else"},
	} {
		if prefix, rule := parsePrefix(in); prefix != want[0] || rule != want[1] {
			t.Errorf("%q: %q and %q, want %q", in, prefix, rule, want)
		}
	}
}

// TestLogged: what a Log rule logged is a record of its own, with the rule, the
// prefix and the decision, whatever the message leaves out; connections that it
// tells of are counted nowhere else.
func TestLogged(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("long-", 30)
	step := func(name string, rule int) verdict.Step {
		return verdict.Step{Tier: "default", Policy: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: name}, Rule: rule, Action: verdict.ActionLog}
	}
	way := func(v verdict.Verdict, steps ...verdict.Step) *table.Decision {
		return &table.Decision{Verdict: v, Reason: verdict.ByTierDefault, Way: [][]verdict.Step{append(steps, verdict.Step{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny})}}
	}
	r.book.Take(&table.Delta{NewRows: []*table.Row{
		{ID: 1, Other: way(verdict.Allow, step("both", 0), verdict.Step{Profile: "kns.blue", Rule: 4, Action: verdict.ActionLog})},
		{ID: 2, Other: way(verdict.Deny, step("p", 1), step(long, 3), step("both", 0))},
	}})
	p := verdict.Packet{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: verdict.TCP, SrcPort: 1000, DstPort: 81}
	const policies = "NetworkPolicy/blue/"
	for rule, want := range map[string]flow.Logged{
		"default/NetworkPolicy/blue/p#1":                               {Tier: "default", Policy: policies + "p", Rule: 1, Direction: "ingress"},
		"default/NetworkPolicy/blue/" + long[:80] + "...#3":            {Tier: "default", Policy: policies + long, Rule: 3, Direction: "ingress"},
		"default/NetworkPolicy/blue/both#0":                            {Tier: "default", Policy: policies + "both", Direction: ""},
		"profile kns.blue":                                             {Profile: "kns.blue", Rule: 4, Direction: "egress"},
		"default/NetworkPolicy/blue/gone#7":                            {Tier: "default", Policy: policies + "gone", Rule: 7},
		"default/NetworkPolicy/blue/p#2":                               {Tier: "default", Policy: policies + "p", Rule: 2},
		"default/NetworkPolicy/blue/" + "short-" + long[:60] + "...#3": {Tier: "default", Policy: policies + "short-" + long[:60] + "...", Rule: 3},
	} {
		for range 3 {
			r.Logged(Logged{Packet: p, Prefix: "fw", Rule: rule, Hook: 2})
		}
		got := r.records(1)[0]
		want.Prefix, want.Packets = "fw", 3
		if d := cmp.Diff(&want, got.Logged); d != "" {
			t.Errorf("%s: %s", rule, d)
		}
		if got.Connections != 0 || !got.Ended || got.Verdict != flow.Verdict(verdict.Deny) || got.Egress == nil || got.Ingress == nil || got.SourcePort != 1000 || got.Source.String() != "blue/a" {
			t.Errorf("%s: %+v", rule, got)
		}
	}
	if r.Disagreed() != 0 {
		t.Error("it is taken for wrong")
	}
	for i := range maxKeys + 5 {
		p.Src = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		r.Logged(Logged{Packet: p, Rule: "default/NetworkPolicy/blue/p#1", Hook: 2})
	}
	if list, lost := r.Take(); len(list) != maxKeys || lost != (flow.Loss{Logged: 5}) {
		t.Errorf("%d records, lost %+v", len(list), lost)
	}
}

// TestGaps: what is missing among numbered messages is counted, also when the
// numbers begin again.
func TestGaps(t *testing.T) {
	var g Gaps
	for _, row := range [][2]uint32{{7, 0}, {8, 0}, {11, 2}, {1<<32 - 1, 1<<32 - 13}, {0, 0}, {2, 1}} {
		if got := g.Since(&row[0]); got != uint64(row[1]) {
			t.Errorf("before %d: %d missing, want %d", row[0], got, row[1])
		}
	}
	if g.Since(nil) != 0 || g.next != 3 {
		t.Error("a message without a number counts")
	}
}
