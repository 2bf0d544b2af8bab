package verdict_test

import (
	"slices"
	"testing"

	"github.com/tierwall/tierwall/verdict"
)

var (
	block = verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "block"}
	fe    = verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "fe"}
)

func TestStepString(t *testing.T) {
	for _, row := range []struct {
		step verdict.Step
		want string
		end  bool
	}{
		{verdict.Step{Tier: "sec", Policy: block, Rule: 0, Action: verdict.ActionPass}, "Pass by sec/GlobalNetworkPolicy//block#0", false},
		{verdict.Step{Tier: "default", Policy: fe, Rule: 12, Action: verdict.ActionLog}, "Log by default/NetworkPolicy/blue/fe#12", false},
		{verdict.Step{Tier: "sec", Rule: verdict.NoRule, Action: verdict.ActionDeny, Applied: []verdict.PolicyID{block}}, "Deny at the end of tier sec", true},
		{verdict.Step{Tier: "sec", Policy: block, Rule: verdict.NoRule, Action: verdict.ActionDeny}, "Deny by invalid policy sec/GlobalNetworkPolicy//block", false},
		{verdict.Step{Profile: "kns.blue", Action: verdict.ActionAllow}, "Allow by profile kns.blue", false},
	} {
		if got := row.step.String(); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
		if got := row.step.EndOfTier(); got != row.end {
			t.Errorf("%s: EndOfTier is %v", row.step, got)
		}
	}
}

func TestTraceString(t *testing.T) {
	log := verdict.Step{Tier: "sec", Policy: block, Rule: 0, Action: verdict.ActionLog}
	deny := verdict.Step{Tier: "sec", Policy: block, Rule: 2, Action: verdict.ActionDeny}
	for _, row := range []struct {
		trace verdict.Trace
		want  string
	}{
		{verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NoPolicyApplies}, "allow: no policy applies"},
		{verdict.Trace{Reason: verdict.ByRule, Steps: []verdict.Step{deny}}, "deny: rule (Deny by sec/GlobalNetworkPolicy//block#2)"},
		{verdict.Trace{Reason: verdict.ByRule, Steps: []verdict.Step{log, deny}},
			"deny: rule (Log by sec/GlobalNetworkPolicy//block#0; Deny by sec/GlobalNetworkPolicy//block#2)"},
	} {
		if got := row.trace.String(); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}

// full is a trace with every field set, so that a change to any of them shows.
func full() verdict.Trace {
	return verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByRule, Steps: []verdict.Step{
		{Tier: "sec", Rule: verdict.NoRule, Action: verdict.ActionPass, Applied: []verdict.PolicyID{block, fe}},
		{Tier: "default", Policy: fe, Rule: 1, Action: verdict.ActionAllow},
	}}
}

func TestTraceEqual(t *testing.T) {
	a, b := full(), full()
	if !a.Equal(&b) {
		t.Fatal("a trace is not equal to its copy")
	}
	for name, change := range map[string]func(*verdict.Trace){
		"verdict":         func(x *verdict.Trace) { x.Verdict = verdict.Deny },
		"reason":          func(x *verdict.Trace) { x.Reason = verdict.ByProfile },
		"no steps":        func(x *verdict.Trace) { x.Steps = nil },
		"a step less":     func(x *verdict.Trace) { x.Steps = x.Steps[:1] },
		"a step more":     func(x *verdict.Trace) { x.Steps = append(x.Steps, x.Steps[1]) },
		"order of steps":  func(x *verdict.Trace) { slices.Reverse(x.Steps) },
		"tier":            func(x *verdict.Trace) { x.Steps[1].Tier = "sec" },
		"policy":          func(x *verdict.Trace) { x.Steps[1].Policy = block },
		"profile":         func(x *verdict.Trace) { x.Steps[1].Profile = "p" },
		"rule":            func(x *verdict.Trace) { x.Steps[1].Rule = 0 },
		"action":          func(x *verdict.Trace) { x.Steps[1].Action = verdict.ActionLog },
		"applied less":    func(x *verdict.Trace) { x.Steps[0].Applied = x.Steps[0].Applied[:1] },
		"applied reorder": func(x *verdict.Trace) { slices.Reverse(x.Steps[0].Applied) },
	} {
		c := full()
		change(&c)
		if a.Equal(&c) || c.Equal(&a) {
			t.Errorf("%s: %s is equal to %s", name, &c, &a)
		}
	}
}

// TestDeciding: the last step decided, but only where the reason is one that a
// step can give: a Log on the way to "no policy applies" decided nothing.
func TestDeciding(t *testing.T) {
	for reason, decides := range map[verdict.Reason]bool{
		verdict.ByRule: true, verdict.ByTierDefault: true, verdict.ByProfile: true, verdict.InvalidPolicy: true,
		verdict.NoReason: false, verdict.NoPolicyApplies: false, verdict.ByFailsafe: false,
		verdict.ByHostDefault: false, verdict.NotAnEndpoint: false,
	} {
		trace := full()
		trace.Reason = reason
		got := trace.Deciding()
		if decides && got != &trace.Steps[1] || !decides && got != nil {
			t.Errorf("%s: %v", reason, got)
		}
		trace.Steps = nil
		if got := trace.Deciding(); got != nil {
			t.Errorf("%s without steps: %v", reason, got)
		}
	}
}
