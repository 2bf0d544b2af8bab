package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/test/bench/testbed"
)

type options struct {
	agent, data string
	// small is for tests.
	small   bool
	verbose bool
	log     *slog.Logger
}

// The node that the agent works for, and the namespace of its pods.
const (
	nodeName  = "here"
	namespace = "shop"
	apiPort   = 6443
)

// size is how many pods and policies there are. Local are how many of the pods
// run on the node, the client and the server of the testbed not counted.
type size struct {
	pods, policies, local int
}

// replicas is how many pods an application has: a policy names one application.
const replicas = 10

// world is a running API server, and a node with two pods on it.
type world struct {
	options
	plane *controlplane.ControlPlane
	core  kubernetes.Interface
	admin dynamic.Interface
	node  *testbed.Node
	// began is when the world did.
	began time.Time
	// reports says that the agent reports to Tierwall's server.
	reports bool
}

// newWorld starts an API server whose data is in a folder of that name.
func newWorld(ctx context.Context, o options, name string, n *testbed.Node) (w *world, err error) {
	w = &world{options: o, node: n, began: time.Now()}
	w.step("starting an API server")
	w.data = filepath.Join(o.data, name)
	if w.plane, err = controlplane.Start(ctx, controlplane.Options{DataDir: w.data, Port: apiPort}); err != nil {
		return nil, err
	}
	if err := w.plane.Install(ctx); err != nil {
		return w, err
	}
	if w.core, err = kubernetes.NewForConfig(w.plane.Config); err != nil {
		return w, err
	}
	w.admin, err = dynamic.NewForConfig(w.plane.Config)
	return w, err
}

// step says what is done now.
func (w *world) step(what string, about ...any) {
	w.log.Info(what, append([]any{"at", time.Since(w.began).Round(100 * time.Millisecond).String()}, about...)...)
}

func (w *world) close() error { return w.plane.Close() }

var (
	globalPolicies = v3.GroupVersion.WithResource("globalnetworkpolicies")
	globalSets     = v3.GroupVersion.WithResource("globalnetworksets")
)

// fill puts objects where the API server keeps them, in the form in which it does:
// it would take minutes to create tens of thousands one by one. It returns when
// the API lists them.
func (w *world) fill(ctx context.Context, s size) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + filepath.Join(w.data, "etcd.sock:0")}, DialTimeout: 10 * time.Second})
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer func() { _ = client.Close() }()
	b := &bulk{ctx: ctx, client: client}
	for _, o := range fixed() {
		b.core(o)
	}
	for i := range s.local {
		b.core(localPod(i, s.policies))
	}
	for i := range s.pods - s.local - 2 {
		b.core(remotePod(i, s.policies))
	}
	for i := range s.policies {
		b.custom("globalnetworkpolicies", policy(i))
	}
	for _, p := range basePolicies() {
		b.custom("globalnetworkpolicies", p)
	}
	b.custom("globalnetworksets", globalSet())
	if err := b.flush(); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	return w.listed(ctx, s)
}

// listed waits until the API serves everything from its cache.
func (w *world) listed(ctx context.Context, s size) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		pods, err := w.core.CoreV1().Pods("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		policies, err := w.admin.Resource(globalPolicies).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		if len(pods.Items) == s.pods && len(policies.Items) == s.policies+len(basePolicies()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API lists %d pods and %d policies of %d and %d", len(pods.Items), len(policies.Items), s.pods, s.policies)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// fixed are the node, the namespaces and the two pods of the testbed.
func fixed() []runtime.Object {
	list := []runtime.Object{
		&corev1.Node{ObjectMeta: meta("", nodeName, nil), Spec: corev1.NodeSpec{PodCIDR: "10.1.0.0/16", PodCIDRs: []string{"10.1.0.0/16"}}},
		pod(namespace, testbed.ClientInterface, nodeName, testbed.ClientAddr, map[string]string{"app": "client", "door": "closed"}),
		pod(namespace, testbed.ServerInterface, nodeName, testbed.ServerAddr, map[string]string{"app": "server"}),
		&corev1.Namespace{ObjectMeta: meta("", namespace, map[string]string{"kubernetes.io/metadata.name": namespace})},
	}
	for i := range remoteNamespaces {
		list = append(list, &corev1.Namespace{ObjectMeta: meta("", remoteNamespace(i), map[string]string{"kubernetes.io/metadata.name": remoteNamespace(i)})})
	}
	return list
}

