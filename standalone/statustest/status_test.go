package statustest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/agent"
	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/cli"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/fake"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/controlplane/planetest"
)

// plane is a model of a kernel that refuses changes as long as it is told to.
type plane struct {
	*fake.Dataplane
	broken atomic.Bool
}

var errBroken = errors.New("the kernel is out of order")

func (p *plane) Apply(ctx context.Context, to dataplane.Program) error {
	if p.broken.Load() {
		return errBroken
	}
	return p.Dataplane.Apply(ctx, to)
}

func (p *plane) Change(ctx context.Context, c dataplane.Change) error {
	if p.broken.Load() {
		return errBroken
	}
	return p.Dataplane.Change(ctx, c)
}

type world struct {
	*testing.T
	ctx   context.Context
	dir   string
	plane *controlplane.ControlPlane
	core  kubernetes.Interface
	admin dynamic.Interface
	// health is where the agent that was started last answers probes.
	health string
}

// start starts the agent of a node; stop ends it.
func (w *world) start(node string, p *plane) (stop func()) {
	w.Helper()
	kubeconfig, token, ca := filepath.Join(w.dir, node+".kubeconfig"), filepath.Join(w.dir, node+".token"), filepath.Join(w.dir, "ca.pem")
	w.must(w.plane.IssueKubeconfig(kubeconfig, controlplane.AgentUser(node), []string{controlplane.AgentGroup}, w.plane.URL))
	w.must(w.plane.IssueReportToken(w.ctx, token, node))
	address, bundle := w.plane.Reports()
	w.must(os.WriteFile(ca, bundle, 0o600))
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	w.must(err)
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	w.health = fmt.Sprintf("127.0.0.1:%d", planetest.FreePort(w.T))
	o := agent.Options{Node: node, HealthListen: w.health, Config: config, Dataplane: p, Log: slog.New(slog.NewTextHandler(w.Output(), nil)),
		Server: agent.Server{URL: "https://" + address, CAFile: ca, TokenFile: token}}
	go func() { ended <- agent.Run(ctx, o) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

var policies = v3.GroupVersion.WithResource("globalnetworkpolicies")

func (w *world) create(name, selector string) {
	w.Helper()
	_, err := w.admin.Resource(policies).Create(w.ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v3.GroupVersion.String(), "kind": "GlobalNetworkPolicy", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"selector": selector, "ingress": []any{map[string]any{"action": "Allow"}}},
	}}, metav1.CreateOptions{})
	w.must(err)
}

func (w *world) pod(name, node, address string) {
	w.Helper()
	pods := w.core.CoreV1().Pods("default")
	p, err := pods.Create(w.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "none"}}}}, metav1.CreateOptions{})
	w.must(err)
	p.Status.PodIP, p.Status.PodIPs, p.Status.Phase = address, []corev1.PodIP{{IP: address}}, corev1.PodRunning
	_, err = pods.UpdateStatus(w.ctx, p, metav1.UpdateOptions{})
	w.must(err)
}

// status runs `tierwall status`.
func (w *world) status(args ...string) (out string, code int) {
	var b bytes.Buffer
	root := cli.New("tierwall", cli.Streams{Out: &b, Err: &b})
	code = cli.Execute(w.ctx, root, append([]string{"status", "--kubeconfig", w.plane.Kubeconfig}, args...))
	return b.String(), code
}

// programmed waits until a policy is, and holds what is said of it.
func (w *world) programmed(policy, want string) {
	w.Helper()
	if out, code := w.status(policy, "--wait", "--timeout", "30s"); code != 0 || !strings.Contains(out, "programmed: "+want) {
		w.Errorf("%s: exit %d, want %q:\n%s", policy, code, want, out)
	}
}

func (w *world) eventually(what string, f func() error) {
	w.Helper()
	var err error
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	w.Fatalf("%s: %v", what, err)
}

// says waits until `tierwall status` with the arguments contains the text.
func (w *world) says(text string, args ...string) {
	w.Helper()
	w.eventually(strings.Join(args, " "), func() error {
		if out, _ := w.status(args...); !strings.Contains(out, text) {
			return fmt.Errorf("want %q:\n%s", text, out)
		}
		return nil
	})
}

