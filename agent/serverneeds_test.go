package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
)

func nodeAt(name, addr string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1"}, Status: corev1.NodeStatus{
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: addr}}}}
}

// TestServerNeeds: on the node of Tierwall's server, policy that keeps the API
// server or agents from it, or it from the API server, is warned of; on others it is
// nobody's business.
func TestServerNeeds(t *testing.T) {
	allow, deny := []v3.Rule{{Action: "Allow"}}, []v3.Rule{{Action: "Deny"}}
	both := []v3.PolicyType{"Ingress", "Egress"}
	from := func(nets ...string) []v3.Rule {
		return []v3.Rule{{Action: "Allow", Source: v3.EntityRule{Nets: nets}}}
	}
	for _, c := range []struct {
		name, server string
		spec         v3.GlobalNetworkPolicySpec
		want         string
	}{
		{"open", "https://10.1.0.2:5473", v3.GlobalNetworkPolicySpec{Types: both, Ingress: allow, Egress: allow}, ""},
		{"closed", "https://10.1.0.2:5473", v3.GlobalNetworkPolicySpec{Types: both, Ingress: deny, Egress: deny},
			"admission by Tierwall's server, from the API server at 192.0.2.9 (ingress rule 0), reports of other nodes to Tierwall's server (ingress rule 0), " +
				"the API server, for Tierwall's server, at 192.0.2.9:6443 (egress rule 0)"},
		{"to agents", "https://10.1.0.2:5473", v3.GlobalNetworkPolicySpec{Types: both, Ingress: from("192.0.2.9/32"), Egress: allow},
			"reports of other nodes to Tierwall's server (no rule of tier default allows it)"},
		{"to the API server", "https://10.1.0.2:5473", v3.GlobalNetworkPolicySpec{Types: both, Ingress: from("192.0.2.2/32"), Egress: allow},
			"admission by Tierwall's server, from the API server at 192.0.2.9 (no rule of tier default allows it)"},
		// its own node, which is 192.0.2.1, need not be let in
		{"to all others", "https://10.1.0.2:5473", v3.GlobalNetworkPolicySpec{Types: both, Ingress: from("192.0.2.9/32", "192.0.2.2/32"), Egress: allow}, ""},
		{"elsewhere", "https://10.2.0.2:5473", v3.GlobalNetworkPolicySpec{Types: both, Ingress: deny, Egress: deny}, ""},
		{"not known", "", v3.GlobalNetworkPolicySpec{Types: both, Ingress: deny, Egress: deny}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.host <- hostEvent{all: newHost()}
			r.agent.needs.setServer(receiver{url: c.server})
			server := podOn("server", "n1", "10.1.0.2", "1")
			server.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "webhook", ContainerPort: 9443}}}}
			name, port, tcp := "https", int32(6443), corev1.ProtocolTCP
			c.spec.Selector = "all()"
			must(t, r.pods.Replace([]any{
				nodeAt("n1", "192.0.2.1"), nodeAt("n2", "192.0.2.2"), server, podOn("other", "n1", "10.1.0.3", "1"),
				&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes", ResourceVersion: "1", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
					AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.9"}}},
					Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}}},
				hostPolicy("p", 1, c.spec),
			}, "1"))
			r.sure()
			var want map[string]string
			if c.want != "" {
				want = map[string]string{"GlobalNetworkPolicy//p": c.want}
			}
			if diff := cmp.Diff(want, r.agent.guard.said); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
