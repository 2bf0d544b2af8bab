package controlplane

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// TestControlPlane starts the one control plane that a process can have, on
// data that a former one left behind, and walks through what it promises.
func TestControlPlane(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	dir, port := t.TempDir(), freePort(t)
	began := time.Now()
	p, err := Start(ctx, Options{DataDir: dir, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	ready := time.Since(began)
	if err := p.Install(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s, installed after %s", ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))

	t.Run("installing again changes nothing", func(t *testing.T) {
		if err := p.Install(ctx); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("built-in tiers", func(t *testing.T) {
		client, err := dynamic.NewForConfig(p.Config)
		if err != nil {
			t.Fatal(err)
		}
		tiers, err := client.Resource(v3.GroupVersion.WithResource("tiers")).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tier := range tiers.Items {
			names = append(names, tier.GetName())
		}
		if got := strings.Join(names, " "); got != "default kube-admin kube-baseline" {
			t.Errorf("tiers: %s", got)
		}
	})
	t.Run("namespaces are made whole and go away", func(t *testing.T) { testNamespace(ctx, t, p) })
	t.Run("a second one is told who is in the way", func(t *testing.T) {
		_, err := Start(ctx, Options{DataDir: dir, Port: port})
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--data-dir") {
			t.Errorf("same directory: %v", err)
		}
		_, err = Start(ctx, Options{DataDir: t.TempDir(), Port: port})
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--port") {
			t.Errorf("same port: %v", err)
		}
	})
	t.Run("users are told apart", func(t *testing.T) {
		path := filepath.Join(dir, "nobody.kubeconfig")
		if err := p.IssueKubeconfig(path, "nobody", nil, p.URL); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("kubeconfig: %v %v", info.Mode(), err)
		}
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("a user without rights: %v", err)
		}
	})
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if lock, err := lockDir(dir); err != nil {
		t.Errorf("the data directory is still taken after Close: %v", err)
	} else {
		lock.Close()
	}
}

func testNamespace(ctx context.Context, t *testing.T, p *ControlPlane) {
	client := kubernetes.NewForConfigOrDie(p.Config)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "blue"}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	poll := func(what string, f func() bool) {
		t.Helper()
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return f(), nil })
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	poll("default service account", func() bool {
		_, err := client.CoreV1().ServiceAccounts("blue").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "none"}}}}
	if _, err := client.CoreV1().Pods("blue").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Errorf("a pod in a new namespace: %v", err)
	}
	if err := client.CoreV1().Namespaces().Delete(ctx, "blue", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	poll("the namespace goes away", func() bool {
		_, err := client.CoreV1().Namespaces().Get(ctx, "blue", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
