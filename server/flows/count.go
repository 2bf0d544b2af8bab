package flows

import (
	"cmp"
	"context"
	"slices"
	"time"

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
	defer s.metrics.asked(queryCounts, time.Now())
	counts := map[countKey]*flow.Count{}
	for r, err := range s.All(ctx, a, f) {
		if err != nil {
			return nil, err
		}
		if r.Logged != nil {
			continue // its connection has a record of its own
		}
		count(counts, r, r.Egress, verdict.Egress, false)
		count(counts, r, r.Ingress, verdict.Ingress, false)
		count(counts, r, r.Host, r.HostDirection(), false)
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
	flow.Deeds(&d.Trace, dir, func(deed flow.Deed) {
		k := countKey{deed.Tier, deed.Name(), deed.Reason.String(), deed.Rule, dir, pending}
		c := counts[k]
		if c == nil {
			c = &flow.Count{Tier: k.tier, Policy: k.policy, Direction: dir.String(), Reason: k.reason, Pending: pending}
			if k.rule != verdict.NoRule {
				c.Rule = new(k.rule)
			}
			counts[k] = c
		}
		switch deed.Action {
		case verdict.ActionAllow:
			c.Allowed += r.Connections
		case verdict.ActionDeny:
			c.Denied += r.Connections
		case verdict.ActionPass:
			c.Passed += r.Connections
		case verdict.ActionLog:
			c.Logged += r.Connections
		}
		if deed.Decides && d.Trace.Verdict == verdict.Allow {
			c.Bytes += r.Out.Bytes + r.In.Bytes
			c.Packets += r.Out.Packets + r.In.Packets
		}
		if r.Connections > 0 && r.Last.After(c.Last) {
			c.Last = r.Last
		}
	})
}
