package manager

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/replay"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// Preview implements ServerInterface.
func (m *Manager) Preview(w http.ResponseWriter, r *http.Request) {
	in, v, ok := asked[PreviewQuery](m, w, r)
	if !ok {
		return
	}
	limit := 500
	if in.Limit != nil {
		limit = min(max(*in.Limit, 1), 5000)
	}
	out := Preview{Problems: []FieldProblem{}, Groups: []Group{}, Changes: []Change{}, View: v.info()}
	change, p := m.previewedChange(v, in, &out.Problems)
	switch {
	case p != nil:
		fail(w, *p)
		return
	case change == nil:
		answer(w, out)
		return
	}
	changes := v.enforced(*change)
	v.compiled(func(c *compile.Compiler, t *table.Tables, s *model.State) {
		out.fill(analysis.PreviewOf(s, c, t, limit, changes...))
	})
	answer(w, out)
}

// previewedChange reads what is asked about as the change that it makes: nil if a
// text says nothing, and then why is in problems.
func (m *Manager) previewedChange(v *view, in PreviewQuery, problems *[]FieldProblem) (*model.Change, *Problem) {
	if (in.Yaml == nil) == (in.Delete == nil) {
		p := problem(http.StatusBadRequest, "invalid", "send either yaml or delete")
		return nil, &p
	}
	if in.Delete != nil {
		key, p := v.deletion(*in.Delete)
		if p != nil {
			return nil, p
		}
		return new(model.Delete(key)), nil
	}
	if change, ok := m.previewed(v, *in.Yaml, problems); ok {
		return &change, nil
	}
	return nil, nil
}

// GetStagedPossible implements ServerInterface. It asks the tables, no flows.
func (m *Manager) GetStagedPossible(w http.ResponseWriter, r *http.Request, params GetStagedPossibleParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	limit := 100
	if params.Limit != nil {
		limit = min(max(*params.Limit, 1), 1000)
	}
	var changes []model.Change
	for _, id := range slices.SortedFunc(maps.Keys(v.state.Staged), func(a, b verdict.PolicyID) int { return cmp.Compare(a.String(), b.String()) }) {
		changes = append(changes, v.enforced(model.Put(v.state.Staged[id]))...)
	}
	out := Preview{Problems: []FieldProblem{}, Groups: []Group{}, Changes: []Change{}, View: v.info()}
	v.compiled(func(c *compile.Compiler, t *table.Tables, s *model.State) {
		out.fill(analysis.PreviewOf(s, c, t, limit, changes...))
	})
	answer(w, out)
}

// previewed reads a text as the change that saving it makes; false if it says
// nothing, and then problems has why.
func (m *Manager) previewed(v *view, yaml string, problems *[]FieldProblem) (model.Change, bool) {
	d := readDraft(yaml)
	refused := d.object == nil
	for _, p := range d.problems {
		*problems = append(*problems, told(p))
		refused = refused || server.Refuses(p)
	}
	if d.policy != nil && v.state.Tiers[d.policy.Tier] == nil {
		*problems = append(*problems, m.tierProblem(d, d.policy.Tier))
		refused = true
	}
	if refused {
		return model.Change{}, false
	}
	if d.staged != nil {
		return model.Put(d.staged), true
	}
	object, _ := translate.Object(d.object.Value)
	if object == nil || !previewable(object.Key().Kind) {
		*problems = append(*problems, FieldProblem{Code: "not-previewed", Object: d.object.Name(), Path: text("kind"),
			Message: "what a " + d.object.Kind.Name + " changes is not previewed", Hint: text("policies, tiers and network sets are")})
		return model.Change{}, false
	}
	return model.Put(object), true
}

// previewable reports whether a kind is what policy is made of, and not an
// endpoint.
func previewable(k model.Kind) bool {
	switch k {
	case model.KindPolicy, model.KindStagedPolicy, model.KindTier, model.KindNetworkSet, model.KindGlobalNetworkSet:
		return true
	}
	return false
}

