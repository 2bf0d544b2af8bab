package scenarios

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// onlyFriend lets the pod "friend" come to the pods "server", and nobody else.
const onlyFriend = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: only-friend}
spec:
  selector: app == 'server'
  types: [Ingress]
  ingress:
  - action: Allow
    protocol: TCP
    source: {selector: app == 'friend'}
    destination: {ports: [80]}
`

// TestPodToPod: a policy holds on both nodes, explain agrees with the packets,
// and the policy is accepted where there is a server.
func TestPodToPod(t *testing.T) {
	w := newWorld(t)
	server := w.pod("server", w.nodes[0])
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	w.pod("neighbour", w.nodes[0])
	to := net.JoinHostPort(server.Status.PodIP, "80")
	w.expect(true, "stranger", to)
	w.explain(true, "stranger", "server")
	w.apply(onlyFriend)
	w.expect(false, "stranger", to)
	w.expect(false, "neighbour", to)
	w.expect(true, "friend", to)
	w.explain(false, "stranger", "server")
	w.explain(false, "neighbour", "server")
	w.explain(true, "friend", "server")
	if !w.served() {
		return // nobody writes statuses
	}
	w.until("the policy to be accepted", func() bool {
		raw, err := w.client.CoreV1().RESTClient().Get().AbsPath("/apis/projectcalico.org/v3/namespaces", w.namespace, "networkpolicies/only-friend").Do(w.ctx).Raw()
		return err == nil && strings.Contains(string(raw), `"type":"Accepted"`)
	})
}

// TestIPv6: the same over IPv6, also by a service.
func TestIPv6(t *testing.T) {
	w := newWorld(t)
	server := w.pod("server", w.nodes[0])
	to := net.JoinHostPort(w.address(server, 6), "80")
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	w.pod("neighbour", w.nodes[0])
	service, err := w.client.CoreV1().Services(w.namespace).Create(w.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "server"},
		Spec: corev1.ServiceSpec{
			IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol}, Selector: map[string]string{"app": "server"},
			Ports: []corev1.ServicePort{{Port: 8080, TargetPort: intstr.FromInt(80)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	by := net.JoinHostPort(service.Spec.ClusterIP, "8080")
	w.expect(true, "stranger", to)
	w.expect(true, "stranger", by)
	w.apply(onlyFriend)
	w.expect(false, "stranger", to)
	w.expect(false, "neighbour", to)
	w.expect(true, "friend", to)
	w.expect(false, "stranger", by)
	w.expect(true, "friend", by)
}

// TestServices: policy sees a service's pods behind the addresses of the service
// and of the nodes.
func TestServices(t *testing.T) {
	w := newWorld(t)
	w.pod("server", w.nodes[0])
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	service, err := w.client.CoreV1().Services(w.namespace).Create(w.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "server"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: map[string]string{"app": "server"},
			Ports: []corev1.ServicePort{{Port: 8080, TargetPort: intstr.FromInt(80)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	to := net.JoinHostPort(service.Spec.ClusterIP, "8080")
	w.expect(true, "stranger", to)
	w.apply(onlyFriend)
	w.expect(false, "stranger", to)
	w.expect(true, "friend", to)
	// by the address of the server's own node, which keeps the client's address
	node, err := w.client.CoreV1().Nodes().Get(w.ctx, w.nodes[0], metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(int(service.Spec.Ports[0].NodePort))
	_, err = w.client.CoreV1().Services(w.namespace).Patch(w.ctx, "server", types.MergePatchType,
		[]byte(`{"spec":{"externalTrafficPolicy":"Local"}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := net.JoinHostPort(node.Status.Addresses[0].Address, port)
	w.expect(true, "friend", at)
	w.expect(false, "stranger", at)
}

// TestHostNetwork: a pod of the node's own network is its node, to policy: no
// peer that a selector names, and always let in to the pods of its own node.
func TestHostNetwork(t *testing.T) {
	w := newWorld(t)
	server := w.pod("server", w.nodes[0])
	for i, node := range w.nodes[:2] {
		name := fmt.Sprintf("host-%d", i)
		w.start(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "friend"}}, Spec: spec(node, true, 18080)})
	}
	to := net.JoinHostPort(server.Status.PodIP, "80")
	w.expect(true, "host-1", to)
	w.apply(onlyFriend)
	w.expect(false, "host-1", to)
	w.expect(true, "host-0", to)
}

// TestRestart: a pod that takes another's place has its policy with its first
// packet.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.pod("server", w.nodes[0])
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	w.apply(onlyFriend)
	server := w.ready("server")
	w.expect(false, "stranger", net.JoinHostPort(server.Status.PodIP, "80"))
	for range 3 {
		if err := w.client.CoreV1().Pods(w.namespace).Delete(w.ctx, "server", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.until("the pod to go", func() bool {
			_, err := w.client.CoreV1().Pods(w.namespace).Get(w.ctx, "server", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		to := net.JoinHostPort(w.pod("server", w.nodes[0]).Status.PodIP, "80")
		if w.reaches("stranger", to) {
			t.Error("the stranger reached the new pod")
		}
		w.expect(true, "friend", to)
	}
}

// TestRollingUpdate: while a deployment is replaced, whoever is let in reaches
// each pod that is ready, and nobody else reaches any.
func TestRollingUpdate(t *testing.T) {
	w := newWorld(t)
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	w.apply(onlyFriend)
	labels, two := map[string]string{"app": "server"}, int32(2)
	_, err := w.client.AppsV1().Deployments(w.namespace).Create(w.ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "server"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &two, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec("", false, 80)},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	done := func(generation int64) bool {
		d, err := w.client.AppsV1().Deployments(w.namespace).Get(w.ctx, "server", metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration >= generation && d.Status.UpdatedReplicas == two &&
			d.Status.AvailableReplicas == two && d.Status.Replicas == two
	}
	w.until("the deployment", func() bool { return done(1) })
	_, err = w.client.AppsV1().Deployments(w.namespace).Patch(w.ctx, "server", types.MergePatchType,
		[]byte(`{"spec":{"template":{"metadata":{"annotations":{"version":"2"}}}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for !done(2) && w.ctx.Err() == nil {
		pods, err := w.client.CoreV1().Pods(w.namespace).List(w.ctx, metav1.ListOptions{LabelSelector: "app=server"})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pods.Items {
			if p.Status.PodIP == "" {
				continue
			}
			tried++
			if w.reaches("stranger", net.JoinHostPort(p.Status.PodIP, "80")) {
				t.Errorf("the stranger reached %s", p.Name)
			}
		}
	}
	if tried == 0 {
		t.Error("nothing was tried while the deployment was replaced")
	}
	pods, err := w.client.CoreV1().Pods(w.namespace).List(w.ctx, metav1.ListOptions{LabelSelector: "app=server"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		if isReady(&p) {
			w.expect(true, "friend", net.JoinHostPort(p.Status.PodIP, "80"))
		}
	}
}
