package manager

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// seen returns what the request's user sees; it answers and returns nil if that
// cannot be found out.
func (m *Manager) seen(w http.ResponseWriter, r *http.Request) *view {
	s := sessionIn(r)
	v, err := m.viewOf(r.Context(), s)
	if err != nil {
		m.fail(w, s, err)
		return nil
	}
	return v
}

// asked reads what a request asks, and finds out what its user sees; it answers
// and returns false if one of them cannot be had.
func asked[T any](m *Manager, w http.ResponseWriter, r *http.Request) (in T, v *view, ok bool) {
	if v = m.seen(w, r); v == nil {
		return in, nil, false
	}
	return in, v, read(w, r, &in)
}

// fail tells an error of the API server, and ends the session if it is that its
// token is not taken any more.
func (m *Manager) fail(w http.ResponseWriter, s *session, err error) {
	p := m.problemOf(err)
	if p.Status == http.StatusUnauthorized && s != nil {
		m.sessions.dropSession(s)
	}
	fail(w, p)
}

// row is what lists tell of an endpoint.
func (v *view) row(e *model.Endpoint) EndpointRow {
	n := v.index().Policies(e.ID)
	out := EndpointRow{Ref: e.ID.String(), Kind: "Pod", Namespace: text(e.ID.Namespace), Name: e.ID.Name, Node: text(e.Node), Interface: text(e.Interface),
		ServiceAccount: text(e.ServiceAccount), Labels: labelsOf(e.Labels), Addresses: texts(e.Addrs), IngressPolicies: n[verdict.Ingress], EgressPolicies: n[verdict.Egress]}
	if e.ID.Kind == verdict.Host {
		out.Kind = "HostEndpoint"
	}
	return out
}

func labelsOf(m map[string]string) Labels {
	if m == nil {
		return Labels{}
	}
	return m
}

func texts[T fmt.Stringer](in []T) []string {
	out := make([]string, 0, len(in))
	for _, x := range in {
		out = append(out, x.String())
	}
	return out
}

// endpointHas reports whether every word is in the endpoint's name, an address
// or a label.
func endpointHas(e *model.Endpoint, words []string) bool {
	for _, w := range words {
		if !endpointHasWord(e, w) {
			return false
		}
	}
	return true
}

func endpointHasWord(e *model.Endpoint, w string) bool {
	if strings.Contains(e.ID.String(), w) || strings.Contains(strings.ToLower(e.Node), w) {
		return true
	}
	for _, a := range e.Addrs {
		if strings.Contains(a.String(), w) {
			return true
		}
	}
	for k, value := range e.Labels {
		if strings.Contains(strings.ToLower(k+"="+value), w) {
			return true
		}
	}
	return false
}

// ListEndpoints implements ServerInterface.
func (m *Manager) ListEndpoints(w http.ResponseWriter, r *http.Request, params ListEndpointsParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	keep, err := v.endpointFilter(params)
	if err != nil {
		p := problem(http.StatusBadRequest, "invalid", err.Error())
		var syntax *selector.SyntaxError
		if errors.As(err, &syntax) {
			p.Offset = &syntax.Offset
		}
		fail(w, p)
		return
	}
	var found []*model.Endpoint
	for _, e := range v.index().Endpoints {
		if keep(e) {
			found = append(found, e)
		}
	}
	sorted(found, string(some(params.Sort)), map[string]func(a, b *model.Endpoint) int{
		"name":      func(a, b *model.Endpoint) int { return cmp.Compare(a.ID.Name, b.ID.Name) },
		"namespace": func(a, b *model.Endpoint) int { return cmp.Compare(a.ID.Namespace, b.ID.Namespace) },
		"node":      func(a, b *model.Endpoint) int { return cmp.Compare(a.Node, b.Node) },
	})
	page, total, offset := cut(found, params.Limit, params.Offset)
	out := EndpointPage{Items: make([]EndpointRow, 0, len(page)), Total: total, Offset: offset, View: v.info()}
	for _, e := range page {
		out.Items = append(out.Items, v.row(e))
	}
	answer(w, out)
}

