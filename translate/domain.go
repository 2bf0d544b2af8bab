package translate

import (
	"fmt"
	"net/netip"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/domain"
)

// domainHint says what a domain may be.
const domainHint = "write a name such as www.example.com, or one with a wildcard for whole labels that is not the last, such as *.example.com"

// parseDomain reads a domain at a path, or says what is wrong with it.
func parseDomain(text, path string) (domain.Pattern, *finding) {
	p, err := domain.ParsePattern(text)
	if _, isAddress := netip.ParseAddr(text); isAddress == nil {
		f := problemf("domain-syntax", path, "%q is an address, not a domain", text).hint("write it in nets")
		return domain.Pattern{}, &f
	}
	if err != nil {
		f := problemf("domain-syntax", path, "%q is not a domain: %v", text, err).hint("%s", domainHint)
		return domain.Pattern{}, &f
	}
	return p, nil
}

// misplacedDomains reports domains where they mean nothing: names are learned
// for what pods ask, so they can say where a connection may go, and an address
// that is not known to have a name may have it all the same (semantics.md section
// 16).
func (r *ruleReader) misplacedDomains(in *v3.Rule) {
	const message = "domains can only be used in the destination of an egress Allow rule"
	if len(in.Source.Domains) > 0 {
		r.fail(problemf("domain-misplaced", ".source.domains", message).hint("write nets, or a selector of network sets with nets"))
	}
	switch {
	case len(in.Destination.Domains) == 0:
	case !r.scope.egress:
		r.fail(problemf("domain-misplaced", ".destination.domains", message).hint("the destination of an ingress rule is the endpoint itself; remove the field"))
	case in.Action != v3.Allow:
		r.fail(problemf("domain-misplaced", ".destination.domains", message).
			hint("allow the domains that are wanted, and deny the rest: an address may have names that nobody has asked for"))
	}
}

// domains reads the domains of a destination.
func (r *ruleReader) domains(in *v3.EntityRule, path string) (out []domain.Pattern) {
	path += ".domains"
	for i, text := range atMost(r, in.Domains, maxNets, path, "put the domains into a NetworkSet or GlobalNetworkSet and select it by a label") {
		p, wrong := parseDomain(text, fmt.Sprintf("%s[%d]", path, i))
		if wrong != nil {
			r.fail(*wrong)
			continue
		}
		out = append(out, p)
	}
	others := len(in.Nets) > 0 || in.Selector != "" || in.NotSelector != "" || in.NamespaceSelector != "" || in.ServiceAccounts != nil || in.Services != nil
	if len(in.Domains) > 0 && others {
		r.fail(problemf("domain-combined", path, "domains cannot be combined with nets, selectors, serviceAccounts or services").hint("write two rules"))
	}
	return out
}
