package translate

import (
	"errors"
	"slices"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

func networkPolicy(p *v3.NetworkPolicy, r *reporter) model.Object {
	s := &p.Spec
	out := &model.Policy{
		ID:    verdict.PolicyID{Kind: KindNetworkPolicy, Namespace: p.Namespace, Name: p.Name},
		Tier:  v3.TierOrDefault(s.Tier),
		Order: s.Order,
	}
	out.Applies = applies(s.Types, s.Ingress, s.Egress, r)
	own, ok1 := appliesSelector(s.Selector, "spec.selector", r)
	account, ok2 := appliesSelector(s.ServiceAccountSelector, "spec.serviceAccountSelector", r)
	if ok1 && ok2 {
		out.Selector = selector.And(own, selector.Equal(model.LabelNamespace, p.Namespace))
		if s.ServiceAccountSelector != "" {
			out.Selector = selector.And(out.Selector, account.Prefixed(model.PrefixServiceAcct))
		}
	}
	policyRules(out, s.Ingress, s.Egress, scope{namespace: p.Namespace}, r)
	return out
}

// globalNetworkPolicy rewrites the selectors as semantics.md section 6.1 says:
// with a namespace selector every all() means "is in a namespace", with a
// service account selector "runs as a service account".
func globalNetworkPolicy(p *v3.GlobalNetworkPolicy, r *reporter) model.Object {
	s := &p.Spec
	out := &model.Policy{
		ID:    verdict.PolicyID{Kind: KindGlobalNetworkPolicy, Name: p.Name},
		Tier:  v3.TierOrDefault(s.Tier),
		Order: s.Order,
	}
	out.Applies = applies(s.Types, s.Ingress, s.Egress, r)
	own, ok1 := appliesSelector(s.Selector, "spec.selector", r)
	namespace, ok2 := appliesSelector(s.NamespaceSelector, "spec.namespaceSelector", r)
	account, ok3 := appliesSelector(s.ServiceAccountSelector, "spec.serviceAccountSelector", r)
	if ok1 && ok2 && ok3 {
		out.Selector = own
		if s.NamespaceSelector != "" {
			out.Selector = narrow(out.Selector, namespace.Prefixed(model.PrefixNamespace), model.LabelNamespace)
		}
		if s.ServiceAccountSelector != "" {
			out.Selector = narrow(out.Selector, account.Prefixed(model.PrefixServiceAcct), model.LabelServiceAccount)
		}
	}
	policyRules(out, s.Ingress, s.Egress, scope{}, r)
	hostStages(out, s, r)
	return out
}

// narrow joins two selectors, with all() in either standing for what has the
// label.
func narrow(own, by *selector.Selector, label string) *selector.Selector {
	return selector.And(own.ReplaceAll(selector.Has(label)), by.ReplaceAll(selector.Has(label)))
}

// hostStages says in which stages of host endpoints a policy holds (semantics.md
// section 11), and what is wrong with that (section 3). One that asks for two
// that exclude each other denies in both.
func hostStages(out *model.Policy, s *v3.GlobalNetworkPolicySpec, r *reporter) {
	out.DoNotTrack, out.PreDNAT, out.ApplyOnForward = s.DoNotTrack, s.PreDNAT, s.ApplyOnForward
	if s.DoNotTrack && s.PreDNAT {
		r.add(problemf("stages-exclusive", "spec.preDNAT", "preDNAT and doNotTrack cannot both be true").
			hint("write two policies; until then this one denies in both stages"))
		out.Invalid = [2]bool{true, true}
	}
	if s.PreDNAT && len(s.Egress) > 0 {
		r.add(problemf("prednat-egress", "spec.egress", "preDNAT policy cannot have any egress rules").
			hint("remove them: a connection that begins here is never before its translation"))
	}
	if s.PreDNAT && slices.Contains(s.Types, v3.PolicyTypeEgress) {
		r.add(problemf("prednat-egress", "spec.types", "preDNAT policy cannot have 'Egress' type").hint("remove Egress from types"))
	}
	if (s.DoNotTrack || s.PreDNAT) && !s.ApplyOnForward {
		r.add(problemf("stage-forward", "spec.applyOnForward", "applyOnForward must be true if either preDNAT or doNotTrack is true").
			hint("write applyOnForward: true, since such policy meets forwarded traffic too"))
	}
}

func policyRules(out *model.Policy, ingress, egress []v3.Rule, s scope, r *reporter) {
	out.Rules[verdict.Ingress], out.Invalid[verdict.Ingress] = rules(ingress, "spec.ingress", s, r)
	s.egress = true
	out.Rules[verdict.Egress], out.Invalid[verdict.Egress] = rules(egress, "spec.egress", s, r)
}

func applies(types []v3.PolicyType, ingress, egress []v3.Rule, r *reporter) [2]bool {
	var out [2]bool
	for _, t := range v3.PolicyTypes(types, ingress, egress) {
		d := verdict.Ingress
		switch t {
		case v3.PolicyTypeEgress:
			d = verdict.Egress
		case v3.PolicyTypeIngress:
		default:
			r.add(typeInvalid("spec.types", string(t)))
			return [2]bool{true, true}
		}
		if out[d] {
			r.add(problemf("types-repeated", "spec.types", "'%s' type specified more than once", t).hint("remove the repetition"))
		}
		out[d] = true
	}
	return out
}

func typeInvalid(path, text string) finding {
	return problemf("types-invalid", path, "%q is not a type", text).
		hint("write Ingress or Egress; until then the policy applies in both directions")
}

// appliesSelector reads a selector that says what a policy applies to. It
// reports false if it cannot be read: the policy then selects nothing.
func appliesSelector(text, path string, r *reporter) (*selector.Selector, bool) {
	s, ok := parseSelector(text, path, r)
	if ok && s.UsesGlobal() {
		r.add(globalMisplaced(path))
		return nil, false
	}
	return s, ok
}

func globalMisplaced(path string) finding {
	return problemf("selector-global", path, "global() can only be used in an EntityRule namespaceSelector").
		hint("move it to the namespaceSelector of a rule's source or destination")
}

func parseSelector(text, path string, r *reporter) (*selector.Selector, bool) {
	s, err := selector.Parse(text)
	if err == nil {
		return s, true
	}
	f := problemf("selector-syntax", path, "%v", err)
	var e *selector.SyntaxError
	if errors.As(err, &e) {
		f.Offset = e.Offset
		f.Hint = e.Hint
	}
	r.add(f)
	return nil, false
}
