package manager

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// filter is what leaves policies on the board.
type filter struct {
	words                   []string
	tiers, kinds, namespace []string
	endpoint                string
	only                    string
}

func some[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

func newFilter(q *Q, tiers *InTier, kinds *PolicyKind, namespaces *Namespaces, endpoint *Endpoint, only string) filter {
	return filter{words: words(q), tiers: some(tiers), kinds: some(kinds), namespace: some(namespaces), endpoint: some(endpoint), only: only}
}

// words are what is looked for, each for itself; quotes are alike.
func words(q *Q) []string {
	return strings.Fields(strings.ToLower(strings.ReplaceAll(some(q), `"`, "'")))
}

// contains reports whether each word is in one of the texts.
func contains(words []string, texts ...string) bool {
	for _, w := range words {
		if !slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), w) }) {
			return false
		}
	}
	return true
}

// found reports whether each word is in what a policy is found by: its name with
// the namespace, its tier and its selector, and no word of its sentence. One with
// a slash may be of the whole name as commands write it, Kind/namespace/name.
func found(words []string, c PolicyCard) bool {
	by := []string{some(c.Namespace), c.Name, c.Tier, strings.ReplaceAll(some(c.Selector), `"`, "'")}
	for _, w := range words {
		if !contains([]string{w}, by...) && !(strings.Contains(w, "/") && contains([]string{w}, c.Id)) {
			return false
		}
	}
	return true
}

func allowed(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

func (f filter) shows(v *view, c PolicyCard) bool {
	if !allowed(f.tiers, c.Tier) || !allowed(f.kinds, c.Kind) || !allowed(f.namespace, some(c.Namespace)) ||
		!found(f.words, c) {
		return false
	}
	switch f.only {
	case "problems":
		if len(c.Problems) == 0 {
			return false
		}
	case "staged":
		if !c.Staged {
			return false
		}
	case "unused":
		if c.Endpoints > 0 {
			return false
		}
	}
	if f.endpoint == "" {
		return true
	}
	id, ok := verdict.ParsePolicyID(c.Id)
	e := v.endpoint(f.endpoint)
	return ok && e != nil && v.index().Applies(id, e.ID)
}

// endpoint finds an endpoint by its reference.
func (v *view) endpoint(ref string) *model.Endpoint {
	if name, ok := strings.CutPrefix(ref, "hep:"); ok {
		return v.state.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: name}]
	}
	ns, name, _ := strings.Cut(ref, "/")
	return v.state.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}]
}

// card is what the board tells of a policy.
func (v *view) card(p *model.Policy, place int) PolicyCard {
	c := PolicyCard{
		Id: p.ID.String(), Kind: p.ID.Kind, Namespace: text(p.ID.Namespace), Name: p.ID.Name, Tier: p.Tier, Order: p.Order, Place: number(place),
		Types: []PolicyCardTypes{}, Endpoints: v.index().Count(p.ID), Selector: text(analysis.SelectorText(p)), IngressRules: ruleCount(p, verdict.Ingress), EgressRules: ruleCount(p, verdict.Egress),
		Sentence: analysis.PolicySentence(p), Problems: toldAll(v.problems()[p.ID.String()]), Movable: analysis.Movable(p.ID.Kind),
	}
	for d, name := range map[verdict.Direction]PolicyCardTypes{verdict.Ingress: "Ingress", verdict.Egress: "Egress"} {
		if p.Applies[d] {
			c.Types = append(c.Types, name)
		}
	}
	slices.SortFunc(c.Types, func(a, b PolicyCardTypes) int { return cmp.Compare(b, a) }) // Ingress first
	if p.Invalid[0] || p.Invalid[1] || p.Selector == nil {
		yes := true
		c.Invalid = &yes
	}
	var options []PolicyCardOptions
	for name, on := range map[PolicyCardOptions]bool{"DoNotTrack": p.DoNotTrack, "PreDNAT": p.PreDNAT, "ApplyOnForward": p.ApplyOnForward} {
		if on {
			options = append(options, name)
		}
	}
	if slices.Sort(options); options != nil {
		c.Options = &options
	}
	return c
}

// ruleCount counts rules as they are written.
func ruleCount(p *model.Policy, d verdict.Direction) int {
	n, last := 0, -1
	for _, r := range p.Rules[d] {
		if r.Index != last {
			n, last = n+1, r.Index
		}
	}
	return n
}

// stagedCard is a card for a policy that is not enforced.
func (v *view) stagedCard(s *model.StagedPolicy) PolicyCard {
	set, remove := PolicyCardStagedAction("Set"), PolicyCardStagedAction("Delete")
	var c PolicyCard
	if s.Policy != nil {
		c = v.card(s.Policy, 0)
		c.StagedAction = &set
	} else {
		c = PolicyCard{Id: s.ID.String(), Kind: s.ID.Kind, Namespace: text(s.ID.Namespace), Name: s.ID.Name, Tier: v.stagedTier(s),
			Types: []PolicyCardTypes{}, Sentence: "Would delete " + s.Replaces.String() + ".", Problems: toldAll(v.problems()[s.ID.String()]), StagedAction: &remove}
		if old := v.state.Policies[s.Replaces]; old != nil {
			c.Order = old.Order
		}
	}
	c.Staged, c.Movable, c.Replaces = true, false, text(s.Replaces.String())
	return c
}

// stagedTier is the tier that a staged policy is shown in: its own, or that of
// what it would delete.
func (v *view) stagedTier(s *model.StagedPolicy) string {
	if s.Policy != nil {
		return s.Policy.Tier
	}
	if old := v.state.Policies[s.Replaces]; old != nil {
		return old.Tier
	}
	return v3.DefaultTier
}

