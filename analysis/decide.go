package analysis

import (
	"fmt"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Decider decides what happens to a packet in one stage of one endpoint in one
// direction. A stage other than normal that no policy concerns is allowed with
// verdict.NoPolicyApplies. The oracle is one; OfTables makes one of tables.
type Decider interface {
	DecideStage(e *model.Endpoint, s verdict.Stage, d verdict.Direction, p verdict.Packet) verdict.Trace
}

// OfTables returns a Decider that looks decisions up in tables. What is not in
// them is dropped for no reason (verdict.NoReason), which no expectation
// meets.
func OfTables(t *table.Tables) Decider { return tables{t} }

type tables struct{ *table.Tables }

// DecideStage implements Decider.
func (t tables) DecideStage(e *model.Endpoint, s verdict.Stage, d verdict.Direction, p verdict.Packet) verdict.Trace {
	if found := t.LookupStage(e.ID, s, d, p); found != nil {
		return found.Trace()
	}
	if t.Endpoints[e.ID] != nil && s != verdict.Normal {
		return verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NoPolicyApplies}
	}
	return verdict.Trace{}
}

// Outcome is what became of a new connection: the verdict, and what happened on
// both sides. Ingress is nil if egress denied, since the packet never got
// there.
type Outcome struct {
	Verdict         verdict.Verdict
	Egress, Ingress *Passage
}

// Passage is what became of a packet on one side of a connection.
type Passage struct {
	// Trace is that of the checkpoint that denied, or of the last that decided,
	// or the side's fixed verdict if none did.
	verdict.Trace
	// At is the checkpoint that Trace is of; its Endpoint is nil for a fixed
	// verdict.
	At model.Checkpoint
	// Met are the checkpoints that were asked and that policy concerns, and the
	// one that decided, in order.
	Met []Meeting
}

// Meeting is what one checkpoint said.
type Meeting struct {
	verdict.Trace
	At model.Checkpoint
	// visits is what was looked at; nil if that was not asked for.
	visits []evaluate.Visit
}

// decides reports whether the packet's fate was settled here, as far as the
// stage goes; else the stage let it go on for want of a rule.
func (m *Meeting) decides() bool {
	return m.At.Stage == verdict.Normal || m.Verdict == verdict.Deny || m.Reason == verdict.ByRule
}

// Decide decides a connection: the source's side first, and the destination's
// if that allows (semantics.md sections 9 and 11).
func Decide(by Decider, c model.Connection, p verdict.Packet) Outcome {
	o, _ := decide(c, func(at model.Checkpoint) (Meeting, error) {
		return Meeting{Trace: by.DecideStage(at.Endpoint, at.Stage, at.Direction, p), At: at}, nil
	})
	return o
}

// asker says what happens at a checkpoint.
type asker func(model.Checkpoint) (Meeting, error)

func decide(c model.Connection, ask asker) (Outcome, error) {
	egress, err := pass(c.Egress, ask)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Verdict: egress.Verdict, Egress: egress}
	if egress.Verdict == verdict.Allow {
		if o.Ingress, err = pass(c.Ingress, ask); err != nil {
			return Outcome{}, err
		}
		o.Verdict = o.Ingress.Verdict
	}
	return o, nil
}

// pass walks the checkpoints of a side up to one that denies.
func pass(s model.Side, ask asker) (*Passage, error) {
	out := &Passage{}
	var skips []model.Checkpoint // those that allowed so that others are skipped
	for _, at := range s.Checkpoints {
		if skipped(at, skips) {
			continue
		}
		m, err := ask(at)
		if err != nil {
			return nil, err
		}
		if m.Reason != verdict.NoPolicyApplies || at.Stage == verdict.Normal {
			out.Met = append(out.Met, m)
		}
		if m.decides() {
			out.Trace, out.At = m.Trace, at
		}
		if m.Verdict == verdict.Deny {
			return out, nil
		}
		if m.Accepts() {
			skips = append(skips, at)
		}
	}
	if s.Endpoint == nil {
		out.Trace, out.At = s.Fixed, model.Checkpoint{}
	}
	return out, nil
}

func skipped(at model.Checkpoint, by []model.Checkpoint) bool {
	for _, b := range by {
		if b.Skips(at) {
			return true
		}
	}
	return false
}

// agreed returns an asker of the oracle that checks that the tables, if there are
// any, give the same.
func agreed(p verdict.Packet, oracle *evaluate.Oracle, t *table.Tables) asker {
	return func(at model.Checkpoint) (Meeting, error) {
		want, visits := oracle.ExplainStage(at.Endpoint, at.Stage, at.Direction, p)
		if t == nil {
			return Meeting{Trace: want, At: at, visits: visits}, nil
		}
		got := OfTables(t).DecideStage(at.Endpoint, at.Stage, at.Direction, p)
		if got.Equal(&want) {
			return Meeting{Trace: got, At: at, visits: visits}, nil
		}
		found := "no decision"
		if got.Reason != verdict.NoReason {
			found = got.String()
		}
		what := at.Direction.String()
		if at.Stage != verdict.Normal {
			what = at.Stage.String() + " " + what
		}
		return Meeting{}, fmt.Errorf("the tables and the oracle differ about %s of %s, %s: the tables say %q, the oracle says %q; please report this as a bug", what, at.Endpoint.ID, p, found, &want)
	}
}
