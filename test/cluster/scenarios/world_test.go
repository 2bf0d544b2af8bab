package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
)

// image has the programs that serve and connect.
const image = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"

// world is a namespace of its own on the cluster.
type world struct {
	*testing.T
	ctx        context.Context
	config     *rest.Config
	kubeconfig string
	client     kubernetes.Interface
	namespace  string
	nodes      []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	path := os.Getenv("TIERWALL_E2E_KUBECONFIG")
	if path == "" {
		t.Skip("TIERWALL_E2E_KUBECONFIG is not set: there is no cluster")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, config: config, kubeconfig: path, client: kubernetes.NewForConfigOrDie(config)}
	ns, err := w.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "scenario-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.namespace = ns.Name
	t.Cleanup(func() {
		if err := w.client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	nodes, err := w.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes.Items {
		w.nodes = append(w.nodes, n.Name)
	}
	w.until("the default service account", func() bool {
		_, err := w.client.CoreV1().ServiceAccounts(w.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	return w
}

// until waits for something to become true.
func (w *world) until(what string, holds func() bool) {
	w.Helper()
	for tick := time.NewTicker(100 * time.Millisecond); !holds(); {
		select {
		case <-w.ctx.Done():
			tick.Stop()
			w.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// spec is a pod that answers on TCP port 80 with its name.
func spec(node string, hostNetwork bool, port int) corev1.PodSpec {
	now := int64(0)
	return corev1.PodSpec{
		NodeName: node, HostNetwork: hostNetwork, TerminationGracePeriodSeconds: &now,
		Containers: []corev1.Container{{
			Name: "c", Image: image, Args: []string{"netexec", fmt.Sprintf("--http-port=%d", port), "--udp-port=-1"},
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt(port)}}},
		}},
	}
}

// pod starts a pod and returns it when it is ready.
func (w *world) pod(name, node string) *corev1.Pod {
	w.Helper()
	return w.start(podOf(name, name, node))
}

func podOf(name, app, node string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}}, Spec: spec(node, false, 80)}
}

func (w *world) start(p *corev1.Pod) *corev1.Pod {
	w.Helper()
	if _, err := w.client.CoreV1().Pods(w.namespace).Create(w.ctx, p, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	return w.ready(p.Name)
}

func (w *world) ready(name string) *corev1.Pod {
	w.Helper()
	var got *corev1.Pod
	w.until("pod "+name, func() bool {
		p, err := w.client.CoreV1().Pods(w.namespace).Get(w.ctx, name, metav1.GetOptions{})
		got = p
		return err == nil && isReady(p)
	})
	return got
}

// address is that of a pod in a family, 4 or 6; the test is skipped where the
// pods have none.
func (w *world) address(p *corev1.Pod, family int) string {
	w.Helper()
	for _, ip := range p.Status.PodIPs {
		if is6 := strings.Contains(ip.IP, ":"); is6 == (family == 6) {
			return ip.IP
		}
	}
	w.Skipf("pods have no IPv%d addresses", family)
	return ""
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}

// run runs a command in a pod.
func (w *world) run(pod string, command ...string) (string, error) {
	r := w.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "c", Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	e, err := remotecommand.NewWebSocketExecutor(w.config, "GET", r.URL().String())
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = e.StreamWithContext(w.ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &out})
	return out.String(), err
}

// reaches says whether a TCP connection from the pod comes about within a second.
func (w *world) reaches(from, to string) bool {
	_, err := w.run(from, "/agnhost", "connect", to, "--timeout=1s")
	return err == nil
}

// expect tries until it comes out as wanted; a policy takes a moment to reach
// the nodes, and a service to reach kube-proxy.
func (w *world) expect(want bool, from, to string) {
	w.Helper()
	var got bool
	for range 15 {
		if got = w.reaches(from, to); got == want {
			return
		}
	}
	w.Errorf("%s -> %s: reached %t, want %t", from, to, got, want)
}

// apply applies YAML with the server's own means, in the world's namespace.
func (w *world) apply(text string) {
	w.Helper()
	if err := w.tryApply(text); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryApply(text string) error {
	if out, err := w.kubectl(text, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// kubectl runs kubectl in the world's namespace, also after the test's time.
func (w *world) kubectl(in string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, kubectlProgram(), append([]string{"--kubeconfig", w.kubeconfig, "-n", w.namespace}, args...)...)
	c.Stdin = strings.NewReader(in)
	return c.CombinedOutput()
}

func kubectlProgram() string {
	if p := os.Getenv("KUBECTL"); p != "" {
		return p
	}
	return "kubectl"
}

// dropPolicy deletes a NetworkPolicy of the world's namespace.
func (w *world) dropPolicy(name string) {
	w.Helper()
	if out, err := w.kubectl("", "delete", "networkpolicies.projectcalico.org", name); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
}

// get reads an object of the API.
func (w *world) get(path string, into any) {
	w.Helper()
	raw, err := w.client.CoreV1().RESTClient().Get().AbsPath(path).Do(w.ctx).Raw()
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// explain asks tierwall the same question and checks that it agrees.
func (w *world) explain(want bool, from, to string) {
	w.Helper()
	program := os.Getenv("TIERWALL")
	if program == "" {
		w.Fatal("TIERWALL does not name the program")
	}
	out, err := exec.CommandContext(w.ctx, program, "explain", "--kubeconfig", w.kubeconfig, "--from", w.namespace+"/"+from, "--to", w.namespace+"/"+to, "--port", "tcp/80").CombinedOutput()
	if got := err == nil; got != want {
		w.Errorf("explain %s -> %s: allowed %t, want %t: %v\n%s", from, to, got, want, err, out)
	}
}
