package flow_test

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

var (
	block = verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "block"}
	be    = verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "be"}
	addr  = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
)

// record is a denied attempt whose egress was allowed after a Pass.
func record() flow.Record {
	at := time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)
	return flow.Record{
		ID: 7, Node: "n1", Reporter: flow.BySource, Start: at, Last: at.Add(time.Second),
		Source:      flow.End{Kind: flow.Pod, Namespace: "blue", Name: "fe-1", Labels: "app=fe,x=", Node: "n1", Address: netip.MustParseAddr("10.0.0.1")},
		Destination: flow.End{Kind: flow.NetSet, Name: "banks", Address: netip.MustParseAddr("192.0.2.1")},
		Protocol:    "TCP", SourcePort: 40000, Port: 443, Connections: 2, Out: flow.Volume{Packets: 2, Bytes: 120},
		Egress: &flow.Decision{Endpoint: "blue/fe-1", Trace: verdict.Trace{Verdict: verdict.Deny, Reason: verdict.ByTierDefault, Steps: []verdict.Step{
			{Tier: "sec", Policy: block, Rule: 0, Action: verdict.ActionPass},
			{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny, Applied: []verdict.PolicyID{be}},
		}}},
		Pending: &flow.Pending{Verdict: flow.Verdict(verdict.Allow), Egress: &flow.Decision{Stage: verdict.Forward, Trace: verdict.Trace{
			Verdict: verdict.Allow, Reason: verdict.ByProfile, Steps: []verdict.Step{{Profile: "kns.blue", Action: verdict.ActionAllow}}}}},
	}
}

