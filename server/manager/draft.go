package manager

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/verdict"
)

// drafted is a text that may be a policy, read.
type drafted struct {
	object   *manifest.Object
	policy   *model.Policy
	staged   *model.StagedPolicy
	problems []model.Problem
}

// readDraft reads a text of one object. What is wrong is in its problems, with
// lines.
func readDraft(yaml string) drafted {
	docs, problems := manifest.Parse("", []byte(yaml))
	objects, more := manifest.Objects(docs)
	d := drafted{problems: append(problems, more...)}
	if len(objects) != 1 {
		if len(d.problems) == 0 {
			d.problems = append(d.problems, model.Problem{Code: "one-object", Message: "the text has to be exactly one object", Hint: "write apiVersion, kind, metadata and spec"})
		}
		return d
	}
	d.object = objects[0]
	state, found := manifest.State(objects)
	for _, p := range found {
		if p.Code != "tier-missing" && p.Code != "profile-missing" { // asked of the cluster
			d.problems = append(d.problems, p)
		}
	}
	for _, p := range state.Policies {
		d.policy = p
	}
	for _, p := range state.Staged {
		d.staged, d.policy = p, p.Policy
	}
	return d
}

// Draft implements ServerInterface.
func (m *Manager) Draft(w http.ResponseWriter, r *http.Request) {
	in, v, ok := asked[DraftQuery](m, w, r)
	if !ok {
		return
	}
	limit := 500
	if in.Limit != nil {
		limit = min(max(*in.Limit, 0), 5000)
	}
	answer(w, m.drafts(r, v, in.Yaml, limit))
}

// GetPolicy implements ServerInterface.
func (m *Manager) GetPolicy(w http.ResponseWriter, r *http.Request, params GetPolicyParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	id, ok := verdict.ParsePolicyID(params.Id)
	if !ok {
		fail(w, problem(http.StatusBadRequest, "invalid", "write Kind/namespace/name"))
		return
	}
	stored, p := m.get(r.Context(), sessionIn(r), id.Kind, id.Namespace, id.Name)
	if p != nil {
		m.failWith(w, r, *p)
		return
	}
	out := m.drafts(r, v, stored.Yaml, 500)
	card := []PolicyCard{{Id: id.String()}}
	v.programmed(card)
	out.Programmed = card[0].Programmed
	answer(w, out)
}

// drafts answers what a text means in what the user sees.
func (m *Manager) drafts(r *http.Request, v *view, yaml string, limit int) Draft {
	d := readDraft(yaml)
	out := Draft{Problems: []FieldProblem{}, Warnings: []Warning{}, View: v.info()}
	for _, p := range d.problems {
		if server.Refuses(p) {
			out.Problems = append(out.Problems, told(p))
		} else {
			out.Warnings = append(out.Warnings, Warning{Code: p.Code, Path: text(p.Path), Line: number(p.Line), Column: number(p.Column), Message: p.Message, Hint: text(p.Hint)})
		}
	}
	if d.object != nil {
		out.Id = text(d.object.Name())
	}
	if d.policy == nil {
		return out
	}
	m.draftPolicy(v, d, &out, limit)
	m.mayWrite(r, d, &out)
	return out
}

// draftPolicy fills in what a policy means.
func (m *Manager) draftPolicy(v *view, d drafted, out *Draft, limit int) {
	p := d.policy
	tier, ok := v.state.Tiers[p.Tier]
	out.Tier, out.TierExists, out.Order = &p.Tier, &ok, p.Order
	if !ok {
		out.Problems = append(out.Problems, m.tierProblem(d, p.Tier))
	}
	exists := v.state.Policies[p.ID] != nil || d.staged != nil && v.state.Staged[p.ID] != nil
	out.Exists = &exists
	types := []DraftTypes{}
	var invalid []DraftInvalid
	for _, dir := range []verdict.Direction{verdict.Ingress, verdict.Egress} {
		if p.Applies[dir] {
			types = append(types, map[verdict.Direction]DraftTypes{verdict.Ingress: "Ingress", verdict.Egress: "Egress"}[dir])
		}
		if p.Invalid[dir] {
			invalid = append(invalid, DraftInvalid(dir.String()))
		}
	}
	if out.Types = &types; invalid != nil {
		out.Invalid = &invalid
	}
	sentence := analysis.PolicySentence(p)
	applies := matches(analysis.AppliesTo(v.state, p), limit)
	rules := draftRules(v.state, p, limit)
	out.Sentence, out.AppliesTo, out.Rules = &sentence, &applies, &rules
	if tier != nil {
		out.Place = text(placeInWords(v.state, p))
	}
	if d.staged == nil {
		out.Warnings = append(out.Warnings, findings(v.state, d)...)
	}
}

