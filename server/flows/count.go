package flows

import (
	"cmp"
	"context"
	"slices"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// countKey is what counts are by.
type countKey struct {
	tier, policy, reason string
	rule                 int // verdict.NoRule for none
	direction            verdict.Direction
	pending              bool
}

// Counts implements flow.Reader.
func (s *Store) Counts(ctx context.Context, a flow.Access, f flow.Filter) ([]flow.Count, error) {
	counts := map[countKey]*flow.Count{}
	for r, err := range s.All(ctx, a, f) {
		if err != nil {
			return nil, err
		}
		count(counts, r, r.Egress, verdict.Egress, false)
		count(counts, r, r.Ingress, verdict.Ingress, false)
		if r.Pending != nil {
			count(counts, r, r.Pending.Egress, verdict.Egress, true)
			count(counts, r, r.Pending.Ingress, verdict.Ingress, true)
		}
	}
	list := make([]flow.Count, 0, len(counts))
	for _, c := range counts {
		list = append(list, *c)
	}
	rule := func(c flow.Count) int {
		if c.Rule == nil {
			return 1 << 30
		}
		return *c.Rule
	}
	slices.SortFunc(list, func(a, b flow.Count) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Direction, b.Direction),
			cmp.Compare(rule(a), rule(b)), cmp.Compare(a.Reason, b.Reason))
	})
	return list, nil
}

// count adds what a decision's steps did: each rule on the way, and the end of
// each tier, for itself and for each policy that applied there.
func count(counts map[countKey]*flow.Count, r *flow.Record, d *flow.Decision, dir verdict.Direction, pending bool) {
	if d == nil {
		return
	}
	add := func(k countKey, action verdict.Action, decides bool) {
		k.direction, k.pending = dir, pending
		c := counts[k]
		if c == nil {
			c = &flow.Count{Tier: k.tier, Policy: k.policy, Direction: dir.String(), Reason: k.reason, Pending: pending}
			if k.rule != verdict.NoRule {
				c.Rule = new(k.rule)
			}
			counts[k] = c
		}
		switch action {
		case verdict.ActionAllow:
			c.Allowed += r.Connections
		case verdict.ActionDeny:
			c.Denied += r.Connections
		case verdict.ActionPass:
			c.Passed += r.Connections
		case verdict.ActionLog:
			c.Logged += r.Connections
		}
		if decides && d.Trace.Verdict == verdict.Allow {
			c.Bytes += r.Out.Bytes + r.In.Bytes
		}
		if r.Connections > 0 && r.Last.After(c.Last) {
			c.Last = r.Last
		}
	}
	last := d.Trace.Deciding()
	for i := range d.Trace.Steps {
		step := &d.Trace.Steps[i]
		k := countKey{tier: step.Tier, rule: step.Rule, reason: verdict.ByRule.String()}
		switch {
		case step.Profile != "":
			k.policy, k.reason = "Profile//"+step.Profile, verdict.ByProfile.String()
		case step.EndOfTier():
			k.reason = verdict.ByTierDefault.String()
			for _, p := range step.Applied {
				own := k
				own.policy = p.String()
				add(own, step.Action, false)
			}
		default:
			k.policy = step.Policy.String()
			if step.Rule == verdict.NoRule {
				k.reason = verdict.InvalidPolicy.String()
			}
		}
		add(k, step.Action, step == last)
	}
	if last == nil {
		action := verdict.ActionAllow
		if d.Trace.Verdict == verdict.Deny {
			action = verdict.ActionDeny
		}
		add(countKey{rule: verdict.NoRule, reason: d.Trace.Reason.String()}, action, true)
	}
}
