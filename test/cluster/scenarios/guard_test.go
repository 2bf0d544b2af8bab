package scenarios

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestGuard: a policy that cuts a node's kubelet is said to do so as soon as it
// does; the node keeps what failsafe ports leave it, hears that the policy is
// gone, and is reached again.
func TestGuard(t *testing.T) {
	w := newWorld(t)
	w.installed()
	node := w.nodes[1]
	w.pod("server", node)
	n, err := w.client.CoreV1().Nodes().Get(w.ctx, node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kubelet := net.JoinHostPort(n.Status.Addresses[0].Address, "10250")
	// everything is open: a host endpoint without policy is closed
	w.global("GlobalNetworkPolicy", w.namespace+"-open", fmt.Sprintf(`
spec: {selector: scenario == '%s', order: 200, types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}`, w.namespace))
	w.global("HostEndpoint", w.namespace, fmt.Sprintf(`
spec: {node: %s, interfaceName: eth0}`, node))
	closes := w.namespace + "-close"
	if !dials(kubelet) {
		t.Fatal("the kubelet does not answer to begin with")
	}
	w.global("GlobalNetworkPolicy", closes, fmt.Sprintf(`
spec:
  selector: scenario == '%s'
  order: 100
  types: [Ingress, Egress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [10250]}}, {action: Pass}]
  egress: [{action: Deny, protocol: TCP}, {action: Pass}]`, w.namespace))
	w.until("the kubelet to be cut", func() bool { return !dials(kubelet) })
	said := w.condition(closes)
	if said.Reason != "CutsNode" || !strings.Contains(said.Message, "node "+node+": ") || !strings.Contains(said.Message, "the kubelet") {
		t.Errorf("the kubelet is cut, and the policy's status says %q: %s", said.Reason, said.Message)
	}
	if strings.Contains(said.Message, "the API server") {
		t.Errorf("the way to the API server is left open by failsafe ports: %s", said.Message)
	}
	if _, err := w.run("server", "/bin/true"); err == nil {
		t.Error("a command is run in a pod, though the API server does not get to the kubelet")
	}
	// the kubelet itself gets out to the API server
	cut := time.Now()
	w.until("the kubelet to tell that it lives", func() bool {
		lease, err := w.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(w.ctx, node, metav1.GetOptions{})
		return err == nil && lease.Spec.RenewTime.After(cut)
	})
	w.drop("globalnetworkpolicies", closes)
	w.until("the kubelet to be reached again", func() bool { return dials(kubelet) })
	if _, err := w.run("server", "/bin/true"); err != nil {
		t.Error(err)
	}
}

// TestGuardOfServer: a policy that keeps the API server from Tierwall's server
// is said to do so; nothing can be written then, and it can be taken back.
func TestGuardOfServer(t *testing.T) {
	w := newWorld(t)
	w.installed()
	name := w.namespace + "-server"
	w.global("GlobalNetworkPolicy", name, `
spec: {selector: app.kubernetes.io/component == 'server', namespaceSelector: projectcalico.org/name == 'tierwall', types: [Ingress]}`)
	w.until("the status of the policy", func() bool {
		said := w.condition(name)
		return said.Reason == "CutsNode" && strings.Contains(said.Message, "admission by Tierwall's server, from the API server") &&
			strings.Contains(said.Message, "reports of other nodes to Tierwall's server")
	})
	w.drop("globalnetworkpolicies", name)
	w.until("policies to be written again", func() bool { return w.tryApply(onlyFriend) == nil })
}

// dials says whether somebody answers there.
func dials(at string) bool {
	c, err := net.DialTimeout("tcp", at, 500*time.Millisecond)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// global applies an object that is in no namespace, with a label by which to
// select it, and has it deleted in the end.
func (w *world) global(kind, name, spec string) {
	w.Helper()
	resource := map[string]string{"GlobalNetworkPolicy": "globalnetworkpolicies", "HostEndpoint": "hostendpoints"}[kind]
	w.Cleanup(func() { w.drop(resource, name) })
	w.apply(fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: %s, labels: {scenario: %s}}%s\n", kind, name, w.namespace, spec))
}

// drop deletes such an object, if it is there.
func (w *world) drop(resource, name string) {
	out, err := w.kubectl("", "delete", "--ignore-not-found", resource+".projectcalico.org", name)
	if err != nil {
		w.Errorf("%v: %s", err, out)
	}
}

// condition is the condition Programmed of a GlobalNetworkPolicy; empty if it has
// none.
func (w *world) condition(name string) metav1.Condition {
	var p struct {
		Status struct{ Conditions []metav1.Condition }
	}
	w.get("/apis/projectcalico.org/v3/globalnetworkpolicies/"+name, &p)
	for _, c := range p.Status.Conditions {
		if c.Type == "Programmed" {
			return c
		}
	}
	return metav1.Condition{}
}