func (m *Manager) tierProblem(d drafted, tier string) FieldProblem {
	p := model.Problem{Code: "tier-missing", Object: d.object.Name(), Path: "spec.tier", Message: "Tier \"" + tier + "\" does not exist, or you may not see it",
		Hint: "create the tier, or name one that exists"}
	p.Line, p.Column = d.object.Document.Position(p.Path)
	return told(p)
}

// placeInWords says between which policies one stands or would stand.
func placeInWords(s *model.State, p *model.Policy) string {
	var before, after *model.Policy
	for _, other := range s.Policies {
		if other.Tier != p.Tier || other.ID == p.ID {
			continue
		}
		if model.ComparePolicies(other, p) < 0 {
			if before == nil || model.ComparePolicies(before, other) < 0 {
				before = other
			}
		} else if after == nil || model.ComparePolicies(other, after) < 0 {
			after = other
		}
	}
	switch {
	case before == nil && after == nil:
		return "alone in tier " + p.Tier
	case before == nil:
		return "first in tier " + p.Tier + ", before " + after.ID.String()
	case after == nil:
		return "last in tier " + p.Tier + ", after " + before.ID.String()
	}
	return "after " + before.ID.String() + " and before " + after.ID.String()
}

func matches(m analysis.Matches, limit int) Matches {
	out := Matches{Anything: m.Anything, Count: len(m.Refs), Refs: append([]string{}, m.Refs[:min(len(m.Refs), limit)]...)}
	if len(m.Refs) > limit {
		pods := map[string]int{}
		for _, ref := range m.Refs {
			if namespace, _, ok := strings.Cut(ref, "/"); ok && !strings.Contains(namespace, ":") {
				pods[namespace]++
			}
		}
		out.Pods = &pods
	}
	if len(m.Nets) > 0 {
		nets := texts(m.Nets)
		out.Nets = &nets
	}
	return out
}

// draftRules has one element for each rule as it is written: several rules of
// the model can come from one of a Kubernetes policy.
func draftRules(s *model.State, p *model.Policy, limit int) []DraftRule {
	out := []DraftRule{}
	for _, d := range []verdict.Direction{verdict.Ingress, verdict.Egress} {
		for i := 0; i < len(p.Rules[d]); {
			first := p.Rules[d][i]
			var source, destination analysis.Matches
			var sentences []string
			n := 0
			for ; i < len(p.Rules[d]) && p.Rules[d][i].Index == first.Index; i, n = i+1, n+1 {
				r := p.Rules[d][i]
				source = union(source, analysis.PeerMatches(s, r.Source), n == 0)
				destination = union(destination, analysis.PeerMatches(s, r.Destination), n == 0)
				sentences = append(sentences, analysis.RuleSentence(r))
			}
			out = append(out, DraftRule{Direction: DraftRuleDirection(d.String()), Rule: first.Index, Action: DraftRuleAction(first.Action.String()),
				Sentence: joined(sentences), Source: matches(source, limit), Destination: matches(destination, limit)})
		}
	}
	return out
}

func union(a, b analysis.Matches, first bool) analysis.Matches {
	if first {
		return b
	}
	out := analysis.Matches{Anything: a.Anything || b.Anything, Refs: slices.Concat(a.Refs, b.Refs), Nets: slices.Concat(a.Nets, b.Nets)}
	seen := map[string]bool{}
	out.Refs = slices.DeleteFunc(out.Refs, func(ref string) bool { had := seen[ref]; seen[ref] = true; return had })
	return out
}

func joined(sentences []string) string {
	out := ""
	for i, s := range slices.Compact(sentences) {
		if i > 0 {
			out += " "
		}
		out += s
	}
	return out
}

// findings are what is right and probably not meant, in the state as if the
// draft were in it.
func findings(s *model.State, d drafted) []Warning {
	with := s.Clone()
	with.Apply(model.Put(d.policy))
	var all []Warning
	for _, p := range analysis.Findings(with, d.policy.ID) {
		line, column := d.object.Document.Within(p.Path, p.Offset)
		all = append(all, Warning{Code: p.Code, Path: text(p.Path), Line: number(line), Column: number(column), Message: p.Message, Hint: text(p.Hint)})
	}
	return all
}
