package translate

import (
	"fmt"
	"net/netip"

	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// The tiers of the two kinds of ClusterNetworkPolicy (semantics.md section 12).
const (
	tierAdmin    = "kube-admin"
	tierBaseline = "kube-baseline"
)

// clusterNetworkPolicy translates a policy.networking.k8s.io policy: its
// priority is its order, Accept is Allow, and it has the types of which it has
// rules (semantics.md section 12).
func clusterNetworkPolicy(p *policyv1alpha2.ClusterNetworkPolicy, r *reporter) model.Object {
	order := float64(p.Spec.Priority)
	out := &model.Policy{
		ID:      verdict.PolicyID{Kind: KindClusterNetworkPolicy, Name: p.Name},
		Order:   &order,
		Tier:    clusterTier(p.Spec.Tier, r),
		Applies: [2]bool{len(p.Spec.Ingress) > 0, len(p.Spec.Egress) > 0},
	}
	if s, ok := clusterSubject(&p.Spec.Subject, r); ok {
		out.Selector = s
	}
	for i := range p.Spec.Ingress {
		in := &p.Spec.Ingress[i]
		c := &clusterRule{ruleReader: ruleReader{reporter: r, path: fmt.Sprintf("spec.ingress[%d]", i)}, field: "from"}
		for j := range in.From {
			peer := policyv1alpha2.ClusterNetworkPolicyEgressPeer{Namespaces: in.From[j].Namespaces, Pods: in.From[j].Pods}
			c.peer(&peer, fmt.Sprintf(".from[%d]", j))
		}
		out.Rules[verdict.Ingress] = append(out.Rules[verdict.Ingress], c.rules(i, in.Name, in.Action, in.Protocols)...)
	}
	for i := range p.Spec.Egress {
		in := &p.Spec.Egress[i]
		c := &clusterRule{ruleReader: ruleReader{reporter: r, path: fmt.Sprintf("spec.egress[%d]", i), scope: scope{egress: true}}, field: "to", accepts: in.Action == policyv1alpha2.ClusterNetworkPolicyRuleActionAccept}
		for j := range in.To {
			c.peer(&in.To[j], fmt.Sprintf(".to[%d]", j))
		}
		out.Rules[verdict.Egress] = append(out.Rules[verdict.Egress], c.rules(i, in.Name, in.Action, in.Protocols)...)
	}
	return out
}

// clusterTier returns the tier. A policy of a tier that does not exist applies
// after all others, as those of the other kinds do.
func clusterTier(t policyv1alpha2.Tier, r *reporter) string {
	switch t {
	case policyv1alpha2.AdminTier:
		return tierAdmin
	case policyv1alpha2.BaselineTier:
		return tierBaseline
	}
	r.add(problemf("cnp-tier", "spec.tier", "%q is not a tier of a ClusterNetworkPolicy", t).
		hint("write Admin or Baseline; until then the policy applies after all tiers"))
	return "clusternetworkpolicy:" + string(t)
}

// clusterSubject returns the pods that a policy applies to. Host endpoints are
// never among them.
func clusterSubject(s *policyv1alpha2.ClusterNetworkPolicySubject, r *reporter) (*selector.Selector, bool) {
	switch {
	case s.Namespaces != nil && s.Pods == nil:
		place, ok := labelSelector(s.Namespaces, model.PrefixNamespace, "spec.subject.namespaces", r)
		return selector.And(inSome(place), isPod()), ok
	case s.Pods != nil && s.Namespaces == nil:
		return namespacedPods(s.Pods, "spec.subject.pods", r)
	}
	r.add(problemf("cnp-subject", "spec.subject", "exactly one of namespaces and pods says what a policy applies to").
		hint("write one of them; until then the policy applies to nothing"))
	return nil, false
}

func isPod() *selector.Selector {
	return selector.Equal(model.LabelOrchestrator, model.OrchestratorK8s)
}

// inSome narrows a selector of namespaces to what is in one, so that one which
// asks for the absence of a label takes in nothing else.
func inSome(place *selector.Selector) *selector.Selector {
	return selector.And(selector.Has(model.LabelNamespace), place)
}

func namespacedPods(p *policyv1alpha2.NamespacedPod, path string, r *reporter) (*selector.Selector, bool) {
	place, ok1 := labelSelector(&p.NamespaceSelector, model.PrefixNamespace, path+".namespaceSelector", r)
	pods, ok2 := labelSelector(&p.PodSelector, "", path+".podSelector", r)
	return selector.And(inSome(place), isPod(), pods), ok1 && ok2
}

// clusterRule translates one rule into as many as it has combinations of peer
// and protocol, all with its index.
type clusterRule struct {
	ruleReader
	field string // from or to
	// accepts says that the rule's action is Accept.
	accepts bool
	peers   []model.Peer
}

func (c *clusterRule) peer(in *policyv1alpha2.ClusterNetworkPolicyEgressPeer, path string) {
	var out model.Peer
	var ok bool
	switch {
	case in.Namespaces != nil:
		var place *selector.Selector
		place, ok = labelSelector(in.Namespaces, model.PrefixNamespace, c.path+path+".namespaces", c.reporter)
		out.Selector = inSome(place)
	case in.Pods != nil:
		out.Selector, ok = namespacedPods(in.Pods, c.path+path+".pods", c.reporter)
	case in.Nodes != nil:
		out.Nodes, ok = labelSelector(in.Nodes, "", c.path+path+".nodes", c.reporter)
	case len(in.Networks) > 0:
		out.Nets, ok = c.networks(in.Networks, path+".networks"), true
	case len(in.DomainNames) > 0:
		out.Domains, ok = c.domainNames(in.DomainNames, path+".domainNames"), true
	default:
		c.fail(problemf("cnp-peer", path, "the peer says nothing that is known here").
			hint("write namespaces, pods, nodes, networks or domainNames; %s", onceUnread))
		return
	}
	c.unreadable = c.unreadable || !ok
	c.peers = append(c.peers, out)
}

// onceUnread is what becomes of a rule that cannot be read.
const onceUnread = "until then a rule that denies or passes denies everything at its place, and one that accepts is left out"

func (c *clusterRule) networks(in []policyv1alpha2.CIDR, path string) []netip.Prefix {
	var out []netip.Prefix
	for i, text := range in {
		p, err := parseNet(string(text))
		if err != nil {
			c.fail(problemf("net-syntax", fmt.Sprintf("%s[%d]", path, i), "invalid CIDR: %q", text).
				hint("write for instance 10.0.0.0/8 or 2001:db8::/32; %s", onceUnread))
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}

func (c *clusterRule) domainNames(in []policyv1alpha2.DomainName, path string) (out []domain.Pattern) {
	for i, text := range in {
		p, wrong := parseDomain(string(text), fmt.Sprintf("%s[%d]", path, i))
		if wrong != nil {
			c.fail(wrong.hint("%s; %s", wrong.Hint, onceUnread))
			continue
		}
		out = append(out, p)
	}
	if !c.accepts {
		c.fail(problemf("domain-misplaced", path, "domainNames can only be used in a rule that accepts").hint("%s", onceUnread))
	}
	return out
}

// clusterPort is what one entry of protocols matches.
type clusterPort struct {
	protocol *uint8
	ports    []model.PortRange
	names    []string
}

func (c *clusterRule) protocols(in []policyv1alpha2.ClusterNetworkPolicyProtocol) []clusterPort {
	if in == nil {
		return []clusterPort{{}}
	}
	if len(in) == 0 {
		c.fail(problemf("cnp-protocol", ".protocols", "a list of protocols needs at least one").hint("leave the field out to match all; %s", onceUnread))
	}
	var out []clusterPort
	for i := range in {
		path := fmt.Sprintf(".protocols[%d]", i)
		p := &in[i]
		switch {
		case p.TCP != nil:
			out = append(out, c.numbered(verdict.TCP, p.TCP.DestinationPort, path+".tcp"))
		case p.UDP != nil:
			out = append(out, c.numbered(verdict.UDP, p.UDP.DestinationPort, path+".udp"))
		case p.SCTP != nil:
			out = append(out, c.numbered(verdict.SCTP, p.SCTP.DestinationPort, path+".sctp"))
		case p.DestinationNamedPort != "":
			out = append(out, clusterPort{names: []string{p.DestinationNamedPort}})
		default:
			c.fail(problemf("cnp-protocol", path, "the protocol is none that is known here").
				hint("write tcp, udp, sctp or destinationNamedPort; %s", onceUnread))
		}
	}
	return out
}

func (c *clusterRule) numbered(n uint8, port *policyv1alpha2.Port, path string) clusterPort {
	out := clusterPort{protocol: &n}
	if port == nil {
		return out
	}
	from, to := port.Number, port.Number
	if port.Range != nil {
		from, to = port.Range.Start, port.Range.End
	}
	if from < 1 || to > 65535 || to < from {
		c.fail(problemf("port-invalid", path+".destinationPort", "ports %d to %d are not a range of 1 to 65535", from, to).hint("%s", onceUnread))
		return out
	}
	out.ports = []model.PortRange{{From: uint16(from), To: uint16(to)}}
	return out
}

// rules puts the rule together. One that cannot be read fails closed.
func (c *clusterRule) rules(index int, name string, action policyv1alpha2.ClusterNetworkPolicyRuleAction, protocols []policyv1alpha2.ClusterNetworkPolicyProtocol) []model.Rule {
	actions := map[policyv1alpha2.ClusterNetworkPolicyRuleAction]verdict.Action{
		policyv1alpha2.ClusterNetworkPolicyRuleActionAccept: verdict.ActionAllow,
		policyv1alpha2.ClusterNetworkPolicyRuleActionDeny:   verdict.ActionDeny,
		policyv1alpha2.ClusterNetworkPolicyRuleActionPass:   verdict.ActionPass,
	}
	act, known := actions[action]
	if !known {
		c.fail(problemf("action-invalid", ".action", "%q is not an action of a ClusterNetworkPolicy", action).
			hint("write Accept, Deny or Pass; until then the rule denies everything at its place"))
	}
	if len(c.peers) == 0 && !c.unreadable {
		c.fail(problemf("cnp-peer", "."+c.field, "a rule needs at least one peer").hint("%s", onceUnread))
	}
	ports := c.protocols(protocols)
	rule := model.Rule{Index: index, Action: act}
	if name != "" {
		rule.Annotations = map[string]string{"name": name}
	}
	if c.unreadable {
		if act == verdict.ActionAllow {
			return nil
		}
		rule.Action = verdict.ActionDeny
		return []model.Rule{rule}
	}
	var out []model.Rule
	for _, p := range ports {
		for _, peer := range c.peers {
			one := rule
			one.Protocol, one.Source = p.protocol, peer
			if c.scope.egress {
				one.Source, one.Destination = model.Peer{}, peer
			}
			one.Destination.Ports, one.Destination.NamedPorts = p.ports, p.names
			out = append(out, one)
		}
	}
	return out
}
