package table

import (
	"slices"
	"sync"

	"github.com/tierwall/tierwall/verdict"
)

// End is a tier with the policies of it that apply, in order.
type End struct {
	Tier    string
	Applied []verdict.PolicyID
}

// Ends are the tiers of a set with the policies that apply in each, which is
// what a decision says of the end of a tier. The decisions of rows leave it out,
// so that a row stays what it is when a policy comes or goes that decides nothing
// in it. Ends are never changed; nil has nothing to add. Use NewEnds.
type Ends struct {
	list []End

	mu   sync.RWMutex
	full map[*Decision]*Decision
}

// keepFull bounds how many decisions Ends remember in full.
const keepFull = 4096

// NewEnds returns the ends of tiers in their order. The list must not be changed.
func NewEnds(list []End) *Ends { return &Ends{list: list} }

// Policies returns all policies that apply, in order.
func (e *Ends) Policies() []verdict.PolicyID {
	if e == nil {
		return nil
	}
	var all []verdict.PolicyID
	for _, t := range e.list {
		all = append(all, t.Applied...)
	}
	return all
}

// Equal reports whether the same policies apply in the same tiers.
func (e *Ends) Equal(o *Ends) bool {
	if e == o || e == nil || o == nil {
		return e == o
	}
	return slices.EqualFunc(e.list, o.list, func(a, b End) bool { return a.Tier == b.Tier && slices.Equal(a.Applied, b.Applied) })
}

// Full returns a row's decision with the policies that applied in each tier to
// whose end it came. Asked again it returns the same, without allocating; it may
// be asked by several at once.
func (e *Ends) Full(d *Decision) *Decision {
	if e == nil || d == nil || !d.Tiered {
		return d
	}
	e.mu.RLock()
	full := e.full[d]
	e.mu.RUnlock()
	if full != nil {
		return full
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if full = e.full[d]; full != nil {
		return full
	}
	if e.full == nil || len(e.full) >= keepFull {
		e.full = map[*Decision]*Decision{}
	}
	full = e.fill(d)
	e.full[d] = full
	return full
}

func (e *Ends) fill(d *Decision) *Decision {
	full := &Decision{Verdict: d.Verdict, Reason: d.Reason}
	if steps := slices.Concat(d.Way...); len(steps) > 0 {
		full.Way = [][]verdict.Step{steps}
		for i := range steps {
			if steps[i].EndOfTier() {
				steps[i].Applied = e.applied(steps[i].Tier)
			}
		}
	}
	return full
}

func (e *Ends) applied(tier string) []verdict.PolicyID {
	for _, t := range e.list {
		if t.Tier == tier {
			return t.Applied
		}
	}
	return nil
}
