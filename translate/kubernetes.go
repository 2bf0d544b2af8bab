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
	for _, t := range v3.KubernetesPolicyTypes(p.Spec.PolicyTypes, p.Spec.Egress) {
		out.Applies[direction(t)] = true
	}
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

func direction(t networkingv1.PolicyType) verdict.Direction {
	if t == networkingv1.PolicyTypeEgress {
		return verdict.Egress
	}
	return verdict.Ingress
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
	if !ok { // dropped and reported, the rest of the policy holds
		return
	}
	all := []model.Peer{{}}
	if len(peers) > 0 {
		all = nil
		for i := range peers {
			all = append(all, k.kubernetesPeer(&peers[i], fmt.Sprintf(".%s[%d]", field, i)))
		}
	}
	p.Invalid[d] = p.Invalid[d] || k.unreadable
	for _, pp := range byProtocol {
		for _, peer := range all {
			rule := model.Rule{Index: index, Action: verdict.ActionAllow, Protocol: pp.protocol, Source: peer}
			if k.scope.egress {
				rule.Source, rule.Destination = model.Peer{}, peer
			}
			rule.Destination.Ports = pp.ports
			p.Rules[d] = append(p.Rules[d], rule)
		}
	}
}

// protocolPorts is the ports of one protocol; nil ports are all of them.
type protocolPorts struct {
	protocol *uint8
	ports    []model.PortRange
}

// portsByProtocol groups the ports by protocol. It reports false if one cannot be: the
// whole rule is dropped then.
func (k *kubernetesRule) portsByProtocol(in []networkingv1.NetworkPolicyPort) ([]protocolPorts, bool) {
	if len(in) == 0 {
		return []protocolPorts{{}}, true
	}
	var protocols []uint8
	ranges := map[uint8][]model.PortRange{}
	whole := map[uint8]bool{}
	good := true
	for i, port := range in {
		n := verdict.TCP
		if port.Protocol != nil {
			n = kubernetesProtocol(*port.Protocol)
		}
		protocols = append(protocols, n)
		if port.Port == nil {
			whole[n] = true
			continue
		}
		if port.Port.Type == intstr.String {
			k.fail(problemf("not-supported", fmt.Sprintf(".ports[%d].port", i), "named ports are not supported by this version").
				hint("write the number; until then the policy denies everything in this direction"))
			continue
		}
		end := port.Port.IntVal
		if port.EndPort != nil {
			end = *port.EndPort
		}
		if port.Port.IntVal < 1 || end > 65535 || end < port.Port.IntVal {
			k.warn(problemf("port-invalid", fmt.Sprintf(".ports[%d]", i), "ports %d to %d are not a range of 1 to 65535", port.Port.IntVal, end).
				hint("the rule is not used until it is mended"))
			good = false
			continue
		}
		ranges[n] = append(ranges[n], model.PortRange{From: uint16(port.Port.IntVal), To: uint16(end)})
	}
	slices.Sort(protocols)
	var out []protocolPorts
	for _, n := range slices.Compact(protocols) {
		pp := protocolPorts{protocol: &n, ports: ranges[n]}
		if whole[n] {
			pp.ports = nil
		}
		out = append(out, pp)
	}
	return out, good
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