// TestJSON: what is written is read as it was, and has the keys that others
// rely on.
func TestJSON(t *testing.T) {
	want := record()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got flow.Record
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, addr); d != "" {
		t.Error(d)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	egress, _ := keys["egress"].(map[string]any)
	if keys["verdict"] != "deny" || egress["tier"] != "default" || egress["reason"] != "tier default" || keys["ingress"] != nil {
		t.Errorf("%s", text)
	}
	for _, bad := range []string{`{"verdict":"maybe"}`, `{"verdict":"deny","reason":"mood"}`, `{"verdict":"deny","reason":"rule","path":[{"action":"Deny","policy":"x"}]}`,
		`{"verdict":"deny","reason":"rule","path":[{"action":"Sing"}]}`, `{"verdict":"deny","reason":"rule","stage":"late"}`} {
		if err := json.Unmarshal([]byte(bad), new(flow.Decision)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestLabels(t *testing.T) {
	all := map[string]string{"b": "2", "a": "", "projectcalico.org/namespace": "blue"}
	e := flow.End{Labels: flow.Labels(all)}
	if e.Labels != "a=,b=2" {
		t.Errorf("%q", e.Labels)
	}
	if d := cmp.Diff(map[string]string{"a": "", "b": "2"}, e.LabelMap()); d != "" {
		t.Error(d)
	}
}

// TestFilterMatches: each condition alone lets a record through or not.
func TestFilterMatches(t *testing.T) {
	r := record()
	at := r.Last
	for name, row := range map[string]struct {
		f    flow.Filter
		want bool
	}{
		"nothing":            {flow.Filter{}, true},
		"namespace":          {flow.Filter{Namespaces: []string{"red", "blue"}}, true},
		"other namespace":    {flow.Filter{Namespaces: []string{"red"}}, false},
		"no namespace":       {flow.Filter{Namespaces: []string{""}}, false},
		"endpoint":           {flow.Filter{Endpoint: "blue/fe-1"}, true},
		"endpoint's address": {flow.Filter{Endpoint: "192.0.2.1"}, true},
		"other endpoint":     {flow.Filter{Endpoint: "blue/fe-2"}, false},
		"from":               {flow.Filter{From: "10.0.0.1"}, true},
		"from, turned round": {flow.Filter{From: "192.0.2.1"}, false},
		"to":                 {flow.Filter{To: "192.0.2.1"}, true},
		"to, turned round":   {flow.Filter{To: "blue/fe-1"}, false},
		"verdict":            {flow.Filter{Verdict: "deny"}, true},
		"other verdict":      {flow.Filter{Verdict: "allow"}, false},
		"policy on the way":  {flow.Filter{Policy: "block"}, true},
		"its id":             {flow.Filter{Policy: "GlobalNetworkPolicy//block"}, true},
		"policy that ended":  {flow.Filter{Policy: "NetworkPolicy/blue/be"}, true},
		"its rule":           {flow.Filter{Policy: "block", Rule: new(0)}, true},
		"other rule":         {flow.Filter{Policy: "block", Rule: new(1)}, false},
		"no rule of it":      {flow.Filter{Policy: "be", Rule: new(0)}, false},
		"other policy":       {flow.Filter{Policy: "NetworkPolicy/blue/block"}, false},
		"policy and tier":    {flow.Filter{Policy: "block", Tier: "sec"}, true},
		"policy, other tier": {flow.Filter{Policy: "block", Tier: "default"}, false},
		"tier":               {flow.Filter{Tier: "default"}, true},
		"other tier":         {flow.Filter{Tier: "dev"}, false},
		"protocol":           {flow.Filter{Protocol: "tcp"}, true},
		"other protocol":     {flow.Filter{Protocol: "UDP"}, false},
		"port":               {flow.Filter{Port: 443}, true},
		"other port":         {flow.Filter{Port: 80}, false},
		"reporter":           {flow.Filter{Reporter: flow.BySource}, true},
		"other reporter":     {flow.Filter{Reporter: flow.ByDestination}, false},
		"event":              {flow.Filter{Event: flow.Connections}, true},
		"other event":        {flow.Filter{Event: flow.LogEvents}, false},
		"node":               {flow.Filter{Node: "n1"}, true},
		"other node":         {flow.Filter{Node: "n2"}, false},
		"newly":              {flow.Filter{Newly: "allowed"}, true},
		"newly any":          {flow.Filter{Newly: "any"}, true},
		"newly denied":       {flow.Filter{Newly: "denied"}, false},
		"since":              {flow.Filter{Since: at}, true},
		"since later":        {flow.Filter{Since: at.Add(1)}, false},
		"until":              {flow.Filter{Until: at.Add(1)}, true},
		"until then":         {flow.Filter{Until: at}, false},
		"before":             {flow.Filter{Before: 8}, true},
		"before it":          {flow.Filter{Before: 7}, false},
	} {
		if got := row.f.Matches(&r); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (flow.Access{}).Sees(&r) || !(flow.Access{All: true}).Sees(&r) || !(flow.Access{Namespaces: []string{"blue"}}).Sees(&r) || (flow.Access{Namespaces: []string{"red", ""}}).Sees(&r) {
		t.Error("access")
	}
}

// TestFilterLogged: what a Log rule logged is found by its rule, whether or not a
// decision tells of it, and apart from connections.
func TestFilterLogged(t *testing.T) {
	r := flow.Record{Logged: &flow.Logged{Prefix: "fw", Tier: "sec", Policy: block.String(), Rule: 2, Packets: 1}}
	for name, row := range map[string]struct {
		f    flow.Filter
		want bool
	}{
		"event":       {flow.Filter{Event: flow.LogEvents}, true},
		"connections": {flow.Filter{Event: flow.Connections}, false},
		"policy":      {flow.Filter{Policy: "block"}, true},
		"rule":        {flow.Filter{Policy: "block", Rule: new(2)}, true},
		"other rule":  {flow.Filter{Policy: "block", Rule: new(0)}, false},
		"tier":        {flow.Filter{Tier: "sec"}, true},
		"other tier":  {flow.Filter{Tier: "default"}, false},
	} {
		if got := row.f.Matches(&r); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestDeeds: what a decision's way did, each for itself.
func TestDeeds(t *testing.T) {
	r := record()
	var got []flow.Deed
	flow.Deeds(&r.Egress.Trace, verdict.Egress, func(d flow.Deed) { got = append(got, d) })
	flow.Deeds(&verdict.Trace{Reason: verdict.ByHostDefault}, verdict.Ingress, func(d flow.Deed) { got = append(got, d) })
	want := []flow.Deed{
		{Tier: "sec", Policy: block, Rule: 0, Direction: verdict.Egress, Reason: verdict.ByRule, Action: verdict.ActionPass},
		{Tier: "default", Policy: be, Rule: verdict.NoRule, Direction: verdict.Egress, Reason: verdict.ByTierDefault, Action: verdict.ActionDeny},
		{Tier: "default", Rule: verdict.NoRule, Direction: verdict.Egress, Reason: verdict.ByTierDefault, Action: verdict.ActionDeny, Decides: true},
		{Rule: verdict.NoRule, Direction: verdict.Ingress, Reason: verdict.ByHostDefault, Action: verdict.ActionDeny, Decides: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFilterValues(t *testing.T) {
	want := flow.Filter{
		Namespaces: []string{"a", "b"}, Endpoint: "a/b", From: "hep:x", To: "10.0.0.1", Verdict: "deny", Policy: "GlobalNetworkPolicy//p", Rule: new(0), Tier: "t",
		Protocol: "TCP", Port: 80, Event: flow.LogEvents, Reporter: flow.ByDestination, Node: "n", Newly: "any", Since: record().Start, Until: record().Last, Before: 9, Limit: 3,
	}
	got, err := flow.ParseFilter(want.Values())
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	if got, err := flow.ParseFilter(flow.Filter{}.Values()); err != nil || cmp.Diff(flow.Filter{}, got) != "" {
		t.Errorf("%v %+v", err, got)
	}
	for _, bad := range []string{"port=65536", "port=x", "rule=-1", "limit=1e3", "since=yesterday", "verdict=drop", "newly=yes", "event=alarm", "reporter=me"} {
		v, _ := url.ParseQuery(bad)
		if _, err := flow.ParseFilter(v); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestDeciding: who denies decides; of two that allow, the one that has more to
// say, and the destination's first.
func TestDeciding(t *testing.T) {
	deny := &flow.Decision{Trace: verdict.Trace{Reason: verdict.ByHostDefault}}
	none := &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NoPolicyApplies}}
	rule := &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByRule, Steps: []verdict.Step{{Action: verdict.ActionAllow}}}}
	for name, row := range map[string]struct{ egress, ingress, want *flow.Decision }{
		"egress denies":     {deny, nil, deny},
		"ingress denies":    {rule, deny, deny},
		"ingress has a way": {none, rule, rule},
		"egress has":        {rule, none, rule},
		"ingress alone":     {nil, none, none},
		"none":              {nil, nil, nil},
	} {
		r := flow.Record{Egress: row.egress, Ingress: row.ingress}
		if got := r.Deciding(); got != row.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
