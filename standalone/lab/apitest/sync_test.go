package apitest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/controlplane/planetest"
	"github.com/tierwall/tierwall/standalone/lab"
)

// TestMain makes the test's executable the lab's helper too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == lab.HostArg {
		os.Exit(lab.ServeHost(context.Background(), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// fixture is a lab that follows an API server.
type fixture struct {
	*testing.T
	lab    *lab.Lab
	client kubernetes.Interface
}

// TestSync walks through the life of pods; a process can have one API server,
// so the steps share it.
func TestSync(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root, and this test runs as user", os.Geteuid())
	}
	plane, err := controlplane.Start(t.Context(), controlplane.Options{DataDir: t.TempDir(), Port: planetest.FreePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer plane.Close()
	client, err := kubernetes.NewForConfig(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	first := follow(t, client)
	first.Run("nodes are registered", first.nodes)
	first.Run("pods are bound in turn and run", first.podsRun)
	first.Run("what is wrong with a pod is in its status", first.wrongPods)
	first.Run("a deleted pod goes, a new one of its name comes", first.replaced)
	first.Run("a pod with the node's network has its addresses", first.hostNetwork)
	first.end()
	second := follow(t, client)
	second.Run("a new lab takes up the pods that are there", second.resumed)
	second.end()
}

// running is a fixture and what ends it.
type running struct {
	fixture
	stop context.CancelFunc
	done chan error
}

func follow(t *testing.T, client kubernetes.Interface) *running {
	t.Helper()
	began := time.Now()
	l, err := lab.New(t.Context(), lab.Spec{Name: "labsync", Nodes: []lab.Node{{Name: "node-1"}, {Name: "node-2"}}},
		lab.Options{PodPorts: []lab.Port{{Proto: labhost.UDP, Number: 5353}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("two nodes after", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	r := &running{fixture: fixture{t, l, client}, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- l.Sync(ctx, client) }()
	return r
}

func (r *running) end() {
	r.stop()
	if err := <-r.done; err != nil {
		r.Error("Sync:", err)
	}
	if err := r.lab.Close(); err != nil {
		r.Error(err)
	}
}

// until waits for a condition; it fails the test after 20 s.
func until(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func pod(namespace, name, node string, ports ...corev1.ContainerPort) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "none", Ports: ports}}},
	}
}

func (f *fixture) create(t *testing.T, p *corev1.Pod) {
	t.Helper()
	if _, err := f.client.CoreV1().Pods(p.Namespace).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// running waits until the API says that a pod is ready, and returns it.
func (f *fixture) running(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	var p *corev1.Pod
	until(t, namespace+"/"+name+" runs", func() (err error) {
		p, err = f.client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("%s %s: %s", p.Status.Phase, p.Status.Reason, p.Status.Message)
		}
		return err
	})
	return p
}

// reach dials a pod from a host of the lab.
func (f *fixture) reach(t *testing.T, from, to string, proto labhost.Proto, port uint16) {
	t.Helper()
	h, err := f.lab.Host(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range f.lab.Addrs(to) {
		r, err := h.Dial(t.Context(), lab.DialSpec{Proto: proto, Addr: addr, Port: port})
		if err != nil || r.By != to {
			t.Errorf("%s to %s at %s: %+v, %v", from, to, addr, r, err)
		}
	}
}

func (f *fixture) nodes(t *testing.T) {
	until(t, "nodes", func() error {
		all, err := f.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var got []string
		for _, n := range all.Items {
			ready := len(n.Status.Conditions) == 1 && n.Status.Conditions[0].Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0
			got = append(got, fmt.Sprintf("%s %s %s %t", n.Name, n.Spec.PodCIDRs, n.Status.Addresses, ready))
		}
		want := "node-1 [10.244.1.0/24 fd00:244:1::/64] [{InternalIP 172.30.0.11} {InternalIP fd00:172:30::11} {Hostname node-1}] true\n" +
			"node-2 [10.244.2.0/24 fd00:244:2::/64] [{InternalIP 172.30.0.12} {InternalIP fd00:172:30::12} {Hostname node-2}] true"
		if s := strings.Join(got, "\n"); s != want {
			return fmt.Errorf("%s", s)
		}
		return nil
	})
}

func (f *fixture) podsRun(t *testing.T) {
	until(t, "namespace", func() error {
		_, err := f.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "blue"}}, metav1.CreateOptions{})
		return err
	})
	for _, name := range []string{"a", "b", "c"} {
		f.create(t, pod("blue", name, "", corev1.ContainerPort{ContainerPort: 8080}))
	}
	for name, want := range map[string]string{
		"a": "node-1 172.30.0.11 [{10.244.1.2} {fd00:244:1::2}]",
		"b": "node-2 172.30.0.12 [{10.244.2.2} {fd00:244:2::2}]",
		"c": "node-1 172.30.0.11 [{10.244.1.3} {fd00:244:1::3}]",
	} {
		p := f.running(t, "blue", name)
		if got := fmt.Sprint(p.Spec.NodeName, " ", p.Status.HostIP, " ", p.Status.PodIPs); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if !p.Status.ContainerStatuses[0].Ready || len(p.Status.Conditions) != 4 {
			t.Errorf("%s: %+v", name, p.Status)
		}
	}
	f.reach(t, "blue/a", "blue/b", labhost.TCP, 8080)
	f.reach(t, "node:node-2", "blue/c", labhost.UDP, 5353)
}

func (f *fixture) wrongPods(t *testing.T) {
	bad := pod("blue", "bad", "node-1")
	bad.Annotations = map[string]string{lab.AddressAnnotation: "10.1.2"}
	f.create(t, bad)
	taken := pod("blue", "taken", "node-2")
	taken.Annotations = map[string]string{lab.AddressAnnotation: "10.244.1.2, fd00::9"}
	f.create(t, taken)
	f.create(t, pod("blue", "foreign", "node-9"))
	for name, want := range map[string]string{"bad": lab.AddressAnnotation, "taken": "taken by blue/a"} {
		until(t, name, func() error {
			p, err := f.client.CoreV1().Pods("blue").Get(t.Context(), name, metav1.GetOptions{})
			if err == nil && (p.Status.Reason != "LabError" || !strings.Contains(p.Status.Message, want)) {
				err = fmt.Errorf("%s %q", p.Status.Reason, p.Status.Message)
			}
			return err
		})
	}
	f.delete(t, "bad")
	// The address becomes free, and the pod that waits for it gets it.
	f.delete(t, "a")
	p := f.running(t, "blue", "taken")
	if got := fmt.Sprint(p.Status.PodIPs, p.Status.Reason); got != "[{10.244.1.2} {fd00::9}]" {
		t.Error(got)
	}
	f.reach(t, "node:node-1", "blue/taken", labhost.UDP, 5353)
	foreign, err := f.client.CoreV1().Pods("blue").Get(t.Context(), "foreign", metav1.GetOptions{})
	if err != nil || foreign.Status.Phase != corev1.PodPending || f.lab.Netns("blue/foreign") != "" {
		t.Errorf("a pod of a foreign node was touched: %+v, %v", foreign.Status, err)
	}
}

// delete deletes a pod and waits until it is gone from the API and the lab.
func (f *fixture) delete(t *testing.T, name string) {
	t.Helper()
	if err := f.client.CoreV1().Pods("blue").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, name+" goes", func() error {
		_, err := f.client.CoreV1().Pods("blue").Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there: %v", err)
	})
	if ns := f.lab.Netns("blue/" + name); ns != "" {
		t.Errorf("%s is gone from the API, and %s is there", name, ns)
	}
}

func (f *fixture) replaced(t *testing.T) {
	old := f.running(t, "blue", "b")
	now := int64(0)
	if err := f.client.CoreV1().Pods("blue").Delete(t.Context(), "b", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	f.create(t, pod("blue", "b", "node-1"))
	p := f.running(t, "blue", "b")
	if p.UID == old.UID || p.Status.PodIP == old.Status.PodIP {
		t.Errorf("the new pod has the address of the old one: %s", p.Status.PodIP)
	}
	until(t, "the new pod is in the lab", func() error {
		if got := fmt.Sprint(f.lab.Addrs("blue/b")[0]); got != p.Status.PodIP {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	f.reach(t, "blue/c", "blue/b", labhost.UDP, 5353)
}

func (f *fixture) hostNetwork(t *testing.T) {
	p := pod("blue", "daemon", "node-2")
	p.Spec.HostNetwork = true
	f.create(t, p)
	if got := f.running(t, "blue", "daemon"); got.Status.PodIP != "172.30.0.12" || f.lab.Netns("blue/daemon") != "" {
		t.Errorf("%s in %q", got.Status.PodIP, f.lab.Netns("blue/daemon"))
	}
}

func (f *fixture) resumed(t *testing.T) {
	until(t, "pods", func() error {
		for _, ref := range []string{"blue/b", "blue/c", "blue/taken"} {
			p := f.running(t, "blue", strings.TrimPrefix(ref, "blue/"))
			if got := f.lab.Addrs(ref); len(got) == 0 || got[0].String() != p.Status.PodIP {
				return fmt.Errorf("%s has %v, and had %s", ref, got, p.Status.PodIP)
			}
		}
		return nil
	})
	f.reach(t, "blue/b", "blue/c", labhost.TCP, 8080)
}
