package translate

import (
	"fmt"
	"net/netip"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// scope is where a rule stands.
type scope struct {
	// namespace is the policy's, empty for global ones.
	namespace string
	egress    bool
}

// rules translates the rules of one direction. It reports true if one of them
// cannot be read, or if there are more than are allowed: the direction is then
// denied whole, not half applied.
func rules(in []v3.Rule, path string, s scope, r *reporter) (out []model.Rule, invalid bool) {
	if len(in) > maxRules {
		r.add(tooLong(path, len(in), maxRules, "rules", "write several policies, or put nets and ports of one action into one rule"))
		in, invalid = in[:maxRules], true
	}
	for i := range in {
		rr := &ruleReader{reporter: r, path: fmt.Sprintf("%s[%d]", path, i), scope: s}
		rule := rr.rule(&in[i])
		rule.Index = i
		out = append(out, rule)
		invalid = invalid || rr.unreadable
	}
	return out, invalid
}

// ruleReader translates one rule.
type ruleReader struct {
	*reporter
	path       string
	scope      scope
	unreadable bool
}

// fail reports what makes the rule unreadable.
func (r *ruleReader) fail(f finding) {
	r.unreadable = true
	f.Path = r.path + f.Path
	r.add(f)
}

// warn reports what is wrong with a rule whose meaning is clear all the same.
func (r *ruleReader) warn(f finding) {
	f.Path = r.path + f.Path
	r.add(f)
}

func (r *ruleReader) rule(in *v3.Rule) model.Rule {
	var out model.Rule
	switch in.Action {
	case v3.Allow:
		out.Action = verdict.ActionAllow
	case v3.Deny:
		out.Action = verdict.ActionDeny
	case v3.Pass:
		out.Action = verdict.ActionPass
	case v3.Log:
		out.Action = verdict.ActionLog
	default:
		r.fail(problemf("action-invalid", ".action", "%q is not an action", in.Action).hint("write Allow, Deny, Pass or Log"))
	}
	if in.Metadata != nil {
		out.Annotations = in.Metadata.Annotations
	}
	if in.IPVersion != nil {
		if *in.IPVersion != 4 && *in.IPVersion != 6 {
			r.fail(problemf("ip-version-invalid", ".ipVersion", "%d is not an IP version", *in.IPVersion).hint("write 4 or 6"))
		} else {
			out.IPVersion = uint8(*in.IPVersion)
		}
	}
	out.Protocol = r.protocol(in.Protocol, ".protocol")
	out.NotProtocol = r.protocol(in.NotProtocol, ".notProtocol")
	r.protocolFamily(out.Protocol, out.IPVersion)
	r.protocolFamily(out.NotProtocol, out.IPVersion)
	r.icmp(in, &out)
	r.http(in, &out)
	out.Source = r.peer(&in.Source, ".source", out.Protocol)
	out.Destination = r.peer(&in.Destination, ".destination", out.Protocol)
	r.misplacedDomains(in)
	out.Destination.Domains = r.domains(&in.Destination, ".destination")
	out.Source.Service = r.service(&in.Source, ".source", r.scope.egress)
	out.Destination.Service = r.service(&in.Destination, ".destination", !r.scope.egress)
	r.families(&out)
	return out
}

func (r *ruleReader) protocol(p *v3.Protocol, path string) *uint8 {
	if p == nil {
		return nil
	}
	n, err := p.Number()
	if err != nil {
		r.fail(problemf("protocol-invalid", path, "%v: %q", err, *p).
			hint("write TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255"))
		return nil
	}
	return &n
}

// protocolFamily reports ICMP in a rule for IPv6 and ICMPv6 in one for IPv4.
func (r *ruleReader) protocolFamily(protocol *uint8, ipVersion uint8) {
	if protocol == nil || ipVersion == 0 {
		return
	}
	if want := map[uint8]uint8{verdict.ICMP: 4, verdict.ICMPv6: 6}[*protocol]; want != 0 && want != ipVersion {
		r.warn(problemf("protocol-family", ".ipVersion", "protocol %s requires ipVersion %d", verdict.ProtocolName(*protocol), want).
			hint("write ipVersion: %d or leave it out", want))
	}
}

func (r *ruleReader) peer(in *v3.EntityRule, path string, protocol *uint8) model.Peer {
	out := model.Peer{
		Nets:    r.nets(in.Nets, path+".nets"),
		NotNets: r.nets(in.NotNets, path+".notNets"),
	}
	out.Ports, out.NamedPorts = r.ports(in.Ports, path+".ports", protocol)
	out.NotPorts, out.NotNamedPorts = r.ports(in.NotPorts, path+".notPorts", protocol)
	for i, n := range out.NotNets {
		if n.Bits() == 0 {
			r.warn(problemf("net-catch-all", fmt.Sprintf("%s.notNets[%d]", path, i),
				"catch-all CIDR in negation creates logical contradiction (matches no traffic)").hint("remove it; the rule never matches"))
		}
	}
	r.selectors(in, path, &out)
	return out
}

// selectors puts the selectors of an entity together (semantics.md section
// 6.2).
func (r *ruleReader) selectors(in *v3.EntityRule, path string, out *model.Peer) {
	var place *selector.Selector // nsPart
	if in.NamespaceSelector != "" {
		place = r.namespaceSelector(in.NamespaceSelector, path+".namespaceSelector")
	} else if r.scope.namespace != "" {
		place = selector.Equal(model.LabelNamespace, r.scope.namespace)
	}
	var body []*selector.Selector
	if a := in.ServiceAccounts; a != nil {
		if len(a.Names) > 0 {
			names := atMost(r, a.Names, maxAccounts, path+".serviceAccounts.names", "label the accounts and write a selector")
			body = append(body, selector.In(model.LabelServiceAccount, names...))
		}
		if a.Selector != "" {
			s := r.selector(a.Selector, path+".serviceAccounts.selector")
			body = append(body, s.Prefixed(model.PrefixServiceAcct))
		}
	}
	if in.Selector != "" {
		body = append(body, r.selector(in.Selector, path+".selector"))
	}
	scoped := len(body) > 0 || in.NotSelector != "" || in.NamespaceSelector != "" || in.ServiceAccounts != nil
	if place != nil && scoped {
		body = append([]*selector.Selector{place}, body...)
	}
	if len(body) > 0 {
		out.Selector = selector.And(body...)
	}
	if in.NotSelector == "" {
		return
	}
	not := r.selector(in.NotSelector, path+".notSelector")
	if out.Selector != nil {
		out.Selector = selector.And(out.Selector, selector.Not(not))
	} else {
		out.NotSelector = not
	}
}

func (r *ruleReader) namespaceSelector(text, path string) *selector.Selector {
	s := r.parse(text, path)
	if s.UsesGlobal() && !s.IsGlobal() {
		r.fail(problemf("selector-global", path, "global() cannot be combined with other selectors").
			hint("write global() alone, in a rule of its own"))
	}
	namespaced := selector.Has(model.LabelNamespace)
	return s.Prefixed(model.PrefixNamespace).ReplaceAll(namespaced).ReplaceGlobal(selector.Not(namespaced))
}

func (r *ruleReader) selector(text, path string) *selector.Selector {
	s := r.parse(text, path)
	if s.UsesGlobal() {
		r.fail(globalMisplaced(path))
	}
	return s
}

// parse returns all() for what cannot be read; the rule is not used then.
func (r *ruleReader) parse(text, path string) *selector.Selector {
	s, ok := parseSelector(text, r.path+path, r.reporter)
	if !ok {
		r.unreadable = true
		s = selector.All()
	}
	return s
}

func (r *ruleReader) nets(in []string, path string) []netip.Prefix {
	in = atMost(r, in, maxNets, path, "put the nets into a NetworkSet or GlobalNetworkSet and select it by a label")
	r.distinct(in, path)
	var out []netip.Prefix
	for i, text := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		p, err := parseNet(text)
		switch {
		case err != nil:
			r.fail(problemf("net-syntax", at, "invalid CIDR: %q", text).hint("write for instance 10.0.0.0/8 or 2001:db8::/32"))
		case p != p.Masked():
			r.fail(problemf("net-not-masked", at, "%q has bits set behind its prefix length", text).hint("write %s", p.Masked()))
		default:
			out = append(out, p)
		}
	}
	return out
}