func TestStatus(t *testing.T) {
	w := &world{T: t, dir: t.TempDir()}
	w.ctx, w.plane = planetest.Start(t, 5*time.Minute, controlplane.Options{})
	ctx := w.ctx
	config := rest.CopyConfig(w.plane.Config)
	w.core, w.admin = kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config)
	for _, n := range []string{"n1", "n2"} {
		_, err := w.core.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n}}, metav1.CreateOptions{})
		w.must(err)
	}
	one, two := &plane{Dataplane: fake.New()}, &plane{Dataplane: fake.New()}
	defer w.start("n1", one)()
	stopTwo := w.start("n2", two)
	defer func() { stopTwo() }()
	w.pod("a", "n1", "10.1.0.2")
	w.pod("b", "n2", "10.2.0.2")

	w.create("everywhere", "has(app)")
	w.create("on-one", "app == 'a'")
	w.create("nowhere", "app == 'c'")
	w.programmed("everywhere", "True (2 of 2 nodes)")
	w.programmed("on-one", "True (1 of 1 nodes)")
	w.programmed("nowhere", "True (0 of 0 nodes)")
	w.says("n2     in step")
	if out, code := w.status("--wait"); code != 0 || strings.Count(out, "in step") != 2 {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, code := w.status("none"); code != 2 || !strings.Contains(out, "not found") {
		t.Errorf("a policy that is not there: exit %d\n%s", code, out)
	}

	// the kinds of Kubernetes: one with a status, one without
	w.kubernetes()
	w.programmed("ClusterNetworkPolicy/everywhere", "True (2 of 2 nodes)")
	w.programmed("KubernetesNetworkPolicy/default/on-one", "True (1 of 1 nodes)")

	w.audience("n1")

	w.scraped()

	// a kernel that refuses: the policy is not everywhere, and it is said why
	two.broken.Store(true)
	w.edit("everywhere")
	w.says("False (1 of 2 nodes; 1 of 2 have not told yet)", "everywhere")
	w.says("n2     behind")
	w.says(errBroken.Error())
	if out, code := w.status("everywhere", "--wait", "--timeout", "100ms"); code != 2 || !strings.Contains(out, "waited 100ms") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, code := w.status("--wait", "--timeout", "100ms"); code != 2 || !strings.Contains(out, "node n2 is not in step: behind") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	two.broken.Store(false)
	w.programmed("everywhere", "True (2 of 2 nodes)")

	// the pod goes: the policy has nothing there any more
	w.must(w.core.CoreV1().Pods("default").Delete(ctx, "b", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
	w.says("True (1 of 1 nodes)", "everywhere")

	// a server that starts anew asks for everything
	w.must(w.plane.StopServer())
	stopTwo()
	w.must(w.plane.Install(ctx))
	stopTwo = w.start("n2", two)
	w.create("after", "has(app)")
	w.says("n2     in step")
}

// kubernetes creates policies of the kinds that are not ours.
func (w *world) kubernetes() {
	w.Helper()
	_, err := w.admin.Resource(schema.GroupVersionResource{Group: "policy.networking.k8s.io", Version: "v1alpha2", Resource: "clusternetworkpolicies"}).
		Create(w.ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": map[string]any{"name": "everywhere"},
			"spec": map[string]any{"tier": "Admin", "priority": 1, "subject": map[string]any{"namespaces": map[string]any{}},
				"ingress": []any{map[string]any{"action": "Accept", "from": []any{map[string]any{"namespaces": map[string]any{}}}}}},
		}}, metav1.CreateOptions{})
	w.must(err)
	_, err = w.core.NetworkingV1().NetworkPolicies("default").Create(w.ctx, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "on-one"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}},
	}, metav1.CreateOptions{})
	w.must(err)
}

// edit changes a policy, which gives it another generation.
func (w *world) edit(name string) {
	w.Helper()
	_, err := w.admin.Resource(policies).Patch(w.ctx, name, types.MergePatchType, []byte(`{"spec": {"ingress": [{"action": "Deny"}]}}`), metav1.PatchOptions{})
	w.must(err)
}

// audience: a token that agents show the server opens the server alone, and one
// for the API server does not open it.
func (w *world) audience(node string) {
	w.Helper()
	own, err := os.ReadFile(filepath.Join(w.dir, node+".token"))
	w.must(err)
	forAPI, err := w.core.CoreV1().ServiceAccounts(report.Namespace).CreateToken(w.ctx, "agent", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	w.must(err)
	address, trusted := w.plane.Reports()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	server := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	api, err := rest.HTTPClientFor(rest.AnonymousClientConfig(w.plane.Config))
	w.must(err)
	for _, c := range []struct {
		what, token, url string
		client           *http.Client
		refused          bool
	}{
		{"its own at the server", string(own), "https://" + address + report.Path, server, false},
		{"its own at the API server", string(own), w.plane.URL + "/version", api, true},
		{"the API server's at the server", forAPI.Status.Token, "https://" + address + report.Path, server, true},
		{"the API server's there", forAPI.Status.Token, w.plane.URL + "/version", api, false},
	} {
		method := http.MethodGet
		if c.client == server {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(w.ctx, method, c.url+"?node="+node, strings.NewReader("{}"))
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+c.token)
		answer, err := c.client.Do(r)
		w.must(err)
		w.must(answer.Body.Close())
		if refused := answer.StatusCode == http.StatusUnauthorized; refused != c.refused {
			w.Errorf("an agent's token, %s: %s, refused %t, want %t", c.what, answer.Status, refused, c.refused)
		}
	}
}
