package translate

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// kubernetesPolicy translates a networking.k8s.io policy: tier default, order
// 1000, all rules Allow (semantics.md section 12).
func kubernetesPolicy(p *networkingv1.NetworkPolicy, r *reporter) model.Object {
	order := v3.KubernetesPolicyOrder
	out := &model.Policy{
		ID:    verdict.PolicyID{Kind: KindKubernetesNetworkPolicy, Namespace: p.Namespace, Name: p.Name},
		Tier:  v3.DefaultTier,
		Order: &order,
	}
	out.Applies = kubernetesApplies(p, r)
	if s, ok := labelSelector(&p.Spec.PodSelector, "", "spec.podSelector", r); ok {
		out.Selector = selector.And(selector.Equal(model.LabelOrchestrator, model.OrchestratorK8s), s,
			selector.Equal(model.LabelNamespace, p.Namespace))
	}
	for i, rule := range p.Spec.Ingress {
		k := &kubernetesRule{ruleReader{reporter: r, path: fmt.Sprintf("spec.ingress[%d]", i), scope: scope{namespace: p.Namespace}}}
		k.into(out, i, rule.Ports, rule.From, "from")
	}
	for i, rule := range p.Spec.Egress {
		k := &kubernetesRule{ruleReader{reporter: r, path: fmt.Sprintf("spec.egress[%d]", i), scope: scope{namespace: p.Namespace, egress: true}}}
		k.into(out, i, rule.Ports, rule.To, "to")
	}
	return out
}

// kubernetesApplies returns the directions of a policy; both if one cannot be
// read, as for the other kinds.
func kubernetesApplies(p *networkingv1.NetworkPolicy, r *reporter) [2]bool {
	var out [2]bool
	for _, t := range v3.KubernetesPolicyTypes(p.Spec.PolicyTypes, p.Spec.Egress) {
		switch t {
		case networkingv1.PolicyTypeIngress:
			out[verdict.Ingress] = true
		case networkingv1.PolicyTypeEgress:
			out[verdict.Egress] = true
		default:
			r.add(typeInvalid("spec.policyTypes", string(t)))
			return [2]bool{true, true}
		}
	}
	return out
}

// kubernetesRule translates one rule into as many as it has combinations of
// protocol and peer, all with its index.
type kubernetesRule struct{ ruleReader }

func (k *kubernetesRule) into(p *model.Policy, index int, ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer, field string) {
	d := verdict.Ingress
	if k.scope.egress {
		d = verdict.Egress
	}
	byProtocol, ok := k.portsByProtocol(ports)
	all := []model.Peer{{}}
	if len(peers) > 0 {
		all = nil
		for i := range peers {
			all = append(all, k.kubernetesPeer(&peers[i], fmt.Sprintf(".%s[%d]", field, i)))
		}
	}
	p.Invalid[d] = p.Invalid[d] || k.unreadable
	if !ok { // dropped and reported, the rest of the policy holds
		return
	}
	for _, pp := range byProtocol {
		for _, peer := range all {
			rule := model.Rule{Index: index, Action: verdict.ActionAllow, Protocol: pp.protocol, Source: peer}
			if k.scope.egress {
				rule.Source, rule.Destination = model.Peer{}, peer
			}
			rule.Destination.Ports, rule.Destination.NamedPorts = pp.ports, pp.names
			p.Rules[d] = append(p.Rules[d], rule)
		}
	}
}

// protocolPorts is the ports of one protocol; no ports and no names are all of
// them.
type protocolPorts struct {
	protocol *uint8
	ports    []model.PortRange
	names    []string
}

// portsByProtocol groups the ports by protocol. It reports false if one cannot
// be read: the whole rule is dropped then.
func (k *kubernetesRule) portsByProtocol(in []networkingv1.NetworkPolicyPort) ([]protocolPorts, bool) {
	if len(in) == 0 {
		return []protocolPorts{{}}, true
	}
	var protocols []uint8
	ranges := map[uint8][]model.PortRange{}
	names := map[uint8][]string{}
	whole := map[uint8]bool{}
	good := true
	for i, port := range in {
		path := fmt.Sprintf(".ports[%d]", i)
		if p := port.Protocol; p != nil && !slices.Contains(kubernetesProtocols(), *p) {
			k.warn(problemf("protocol-invalid", path+".protocol", "%q is not a protocol", *p).
				hint("write TCP, UDP or SCTP; the rule is not used until it is mended"))
			good = false
			continue
		}
		n := verdict.TCP
		if port.Protocol != nil {
			n = kubernetesProtocol(*port.Protocol)
		}
		protocols = append(protocols, n)
		if port.Port == nil && port.EndPort == nil {
			whole[n] = true
			continue
		}
		if port.Port != nil && port.Port.Type == intstr.String {
			names[n] = append(names[n], port.Port.StrVal)
			continue
		}
		r, ok := k.portRange(port, path)
		good = good && ok
		ranges[n] = append(ranges[n], r)
	}
	slices.Sort(protocols)
	var out []protocolPorts
	for _, n := range slices.Compact(protocols) {
		pp := protocolPorts{protocol: &n, ports: ranges[n], names: names[n]}
		if whole[n] {
			pp.ports, pp.names = nil, nil
		}
		out = append(out, pp)
	}
	return out, good
}

