package manager

import (
	"errors"
	"net/http"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
)

// Select implements ServerInterface.
func (m *Manager) Select(w http.ResponseWriter, r *http.Request) {
	in, v, ok := asked[Selection](m, w, r)
	if !ok {
		return
	}
	out := Selected{Matched: []ObjectRef{}, Remarks: []string{}, View: v.info()}
	matched, remarks, err := analysis.Select(v.state, analysis.Selection{Kind: string(some(in.Kind)), Selector: in.Selector, Namespace: some(in.Namespace)})
	var syntax *selector.SyntaxError
	switch {
	case errors.As(err, &syntax):
		out.Error = &SelectorError{Offset: syntax.Offset, Message: syntax.Message, Hint: text(syntax.Hint)}
		answer(w, out)
		return
	case err != nil:
		fail(w, problem(http.StatusBadRequest, "invalid", err.Error()))
		return
	}
	if sel, err := selector.Parse(in.Selector); err == nil {
		out.Canonical = text(sel.String())
	}
	limit := 100
	if in.Limit != nil {
		limit = min(max(*in.Limit, 0), 1000)
	}
	out.Count, out.Remarks = len(matched), append(out.Remarks, remarks...)
	for _, o := range matched[:min(len(matched), limit)] {
		out.Matched = append(out.Matched, ObjectRef{Kind: o.Kind, Ref: o.Name, Labels: labelsOf(o.Labels)})
	}
	answer(w, out)
}

// Explain implements ServerInterface.
func (m *Manager) Explain(w http.ResponseWriter, r *http.Request) {
	in, v, ok := asked[ExplainQuery](m, w, r)
	if !ok {
		return
	}
	port, err := analysis.ParsePort(some(in.Port))
	if err != nil {
		fail(w, problem(http.StatusBadRequest, "invalid", err.Error()))
		return
	}
	q := analysis.Query{From: in.From, To: in.To, Port: port, NoWarnings: true}
	x, err := v.explain(q)
	if err != nil {
		fail(w, problem(http.StatusUnprocessableEntity, "invalid", err.Error()))
		return
	}
	out := Explanation{Verdict: ExplanationVerdict(x.Verdict), From: x.From, To: x.To, Protocol: x.Protocol, Port: int(x.Port), Icmp: text(x.ICMP),
		Source: x.Source, Destination: x.Destination, Egress: sideOf(x.Egress), Ingress: sideIf(x.Ingress), View: v.info(),
		Command: "tierwall explain --from " + in.From + " --to " + in.To + " --port " + port.String()}
	out.Domain = domainAnswer(x.Domain)
	if p := x.Pending; p != nil {
		out.Pending = &Pending{Verdict: PendingVerdict(p.Verdict), Egress: sideOf(p.Egress), Ingress: sideIf(p.Ingress)}
	}
	answer(w, out)
}

func (v *view) explain(q analysis.Query) (x *analysis.Explanation, err error) {
	v.compiled(func(_ *compile.Compiler, t *table.Tables, s *model.State) { x, err = analysis.Explain(s, t, q) })
	if err != nil || len(v.state.Staged) == 0 {
		return x, err
	}
	var y *analysis.Explanation
	v.engines.pending.at(v.pending(), func(_ *compile.Compiler, t *table.Tables, s *model.State) { y, err = analysis.Explain(s, t, q) })
	if err != nil {
		return nil, err
	}
	x.Pending = &analysis.Pending{Verdict: y.Verdict, Egress: y.Egress, Ingress: y.Ingress}
	return x, nil
}

func sideIf(s *analysis.Side) *Side {
	if s == nil {
		return nil
	}
	out := sideOf(s)
	return &out
}

func sideOf(s *analysis.Side) Side {
	out := Side{Endpoint: text(s.Endpoint), Stage: text(s.Stage), Verdict: SideVerdict(s.Verdict), Reason: s.Reason, Because: s.Because(), Tier: text(s.Tier), Policy: text(s.Policy),
		Rule: s.Rule, Profile: text(s.Profile), Path: []Step{}, Visits: []Visit{}}
	if s.Direction != "" {
		d := SideDirection(s.Direction)
		out.Direction = &d
	}
	if s.Policies != nil {
		out.Policies = &s.Policies
	}
	if len(s.Stages) > 0 {
		stages := make([]Side, 0, len(s.Stages))
		for _, met := range s.Stages {
			stages = append(stages, sideOf(met))
		}
		out.Stages = &stages
	}
	for _, p := range s.Path {
		step := Step{Action: p.Action, Matched: p.Matched, Tier: text(p.Tier), Policy: text(p.Policy), Profile: text(p.Profile), Rule: p.Rule}
		if p.Policies != nil {
			step.Policies = &p.Policies
		}
		out.Path = append(out.Path, step)
	}
	for _, v := range s.Visits {
		visit := Visit{Tier: text(v.Tier), Profile: text(v.Profile), Rule: v.Rule, Action: text(v.Action.String()), Matched: v.Matched, Miss: text(v.Miss)}
		if !v.Policy.IsZero() {
			visit.Policy = v.Policy.String()
		}
		out.Visits = append(out.Visits, visit)
	}
	return out
}
