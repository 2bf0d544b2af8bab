package translate

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// emptyPodIP is the annotation by which a CNI plugin says that a pod that is
// being deleted has lost its address already.
const emptyPodIP = "cni.projectcalico.org/podIP"

func node(n *corev1.Node) *model.Node {
	out := &model.Node{Name: n.Name, Labels: n.Labels}
	for _, a := range n.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil {
			out.Addrs = append(out.Addrs, ip.Unmap())
		}
	}
	cidrs := n.Spec.PodCIDRs
	if len(cidrs) == 0 && n.Spec.PodCIDR != "" {
		cidrs = []string{n.Spec.PodCIDR}
	}
	for _, c := range cidrs {
		if p, err := netip.ParsePrefix(c); err == nil {
			out.PodNets = append(out.PodNets, p.Masked())
		}
	}
	return out
}

// pod returns nil for pods that are no endpoints: on the node's network, with
// no address, or finished (semantics.md section 5). One that is not scheduled
// has no address; the node is not asked for, since files for analysis often
// leave it out.
func pod(p *corev1.Pod) *model.Endpoint {
	if p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return nil
	}
	if ip, ok := p.Annotations[emptyPodIP]; ok && ip == "" && p.DeletionTimestamp != nil {
		return nil
	}
	addrs := podAddrs(p)
	if len(addrs) == 0 {
		return nil
	}
	account := p.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	labels := ownLabels(p.Labels)
	labels[model.LabelNamespace] = p.Namespace
	labels[model.LabelOrchestrator] = model.OrchestratorK8s
	labels[model.LabelServiceAccount] = account
	return &model.Endpoint{
		ID:             verdict.EndpointID{Kind: verdict.Pod, Namespace: p.Namespace, Name: p.Name},
		Node:           p.Spec.NodeName,
		Labels:         labels,
		ServiceAccount: account,
		Addrs:          addrs,
		Ports:          podPorts(p),
	}
}

func podAddrs(p *corev1.Pod) []netip.Addr {
	texts := []string{p.Status.PodIP}
	for _, ip := range p.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	var addrs []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(addrs, a.Unmap()) {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs
}

func podPorts(p *corev1.Pod) []model.NamedPort {
	var ports []model.NamedPort
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		for _, port := range c.Ports {
			if port.Name == "" || port.ContainerPort <= 0 || port.ContainerPort > 65535 {
				continue
			}
			ports = append(ports, model.NamedPort{
				Name: port.Name, Protocol: kubernetesProtocol(port.Protocol), Port: uint16(port.ContainerPort),
			})
		}
	}
	return ports
}

// kubernetesProtocols are the protocols that Kubernetes has.
func kubernetesProtocols() []corev1.Protocol {
	return []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
}

// kubernetesProtocol returns the number of a core/v1 protocol; none is TCP.
func kubernetesProtocol(p corev1.Protocol) uint8 {
	switch p {
	case corev1.ProtocolUDP:
		return verdict.UDP
	case corev1.ProtocolSCTP:
		return verdict.SCTP
	}
	return verdict.TCP
}

// ownLabels copies labels without those that would pass for labels inherited
// from the namespace or the service account.
func ownLabels(labels map[string]string) map[string]string {
	own := maps.Clone(labels)
	if own == nil {
		own = map[string]string{}
	}
	maps.DeleteFunc(own, func(k, _ string) bool {
		return strings.HasPrefix(k, model.PrefixNamespace) || strings.HasPrefix(k, model.PrefixServiceAcct)
	})
	return own
}