func (r *ruleReader) ports(in []v3.Port, path string, protocol *uint8) (numbers []model.PortRange, names []string) {
	in = atMost(r, in, maxPorts, path, "write ranges, such as \"8000:8080\", or several rules")
	for i, p := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch err := p.Err(); {
		case err != nil:
			r.fail(problemf("port-invalid", at, "%v: %q", err, p.String()).hint("write a number from 1 to 65535, a range as \"8000:8080\" or a name"))
		case protocol != nil && !verdict.HasPorts(*protocol):
			r.fail(problemf("port-protocol", at, "rules that specify ports must set protocol to TCP or UDP or SCTP").
				hint("%s has no ports", verdict.ProtocolName(*protocol)))
		case !p.IsNumeric():
			names = append(names, p.Name)
		case protocol == nil:
			r.fail(problemf("port-protocol", at, "rules with numeric port or port range must set protocol to TCP or UDP or SCTP").
				hint("add protocol: TCP to the rule, or another that has ports"))
		default:
			numbers = append(numbers, model.PortRange{From: p.Min, To: p.Max})
		}
	}
	return numbers, names
}

// families reports rules that mix IPv4 and IPv6.
func (r *ruleReader) families(rule *model.Rule) {
	seen := map[bool]bool{}
	for _, nets := range [][]netip.Prefix{rule.Source.Nets, rule.Source.NotNets, rule.Destination.Nets, rule.Destination.NotNets} {
		for _, n := range nets {
			seen[n.Addr().Is4()] = true
		}
	}
	switch {
	case seen[true] && seen[false]:
		r.warn(problemf("net-families", "", "rule contains both IPv4 and IPv6 CIDRs").hint("write one rule for each family"))
	case rule.IPVersion == 4 && seen[false], rule.IPVersion == 6 && seen[true]:
		r.warn(problemf("net-families", ".ipVersion", "rule IP version doesn't match CIDR version").hint("the rule never matches"))
	}
}