const remoteNamespaces = 100

func remoteNamespace(i int) string { return fmt.Sprintf("team-%d", i%remoteNamespaces) }

// localPod is a pod of the node that does not answer.
func localPod(i, apps int) *corev1.Pod {
	return pod(namespace, fmt.Sprintf("local-%d", i), nodeName, localAddr(i), map[string]string{"app": app(i % apps)})
}

func localAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, 1 + byte(i>>8), byte(i)}) }

func remotePod(i, apps int) *corev1.Pod {
	a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
	return pod(remoteNamespace(i/replicas), fmt.Sprintf("pod-%d", i), fmt.Sprintf("node-%d", i%100), a,
		map[string]string{"app": app(i / replicas % apps), "pod-template-hash": fmt.Sprintf("%010d", i/replicas)})
}

func app(i int) string { return fmt.Sprintf("app-%d", i) }

func meta(ns, name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels, UID: uuid.NewUUID(), CreationTimestamp: metav1.Now(), Generation: 1}
}

// pod is a pod that runs, as large as pods are.
func pod(ns, name, node string, a netip.Addr, labels map[string]string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(ns, name, labels)}
	p.Annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
	c := corev1.Container{Name: "app", Image: "registry.example.com/shop/app:v1.2.3", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80, Protocol: corev1.ProtocolTCP}}}
	for i := range 10 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: "some value that an application is given"})
	}
	p.Spec = corev1.PodSpec{NodeName: node, ServiceAccountName: "default", Containers: []corev1.Container{c}}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: a.String(), PodIPs: []corev1.PodIP{{IP: a.String()}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "app", Ready: true, Image: c.Image, ImageID: c.Image + "@sha256:00"}}}
	return p
}

// bulk writes objects to etcd, some at once.
type bulk struct {
	ctx    context.Context
	client *clientv3.Client
	ops    []clientv3.Op
	err    error
}

// perTransaction is the most that etcd takes at once.
const perTransaction = 128

func (b *bulk) put(key string, value []byte) {
	if b.ops = append(b.ops, clientv3.OpPut(key, string(value))); len(b.ops) == perTransaction {
		b.err = b.flush()
	}
}

func (b *bulk) flush() error {
	if b.err != nil || len(b.ops) == 0 {
		return b.err
	}
	_, err := b.client.Txn(b.ctx).Then(b.ops...).Commit()
	b.ops = b.ops[:0]
	return err
}

// core writes an object of a built-in kind.
func (b *bulk) core(o runtime.Object) {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		b.err = err
		return
	}
	o.GetObjectKind().SetGroupVersionKind(kinds[0])
	var text bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(o, &text); err != nil {
		b.err = err
		return
	}
	m := o.(metav1.Object)
	key := map[string]string{"Pod": "/registry/pods/" + m.GetNamespace() + "/", "Node": "/registry/minions/", "Namespace": "/registry/namespaces/"}[kinds[0].Kind]
	b.put(key+m.GetName(), text.Bytes())
}

// custom writes an object of a kind of ours.
func (b *bulk) custom(resource string, o *unstructured.Unstructured) {
	o.SetUID(uuid.NewUUID())
	o.SetCreationTimestamp(metav1.Now())
	o.SetGeneration(1)
	text, err := o.MarshalJSON()
	if err != nil {
		b.err = err
		return
	}
	b.put("/registry/"+v3.GroupVersion.Group+"/"+resource+"/"+o.GetName(), text)
}

// calm waits until the server has written its word on every policy, so that it
// does not work while something is measured.
func (w *world) calm(ctx context.Context) error {
	for last, same := "", 0; same < 10; {
		list, err := w.admin.Resource(globalPolicies).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		same++
		if v := list.GetResourceVersion(); v != last {
			last, same = v, 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	return nil
}
