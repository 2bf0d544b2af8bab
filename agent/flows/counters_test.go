package flows

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// shown are the metrics of counters that begin so, as lines.
func shown(t *testing.T, c *Counters, prefix string) (lines []string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, name := range append(slices.Clone(ruleLabels), "action") {
				for _, l := range m.Label {
					if l.GetName() == name {
						labels = append(labels, l.GetValue())
					}
				}
			}
			line := fmt.Sprintf("%s %s %v", strings.TrimPrefix(f.GetName(), "tierwall_"), strings.Join(labels, "|"), m.GetCounter().GetValue()+m.GetGauge().GetValue())
			if strings.HasPrefix(line, prefix) {
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// TestCounters: each thing on the way of a decision is counted, with its traffic
// where it decides; what a Log rule logged is not counted again.
func TestCounters(t *testing.T) {
	c := NewCounters()
	sec := verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "sec"}
	be := verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "be"}
	rules := func(n int) (out [2][]model.Rule) {
		for i := range n {
			out[0], out[1] = append(out[0], model.Rule{Index: i}), append(out[1], model.Rule{Index: i})
		}
		return out
	}
	for _, tier := range []string{"s", "default"} {
		c.See(model.Put(&model.Tier{Name: tier}))
	}
	c.See(model.Put(&model.Policy{ID: sec, Tier: "s", Rules: rules(3)}))
	c.See(model.Put(&model.Policy{ID: be, Tier: "default", Rules: rules(1)}))
	last := time.Unix(1e9, 5e8)
	allow := flow.Record{Verdict: flow.Verdict(verdict.Allow), Connections: 3, Last: last, Out: flow.Volume{Packets: 4, Bytes: 400}, In: flow.Volume{Packets: 1, Bytes: 60},
		Egress: &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NoPolicyApplies}},
		Ingress: &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByRule, Steps: []verdict.Step{
			{Tier: "s", Policy: sec, Rule: 0, Action: verdict.ActionLog}, {Tier: "s", Policy: sec, Rule: 2, Action: verdict.ActionPass}, {Tier: "default", Policy: be, Rule: 0, Action: verdict.ActionAllow}}}},
		Host: &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByHostDefault}},
	}
	deny := flow.Record{Connections: 2, Last: last, Ingress: &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Deny, Reason: verdict.ByTierDefault, Steps: []verdict.Step{
		{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny, Applied: []verdict.PolicyID{be}}}}}}
	logged := allow
	logged.Logged = &flow.Logged{}
	for _, r := range []flow.Record{allow, deny, logged} {
		c.add(&r)
	}
	update := allow
	update.Connections, update.Last = 0, last.Add(time.Hour)
	c.add(&update)
	want := []string{
		"policy_bytes_total default|NetworkPolicy|blue|be|0|ingress 920",
		"policy_bytes_total |||" + "|host default|egress 920",
		"policy_bytes_total |||" + "|no policy applies|egress 920",
		"policy_connections_total default|NetworkPolicy|blue|be|0|ingress|allow 3",
		"policy_connections_total default|NetworkPolicy|blue|be|tier default|ingress|deny 2",
		"policy_connections_total default||||tier default|ingress|deny 2",
		"policy_connections_total s|GlobalNetworkPolicy||sec|0|ingress|log 3",
		"policy_connections_total s|GlobalNetworkPolicy||sec|2|ingress|pass 3",
		"policy_connections_total ||||host default|egress|allow 3",
		"policy_connections_total ||||no policy applies|egress|allow 3",
	}
	got := append(shown(t, c, "policy_bytes"), shown(t, c, "policy_connections")...)
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := shown(t, c, "policy_last_match_timestamp_seconds default|NetworkPolicy|blue|be|0"); len(got) != 1 || !strings.HasSuffix(got[0], " 1.0000000005e+09") {
		t.Errorf("last met: %v", got)
	}
	if got := shown(t, c, "policy_packets_total default|NetworkPolicy|blue|be|0|ingress 10"); len(got) != 1 {
		t.Errorf("packets: %v", shown(t, c, "policy_packets"))
	}

	count := func(what string, want ...string) {
		t.Helper()
		if got := shown(t, c, "policy_connections_total s|"); !slices.Equal(got, want) {
			t.Errorf("%s: %v", what, got)
		}
	}
	c.See(model.Put(&model.Policy{ID: sec, Tier: "s", Rules: rules(2)}))
	count("a rule is gone", "policy_connections_total s|GlobalNetworkPolicy||sec|0|ingress|log 3")
	c.add(&allow)
	count("and is met once more", "policy_connections_total s|GlobalNetworkPolicy||sec|0|ingress|log 6")
	if got := shown(t, c, "policy_connections_total |other|"); !slices.Equal(got, []string{"policy_connections_total |other|||||pass 3"}) {
		t.Errorf("what is gone: %v", got)
	}
	c.See(model.Delete(model.Key{Kind: model.KindPolicy, PolicyKind: sec.Kind, Name: sec.Name}))
	count("the policy is gone")
	c.See(model.Delete(model.Key{Kind: model.KindTier, Name: "default"}))
	if got := shown(t, c, "policy_connections_total default||"); len(got) != 0 {
		t.Errorf("the tier is gone: %v", got)
	}
}

// TestCountersAreBounded: what is too much is counted together, and none is lost.
func TestCountersAreBounded(t *testing.T) {
	c := NewCounters()
	for i := range maxSeries + 10 {
		id := verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprint("p", i)}
		c.See(model.Put(&model.Policy{ID: id, Tier: "default", Rules: [2][]model.Rule{{{}}}}))
		c.add(&flow.Record{Connections: 2, Ingress: &flow.Decision{Trace: verdict.Trace{Reason: verdict.ByRule, Steps: []verdict.Step{{Tier: "default", Policy: id, Action: verdict.ActionDeny}}}}})
	}
	if got := shown(t, c, "policy_connections_total |other|"); !slices.Equal(got, []string{"policy_connections_total |other|||||deny 20"}) || len(c.series) != maxSeries+1 {
		t.Errorf("%v, %d series", got, len(c.series))
	}
	if got := shown(t, c, "agent_policy_folded_total"); !slices.Equal(got, []string{"agent_policy_folded_total  20"}) {
		t.Errorf("%v", got)
	}
}

// TestAccounting: what counts traffic is switched on; where that is not possible,
// it is said once, with what is to be done.
func TestAccounting(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	file := filepath.Join(t.TempDir(), "acct")
	write := func(s string) { must(t, os.WriteFile(file, []byte(s), 0o600)) }
	a := accounting{path: file}
	write("0\n")
	if !a.on(log) || text.Len() > 0 {
		t.Errorf("where it can be switched on: %s", &text)
	}
	a.path = filepath.Join(file, "none")
	for range 2 {
		if a.on(log) {
			t.Error("traffic is counted where it cannot be")
		}
	}
	if strings.Count(text.String(), "sysctl -w net.netfilter.nf_conntrack_acct=1") != 1 {
		t.Errorf("where it cannot: %s", &text)
	}
	write("1\n")
	a.path = file
	if !a.on(log) || strings.Count(text.String(), "counts the traffic") != 1 {
		t.Errorf("when it is on: %s", &text)
	}
}
