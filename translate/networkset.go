package translate

import (
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
)

// networkSet translates both kinds; a global one has no namespace. Labels that
// would pass for inherited ones are left out, as on pods: else whoever may
// write a set in one namespace could make it stand in for another.
func networkSet(m metav1.ObjectMeta, spec v3.NetworkSetSpec, r *reporter) model.Object {
	n := &model.NetworkSet{Namespace: m.Namespace, Name: m.Name, Labels: ownLabels(m.Labels)}
	if _, ok := n.Labels[model.LabelNamespace]; ok {
		r.add(problemf("label-reserved", "metadata.labels", "%s is not a valid label name", model.LabelNamespace).
			hint("remove the label; the namespace is the object's own"))
		delete(n.Labels, model.LabelNamespace)
	}
	if m.Namespace != "" {
		n.Labels[model.LabelNamespace] = m.Namespace
	}
	for i, text := range spec.Nets {
		p, err := parseNet(text)
		if err != nil {
			r.add(problemf("net-syntax", fmt.Sprintf("spec.nets[%d]", i), "%q is neither a CIDR nor an address", text).
				hint("write for instance 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"))
			continue
		}
		n.Nets = append(n.Nets, p.Masked())
	}
	if len(spec.Nets) == 0 && len(spec.AllowedEgressDomains) == 0 {
		r.add(problemf("set-empty", "spec.nets", "the set holds nothing").
			hint("add nets or allowedEgressDomains; until then no rule matches because of this set").warning())
	}
	for i, text := range spec.AllowedEgressDomains {
		p, wrong := parseDomain(text, fmt.Sprintf("spec.allowedEgressDomains[%d]", i))
		if wrong != nil {
			r.add(*wrong)
			continue
		}
		n.Domains = append(n.Domains, p)
	}
	return n
}

// parseNet reads a CIDR, masked or not, or an address, which stands for its
// /32 or /128. IPv4 addresses written as IPv6 are IPv4.
func parseNet(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96), nil
	}
	return p, nil
}
