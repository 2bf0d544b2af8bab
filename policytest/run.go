package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// Engine decides what happens to a packet in one stage of one endpoint in one
// direction.
type Engine = analysis.Decider

// Oracle returns the engine that reads policy plainly.
func Oracle(s *model.State) Engine { return evaluate.New(s) }

// Tables returns the engine of the compiled tables.
func Tables(s *model.State) Engine {
	return analysis.OfTables(compile.Compile(s, compile.Options{}))
}

// Result is the outcome of one test on one engine.
type Result struct {
	Test *Test  `json:"-"`
	Name string `json:"name"`
	File string `json:"file"`
	// Checks and Selects are in the order in which they are written.
	Checks  []Outcome `json:"checks"`
	Selects []Outcome `json:"selects"`
}

// Outcome is the outcome of one check, or of one entry of selects.
type Outcome struct {
	Title string `json:"title"`
	Line  int    `json:"line"`
	Pass  bool   `json:"pass"`
	// Expected and Found are lines of text, for people; Found has the traces
	// in full. They are there whether or not the outcome is a pass.
	Expected []string `json:"expected,omitempty"`
	Found    []string `json:"found,omitempty"`
	// Why says what is not as expected; empty for a pass.
	Why []string `json:"why,omitempty"`
}

// Pass reports whether there was something to check and all of it is as
// expected.
func (r *Result) Pass() bool {
	return r.Count() > 0 && r.Failed() == 0
}

// Count returns how many expectations there were.
func (r *Result) Count() int { return len(r.Checks) + len(r.Selects) }

// Failed returns how many were not met.
func (r *Result) Failed() int {
	n := 0
	for _, o := range slices.Concat(r.Checks, r.Selects) {
		if !o.Pass {
			n++
		}
	}
	return n
}

// Run runs a test on an engine, which must be one for the test's state.
func Run(t *Test, e Engine) *Result {
	r := &Result{Test: t, Name: t.Name, File: t.File}
	for i := range t.Checks {
		r.Checks = append(r.Checks, t.Checks[i].run(t.State, e))
	}
	for i := range t.Selects {
		r.Selects = append(r.Selects, t.Selects[i].run(t.State))
	}
	return r
}

func (c *Check) run(s *model.State, e Engine) Outcome {
	out := Outcome{Title: c.Title(), Line: c.Line, Expected: c.expected()}
	conn, packet, err := c.Connection(s)
	if err != nil {
		out.Why = []string{err.Error()}
		return out
	}
	found := analysis.Decide(e, conn, packet)
	out.Found = describe(found)
	out.Why = c.judge(s, found)
	if c.Pending != nil {
		pending := analysis.Decide(evaluate.New(s.Pending()), conn, packet)
		out.Found = append(out.Found, "pending "+pending.Verdict.String())
		if pending.Verdict != *c.Pending {
			out.Why = append(out.Why, fmt.Sprintf("if what is staged were enforced the connection would be %s, expected %s", verb(pending.Verdict), verb(*c.Pending)))
		}
	}
	out.Pass = len(out.Why) == 0
	return out
}

func (c *Check) expected() []string {
	line := c.Expect.String()
	for _, part := range []struct{ name, value string }{
		{"direction", c.CheckSpec.Direction}, {"stage", c.Stage}, {"reason", c.Reason}, {"tier", c.Tier}, {"policy", c.Policy},
	} {
		if part.value != "" {
			line += ", " + part.name + " " + part.value
		}
	}
	if c.Rule != nil {
		line += fmt.Sprintf(", rule %d", *c.Rule)
	}
	if c.Pending != nil {
		line += ", pending " + c.Pending.String()
	}
	return []string{line}
}

func describe(o analysis.Outcome) []string {
	lines := append([]string{o.Verdict.String()}, passage("egress ", o.Egress)...)
	if o.Ingress != nil {
		return append(lines, passage("ingress", o.Ingress)...)
	}
	return append(lines, "ingress not reached")
}

// passage says what decided on a side, and before it what else was met there.
func passage(side string, p *analysis.Passage) []string {
	var lines []string
	for i := range p.Met {
		if m := &p.Met[i]; m.At != p.At {
			lines = append(lines, fmt.Sprintf("%s %s %s of %s: %s", side, m.At.Stage, m.At.Direction, m.At.Endpoint.ID, m.String()))
		}
	}
	if p.At.Stage != verdict.Normal {
		side += " " + p.At.Stage.String()
	}
	return append(lines, side+" "+p.String())
}

// judge returns what is not as expected.
func (c *Check) judge(s *model.State, found analysis.Outcome) []string {
	var why []string
	if found.Verdict != c.Expect {
		why = append(why, fmt.Sprintf("the connection is %s, expected %s", verb(found.Verdict), verb(c.Expect)))
	}
	if id, ok := verdict.ParsePolicyID(c.Policy); ok && s.Policies[id] == nil {
		why = append(why, "there is no policy "+c.Policy)
	}
	if c.Direction == nil && c.Stage == "" && c.Tier == "" && c.Policy == "" && c.Rule == nil && c.Reason == "" {
		return why
	}
	var first []string
	for i, t := range c.entries(found) {
		misses := c.misses(t)
		if len(misses) == 0 {
			return why
		}
		if i == 0 {
			first = misses
		}
	}
	return append(why, first...)
}

func verb(v verdict.Verdict) string {
	if v == verdict.Allow {
		return "allowed"
	}
	return "denied"
}

// entries returns the sides that the optional expectations may speak of: that
// of the named direction, else of the one that denies; where both allow,
// either will do.
func (c *Check) entries(found analysis.Outcome) []*analysis.Passage {
	switch {
	case c.Direction != nil && *c.Direction == verdict.Egress:
		return []*analysis.Passage{found.Egress}
	case c.Direction != nil, found.Egress.Verdict == verdict.Allow && found.Verdict == verdict.Deny:
		return []*analysis.Passage{found.Ingress}
	case found.Verdict == verdict.Deny:
		return []*analysis.Passage{found.Egress}
	}
	return []*analysis.Passage{found.Ingress, found.Egress}
}

// misses compares the optional expectations with the entry that decided.
func (c *Check) misses(t *analysis.Passage) []string {
	if t == nil {
		return []string{"ingress was not reached: egress denied"}
	}
	var why []string
	differ := func(what, got, want string) {
		if want != "" && got != want {
			why = append(why, fmt.Sprintf("%s is %q, expected %q", what, got, want))
		}
	}
	differ("stage", t.At.Stage.String(), c.Stage)
	differ("reason", t.Reason.String(), c.Reason)
	var step verdict.Step
	if d := t.Deciding(); d != nil {
		step = *d
	} else {
		step.Rule = verdict.NoRule
	}
	differ("tier", step.Tier, c.Tier)
	switch {
	case step.EndOfTier() && c.Policy != "":
		if names := policyNames(step.Applied); !slices.Contains(names, c.Policy) {
			why = append(why, fmt.Sprintf("the policies that applied are %s, expected %s among them", strings.Join(names, ", "), c.Policy))
		}
	case step.Policy.IsZero():
		differ("policy", "", c.Policy)
	default:
		differ("policy", step.Policy.String(), c.Policy)
	}
	if c.Rule != nil && step.Rule != *c.Rule {
		got := "none"
		if step.Rule != verdict.NoRule {
			got = fmt.Sprint(step.Rule)
		}
		why = append(why, fmt.Sprintf("rule is %s, expected %d", got, *c.Rule))
	}
	return why
}

func policyNames(ids []verdict.PolicyID) []string {
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
	}
	return names
}