func (v *view) endpointFilter(params ListEndpointsParams) (func(*model.Endpoint) bool, error) {
	sel, err := selector.Parse(some(params.Selector))
	if err != nil {
		return nil, err
	}
	sel = sel.ReplaceGlobal(selector.Not(selector.Has(model.LabelNamespace)))
	var policy verdict.PolicyID
	if params.Policy != nil && *params.Policy != "" {
		var ok bool
		if policy, ok = verdict.ParsePolicyID(*params.Policy); !ok {
			return nil, fmt.Errorf("%q is not the name of a policy: write Kind/namespace/name", *params.Policy)
		}
	}
	all, kind, namespaces, node := words(params.Q), string(some(params.Kind)), some(params.Namespace), some(params.Node)
	return func(e *model.Endpoint) bool {
		n := v.index().Policies(e.ID)
		switch {
		case kind == "Pod" && e.ID.Kind != verdict.Pod, kind == "HostEndpoint" && e.ID.Kind != verdict.Host,
			!allowed(namespaces, e.ID.Namespace), node != "" && e.Node != node,
			some(params.Unprotected) && n[0] > 0 && n[1] > 0,
			!policy.IsZero() && !v.index().Applies(policy, e.ID):
			return false
		}
		return (sel.IsAll() || sel.Matches(v.state.Labels(e))) && endpointHas(e, all)
	}, nil
}

// GetEndpoint implements ServerInterface.
func (m *Manager) GetEndpoint(w http.ResponseWriter, r *http.Request, params GetEndpointParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	e := v.endpoint(params.Ref)
	if e == nil {
		fail(w, problem(http.StatusNotFound, "not-found", "no endpoint that you may see is called "+params.Ref))
		return
	}
	effective, err := analysis.Effective(v.state, params.Ref)
	if err != nil {
		fail(w, problem(http.StatusUnprocessableEntity, "invalid", err.Error()))
		return
	}
	out := EndpointDetail{Endpoint: v.row(e), Inherited: v.inherited(e), Profiles: append([]string{}, e.Profiles...), Ports: []NamedPort{},
		Ingress: direction(effective.Ingress), Egress: direction(effective.Egress), View: v.info()}
	if len(effective.Stages) > 0 {
		stages := []EffectiveStage{}
		for _, s := range effective.Stages {
			stages = append(stages, EffectiveStage{Stage: s.Stage, Direction: EffectiveStageDirection(s.Direction), Tiers: effectiveTiers(s.Tiers)})
		}
		out.Stages = &stages
	}
	for _, p := range e.Ports {
		out.Ports = append(out.Ports, NamedPort{Name: p.Name, Port: fmt.Sprintf("%s/%d", strings.ToLower(verdict.ProtocolName(p.Protocol)), p.Port)})
	}
	answer(w, out)
}

// inherited are the labels that an endpoint has of its namespace and service
// account, or of its profiles.
func (v *view) inherited(e *model.Endpoint) Labels {
	out := Labels{}
	for _, name := range slices.Backward(e.Profiles) {
		if p := v.state.Profiles[name]; p != nil {
			for k, value := range p.Labels {
				out[k] = value
			}
		}
	}
	if e.ID.Kind != verdict.Pod {
		return out
	}
	if n := v.state.Namespaces[e.ID.Namespace]; n != nil {
		for k, value := range n.Labels {
			out[model.PrefixNamespace+k] = value
		}
		out[model.PrefixNamespace+model.LabelName] = n.Name
	}
	if a := v.state.ServiceAccounts[model.Key{Kind: model.KindServiceAccount, Namespace: e.ID.Namespace, Name: e.ServiceAccount}]; a != nil {
		for k, value := range a.Labels {
			out[model.PrefixServiceAcct+k] = value
		}
		out[model.PrefixServiceAcct+model.LabelName] = a.Name
	}
	return out
}

func direction(d analysis.EffectiveDirection) EffectiveDirection {
	return EffectiveDirection{Then: d.Then, Tiers: effectiveTiers(d.Tiers)}
}

func effectiveTiers(all []analysis.EffectiveTier) []EffectiveTier {
	out := []EffectiveTier{}
	for _, t := range all {
		tier := EffectiveTier{Tier: t.Tier, Order: t.Order, End: EffectiveTierEnd(t.End), Missing: flag(t.Missing), Policies: []EffectivePolicy{}}
		for _, p := range t.Policies {
			tier.Policies = append(tier.Policies, EffectivePolicy{Policy: p.Policy, Order: p.Order, Rules: p.Rules, Actions: p.Actions, Invalid: flag(p.Invalid)})
		}
		out = append(out, tier)
	}
	return out
}

func flag(b bool) *bool {
	if !b {
		return nil
	}
	return &b
}