// portRange reads a port's number and the end of its range. It reports false if
// the rule must be dropped for it.
func (k *kubernetesRule) portRange(port networkingv1.NetworkPolicyPort, path string) (model.PortRange, bool) {
	const dropped = "the rule is not used until it is mended"
	if port.Port == nil {
		k.warn(problemf("port-invalid", path+".endPort", "endPort %d has no port to begin at", *port.EndPort).hint(dropped))
		return model.PortRange{}, false
	}
	from, to := port.Port.IntVal, port.Port.IntVal
	if port.EndPort != nil {
		to = *port.EndPort
	}
	if from < 1 || to > 65535 || to < from {
		k.warn(problemf("port-invalid", path, "ports %d to %d are not a range of 1 to 65535", from, to).hint(dropped))
		return model.PortRange{}, false
	}
	return model.PortRange{From: uint16(from), To: uint16(to)}, true
}

func (k *kubernetesRule) kubernetesPeer(in *networkingv1.NetworkPolicyPeer, path string) model.Peer {
	if b := in.IPBlock; b != nil {
		return model.Peer{
			Nets:    k.blocks([]string{b.CIDR}, path+".ipBlock.cidr"),
			NotNets: k.blocks(b.Except, path+".ipBlock.except"),
		}
	}
	place := selector.Equal(model.LabelNamespace, k.scope.namespace)
	if in.NamespaceSelector != nil {
		s, ok := labelSelector(in.NamespaceSelector, model.PrefixNamespace, k.path+path+".namespaceSelector", k.reporter)
		k.unreadable = k.unreadable || !ok
		place = s.ReplaceAll(selector.Has(model.LabelNamespace))
	}
	pods := selector.All()
	if in.PodSelector != nil {
		s, ok := labelSelector(in.PodSelector, "", k.path+path+".podSelector", k.reporter)
		k.unreadable = k.unreadable || !ok
		pods = s
	}
	return model.Peer{Selector: selector.And(place, selector.Equal(model.LabelOrchestrator, model.OrchestratorK8s), pods)}
}

// blocks reads CIDRs, which Kubernetes takes unmasked too.
func (k *kubernetesRule) blocks(in []string, path string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range in {
		p, err := parseNet(text)
		if err != nil {
			k.fail(problemf("net-syntax", path, "invalid CIDR: %q", text).hint("write for instance 10.0.0.0/8 or 2001:db8::/32"))
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}

// labelSelector translates a Kubernetes label selector, each key with the
// prefix. It reports false for an operator that does not exist.
func labelSelector(in *metav1.LabelSelector, prefix, path string, r *reporter) (*selector.Selector, bool) {
	var terms []*selector.Selector
	for _, k := range sortedKeys(in.MatchLabels) {
		terms = append(terms, selector.Equal(prefix+k, in.MatchLabels[k]))
	}
	for i, e := range in.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			terms = append(terms, selector.In(prefix+e.Key, e.Values...))
		case metav1.LabelSelectorOpNotIn:
			terms = append(terms, selector.Not(selector.In(prefix+e.Key, e.Values...)))
		case metav1.LabelSelectorOpExists:
			terms = append(terms, selector.Has(prefix+e.Key))
		case metav1.LabelSelectorOpDoesNotExist:
			terms = append(terms, selector.Not(selector.Has(prefix+e.Key)))
		default:
			r.add(problemf("selector-operator", fmt.Sprintf("%s.matchExpressions[%d].operator", path, i), "%q is not an operator", e.Operator).
				hint("write In, NotIn, Exists or DoesNotExist"))
			return selector.All(), false
		}
	}
	return selector.And(terms...), true
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
