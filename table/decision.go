package table

import (
	"slices"

	"github.com/tierwall/tierwall/verdict"
)

// Decision is a verdict with its reason and the way to it. It says what a
// verdict.Trace says, in pieces that many decisions share, so that tables with
// long ways stay small: rules that are far apart have the same ends of tiers
// between them.
type Decision struct {
	Verdict verdict.Verdict
	Reason  verdict.Reason
	// Way holds the steps, in order, in pieces; none is empty. A piece must not
	// be changed: others may share it.
	Way [][]verdict.Step
	// Tiered says that a step is the end of a tier and leaves out which policies
	// applied: the Ends of the set tell. It is false for a decision in full.
	Tiered bool
}

// Decided returns the decision that a trace tells, whose steps it shares.
func Decided(t verdict.Trace) *Decision {
	d := &Decision{Verdict: t.Verdict, Reason: t.Reason}
	if len(t.Steps) > 0 {
		d.Way = [][]verdict.Step{t.Steps}
	}
	return d
}

// Trace returns the decision in full.
func (d *Decision) Trace() verdict.Trace {
	t := verdict.Trace{Verdict: d.Verdict, Reason: d.Reason}
	switch len(d.Way) {
	case 0:
	case 1:
		t.Steps = slices.Clip(d.Way[0])
	default:
		t.Steps = slices.Concat(d.Way...)
	}
	return t
}

// Equal reports whether two decisions have equal traces, however they are cut
// into pieces.
func (d *Decision) Equal(o *Decision) bool {
	if d == o {
		return true
	}
	if d.Verdict != o.Verdict || d.Reason != o.Reason {
		return false
	}
	var a, b []verdict.Step
	for i, j := 0, 0; ; {
		if len(a) == 0 && i < len(d.Way) {
			a, i = d.Way[i], i+1
		}
		if len(b) == 0 && j < len(o.Way) {
			b, j = o.Way[j], j+1
		}
		n := min(len(a), len(b))
		if n == 0 {
			return len(a) == len(b)
		}
		if !slices.EqualFunc(a[:n], b[:n], verdict.Step.Equal) {
			return false
		}
		a, b = a[n:], b[n:]
	}
}

// String returns what verdict.Trace.String does.
func (d *Decision) String() string {
	t := d.Trace()
	return t.String()
}