// board puts the whole board together, without a filter.
func (v *view) board() []BoardTier {
	var tiers []model.OrderedTier
	placed := map[string]bool{}
	for _, t := range v.index().Tiers {
		tiers, placed[t.Name] = append(tiers, t), true
	}
	for name, t := range v.state.Tiers {
		if !placed[name] {
			tiers, placed[name] = append(tiers, model.OrderedTier{Tier: t}), true
		}
	}
	staged := map[string][]*model.StagedPolicy{}
	for _, s := range v.state.Staged {
		tier := v.stagedTier(s)
		if staged[tier] = append(staged[tier], s); !placed[tier] {
			tiers, placed[tier] = append(tiers, model.OrderedTier{Tier: &model.Tier{Name: tier}, Missing: true}), true
		}
	}
	slices.SortFunc(tiers, model.CompareTiers)
	var out []BoardTier
	for _, t := range tiers {
		if len(staged[t.Name]) == 0 && !t.Missing && !v.showsTier(t.Name) {
			continue
		}
		b := BoardTier{Name: t.Name, Order: t.Order, End: "Deny", Missing: t.Missing, Builtin: builtin(t.Name), Policies: v.column(t, staged[t.Name])}
		if t.Pass {
			b.End = "Pass"
		}
		b.Total = len(b.Policies)
		out = append(out, b)
	}
	return out
}

func builtin(tier string) bool {
	return slices.ContainsFunc(model.BuiltinTiers(), func(t *model.Tier) bool { return t.Name == tier })
}

// column puts staged policies where they would stand: before what they replace.
func (v *view) column(t model.OrderedTier, staged []*model.StagedPolicy) []PolicyCard {
	type entry struct {
		policy *model.Policy
		staged *model.StagedPolicy
	}
	var all []entry
	for _, p := range t.Policies {
		all = append(all, entry{policy: p})
	}
	for _, s := range staged {
		p := s.Policy
		if p == nil {
			if p = v.state.Policies[s.Replaces]; p == nil {
				p = &model.Policy{ID: s.Replaces}
			}
		}
		all = append(all, entry{policy: p, staged: s})
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		if c := model.ComparePolicies(a.policy, b.policy); c != 0 {
			return c
		}
		return cmp.Compare(rank(a.staged), rank(b.staged))
	})
	cards, place := []PolicyCard{}, 0
	for _, e := range all {
		if e.staged != nil {
			cards = append(cards, v.stagedCard(e.staged))
			continue
		}
		place++
		cards = append(cards, v.card(e.policy, place))
	}
	return cards
}

func rank(s *model.StagedPolicy) int {
	if s == nil {
		return 0
	}
	return 1
}

// GetBoard implements ServerInterface.
func (m *Manager) GetBoard(w http.ResponseWriter, r *http.Request, params GetBoardParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	f := newFilter(params.Q, params.Tier, params.Kind, params.Namespace, params.Endpoint, string(some(params.Only)))
	out := Board{Tiers: []BoardTier{}, View: v.info()}
	for _, t := range v.cards() {
		out.Total += len(t.Policies)
		if !allowed(f.tiers, t.Name) {
			continue
		}
		t.Policies = slices.DeleteFunc(slices.Clone(t.Policies), func(c PolicyCard) bool { return !f.shows(v, c) })
		v.programmed(t.Policies)
		out.Shown += len(t.Policies)
		out.Tiers = append(out.Tiers, t)
	}
	answer(w, out)
}

// ListPolicies implements ServerInterface.
func (m *Manager) ListPolicies(w http.ResponseWriter, r *http.Request, params ListPoliciesParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	f := newFilter(params.Q, params.Tier, params.Kind, params.Namespace, params.Endpoint, string(some(params.Only)))
	all := []PolicyCard{}
	for _, t := range v.cards() {
		for _, c := range t.Policies {
			if f.shows(v, c) {
				all = append(all, c)
			}
		}
	}
	sorted(all, string(some(params.Sort)), map[string]func(a, b PolicyCard) int{
		"name":      func(a, b PolicyCard) int { return cmp.Compare(a.Name, b.Name) },
		"namespace": func(a, b PolicyCard) int { return cmp.Compare(some(a.Namespace), some(b.Namespace)) },
		"kind":      func(a, b PolicyCard) int { return cmp.Compare(a.Kind, b.Kind) },
		"tier":      func(a, b PolicyCard) int { return cmp.Compare(a.Tier, b.Tier) },
		"order":     func(a, b PolicyCard) int { return model.CompareOrder(a.Order, b.Order) },
		"endpoints": func(a, b PolicyCard) int { return cmp.Compare(a.Endpoints, b.Endpoints) },
	})
	items, total, offset := cut(all, params.Limit, params.Offset)
	v.programmed(items)
	answer(w, PolicyPage{Items: items, Total: total, Offset: offset, View: v.info()})
}

// sorted sorts by a column, with - before it for descending; other names leave
// the order as it is.
func sorted[T any](all []T, by string, columns map[string]func(a, b T) int) {
	name, down := strings.CutPrefix(by, "-")
	compare := columns[name]
	if compare == nil {
		return
	}
	slices.SortStableFunc(all, func(a, b T) int {
		if down {
			return compare(b, a)
		}
		return compare(a, b)
	})
}

// cut returns one page.
func cut[T any](all []T, limit *Limit, offset *Offset) (items []T, total, first int) {
	n := 100
	if limit != nil {
		n = min(max(*limit, 1), 1000)
	}
	first = min(max(some(offset), 0), len(all))
	items = all[first:min(first+n, len(all))]
	if items == nil {
		items = []T{}
	}
	return items, len(all), first
}
