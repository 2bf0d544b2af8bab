package analysis

import (
	"fmt"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Decider decides what happens to a packet at one endpoint in one direction.
// The oracle is one; OfTables makes one of tables.
type Decider interface {
	Decide(e *model.Endpoint, d verdict.Direction, p verdict.Packet) verdict.Trace
}

// OfTables returns a Decider that looks decisions up in tables. What is not in
// them is dropped for no reason (verdict.NoReason), which no expectation
// meets.
func OfTables(t *table.Tables) Decider { return tables{t} }

type tables struct{ *table.Tables }

// Decide implements Decider.
func (t tables) Decide(e *model.Endpoint, d verdict.Direction, p verdict.Packet) verdict.Trace {
	if found := t.Lookup(e.ID, d, p); found != nil {
		return found.Trace()
	}
	return verdict.Trace{}
}

// Outcome is what became of a new connection: the verdict, and the traces of
// both sides. Ingress is nil if egress denied, since the packet never got
// there.
type Outcome struct {
	Verdict         verdict.Verdict
	Egress, Ingress *verdict.Trace
}

// Decide decides a connection: the source's side first, and the destination's
// if that allows (semantics.md section 9).
func Decide(by Decider, c model.Connection, p verdict.Packet) Outcome {
	egress := side(by, c.Egress, verdict.Egress, p)
	o := Outcome{Verdict: egress.Verdict, Egress: &egress}
	if egress.Verdict == verdict.Allow {
		ingress := side(by, c.Ingress, verdict.Ingress, p)
		o.Verdict, o.Ingress = ingress.Verdict, &ingress
	}
	return o
}

func side(by Decider, s model.Side, d verdict.Direction, p verdict.Packet) verdict.Trace {
	if s.Endpoint == nil {
		return s.Fixed
	}
	return by.Decide(s.Endpoint, d, p)
}

// agree checks that the tables give what the oracle gives.
func agree(e *model.Endpoint, d verdict.Direction, p verdict.Packet, oracle *evaluate.Oracle, t *table.Tables) (verdict.Trace, []evaluate.Visit, error) {
	want, visits := oracle.Explain(e, d, p)
	got := t.Lookup(e.ID, d, p)
	if got != nil && got.Equal(table.Decided(want)) {
		return got.Trace(), visits, nil
	}
	found := "no decision"
	if got != nil {
		found = got.String()
	}
	return verdict.Trace{}, nil, fmt.Errorf("the tables and the oracle differ about %s of %s, %s: the tables say %q, the oracle says %q; please report this as a bug", d, e.ID, p, found, &want)
}