// deletion finds an object that the user sees by Kind/namespace/name.
func (v *view) deletion(name string) (model.Key, *Problem) {
	id, ok := verdict.ParsePolicyID(name)
	if !ok {
		p := problem(http.StatusBadRequest, "invalid", "write Kind/namespace/name")
		return model.Key{}, &p
	}
	var key model.Key
	there := false
	switch id.Kind {
	case "Tier":
		key, there = (&model.Tier{Name: id.Name}).Key(), v.state.Tiers[id.Name] != nil && v.showsTier(id.Name)
	case "NetworkSet", "GlobalNetworkSet":
		key = (&model.NetworkSet{Namespace: id.Namespace, Name: id.Name}).Key()
		there = v.state.NetworkSets[key] != nil && key.Kind.String() == id.Kind
	default:
		if key, there = model.PolicyKey(id), v.state.Policies[id] != nil; !there {
			key, there = model.StagedKey(id), v.state.Staged[id] != nil
		}
	}
	if !there {
		p := problem(http.StatusNotFound, "not-found", name+" does not exist, or you may not see it")
		return model.Key{}, &p
	}
	return key, nil
}

// enforced returns the changes of what is enforced. A staged policy is
// previewed as if it were enforced, and its deletion changes nothing.
func (v *view) enforced(ch model.Change) []model.Change {
	if ch.Key.Kind != model.KindStagedPolicy {
		return []model.Change{ch}
	}
	staged, ok := ch.Object.(*model.StagedPolicy)
	if !ok {
		return nil
	}
	var changes []model.Change
	if v.state.Policies[staged.Replaces] != nil {
		changes = append(changes, model.Delete(model.PolicyKey(staged.Replaces)))
	}
	if staged.Policy != nil {
		changes = append(changes, model.Put(staged.Policy))
	}
	return changes
}

// PreviewFlows implements ServerInterface.
func (m *Manager) PreviewFlows(w http.ResponseWriter, r *http.Request) {
	in, v, ok := asked[PreviewQuery](m, w, r)
	if !ok {
		return
	}
	out := PreviewFlows{Denied: []StagedChange{}, Allowed: []StagedChange{}, View: v.info()}
	a, err := m.replayable(r, v)
	if err != nil {
		m.failWith(w, r, m.problemOf(err))
		return
	}
	problems := []FieldProblem{}
	change, p := m.previewedChange(v, in, &problems)
	switch {
	case p != nil:
		fail(w, *p)
		return
	case change == nil:
		a.why = "the text is refused as it stands: " + problems[0].Message
	}
	if a.why != "" {
		out.Unavailable = &Unavailable{Reason: a.why}
		answer(w, out)
		return
	}
	then := v.state.Clone()
	then.Apply(v.enforced(*change)...)
	changed, err := a.replay(r.Context(), flow.Filter{}, replay.New(v.state, then))
	if err != nil {
		m.failWith(w, r, m.problemOf(err))
		return
	}
	out.Denied, out.Allowed, out.Unchanged, out.Unknown = changed.Denied, changed.Allowed, int64(changed.Unchanged), int64(changed.Unknown)
	if page, err := a.flows.Page(r.Context(), a.Access, flow.Filter{Limit: 1}); err == nil && !page.Oldest.IsZero() {
		out.Oldest = new(page.Oldest.UTC())
	}
	answer(w, out)
}

// fill takes over what the analysis found.
func (p *Preview) fill(from *analysis.Preview) {
	p.Allowed, p.Denied, p.Total = from.Allowed, from.Denied, from.Total
	if from.Stages {
		p.Problems = append(p.Problems, FieldProblem{Code: "preview-stages", Message: "only what policies do in the normal stage is compared",
			Hint: text("there are policies with doNotTrack, preDNAT or applyOnForward; what those do to other connections is not in this list")})
	}
	for i, g := range from.Groups {
		p.Groups = append(p.Groups, groupOf(i, g))
	}
	for _, c := range from.Changes {
		out := Change{From: groupID(c.From), To: groupID(c.To), Verdict: ChangeVerdict(c.Verdict.String()), Ports: []PortChange{}}
		for _, x := range c.Ports {
			port := PortChange{Ports: x.Ports.String(), Because: text(x.Because), Before: text(x.Before)}
			if !x.Policy.IsZero() {
				port.Policy = x.Policy.String()
			}
			out.Ports = append(out.Ports, port)
		}
		p.Changes = append(p.Changes, out)
	}
}

func groupID(i int) string { return fmt.Sprintf("g%d", i) }

func groupOf(i int, g analysis.PreviewGroup) Group {
	const most = 50
	out := Group{Id: groupID(i), Kind: GroupKind(g.Kind), Title: g.Example, Refs: append([]string{}, g.Refs[:min(len(g.Refs), most)]...)}
	if g.Kind == analysis.PreviewAddresses {
		out.Title = "outside, such as " + g.Example
		return out
	}
	if out.Count = len(g.Refs); out.Count > 1 {
		out.Title = fmt.Sprintf("%s and %d more", g.Example, out.Count-1)
	}
	return out
}
