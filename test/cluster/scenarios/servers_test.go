package scenarios

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The chart's parts, as ../install.sh installs it.
const (
	release    = "tierwall"
	serverName = "tierwall-server"
)

// installed skips the test where Tierwall's server does not run in the cluster.
func (w *world) installed() {
	w.Helper()
	if !w.served() {
		w.Skip("the chart is not installed: ../agents.sh has no server")
	}
}

// served says whether Tierwall's server runs in the cluster.
func (w *world) served() bool {
	w.Helper()
	_, err := w.client.AppsV1().Deployments(release).Get(w.ctx, serverName, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		w.Fatal(err)
	}
	return err == nil
}

// programmed waits until every node has a policy, and holds what is said of it.
func (w *world) programmed(policy, want string) {
	w.Helper()
	out, err := exec.CommandContext(w.ctx, os.Getenv("TIERWALL"), "status", "--kubeconfig", w.kubeconfig,
		w.namespace+"/"+policy, "--wait", "--timeout", "60s").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "programmed: "+want) {
		w.Errorf("status of %s, want %q: %v\n%s", policy, want, err, out)
	}
}

// TestStatus: with the chart's values as they are, a policy's status says on how
// many nodes it is in force.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.installed()
	w.pod("server", w.nodes[0])
	w.apply(onlyFriend)
	w.programmed("only-friend", "True (1 of 1 nodes)")
	w.start(podOf("server-2", "server", w.nodes[1]))
	w.until("the policy to be on both nodes", func() bool {
		out, _ := exec.CommandContext(w.ctx, os.Getenv("TIERWALL"), "status", "--kubeconfig", w.kubeconfig, w.namespace+"/only-friend").Output()
		return strings.Contains(string(out), "programmed: True (2 of 2 nodes)")
	})
}

// TestServers: with two servers, one that goes away costs nothing: policies can be
// written all the while, and the other one hears all nodes.
func TestServers(t *testing.T) {
	w := newWorld(t)
	w.installed()
	w.pod("server", w.nodes[0])
	w.start(podOf("server-2", "server", w.nodes[1]))
	w.servers(2)
	defer w.servers(1)
	w.apply(onlyFriend)
	w.programmed("only-friend", "True (2 of 2 nodes)")

	var done atomic.Bool
	refused := make(chan []error)
	go func() {
		var all []error
		for i := 1; !done.Load(); i++ {
			if err := w.order(i); err != nil {
				all = append(all, err)
			}
		}
		refused <- all
	}()
	leader := w.leader()
	if err := w.client.CoreV1().Pods(release).Delete(w.ctx, leader, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("another server to lead", func() bool { return w.leader() != leader })
	w.until("the old one to go", func() bool {
		_, err := w.client.CoreV1().Pods(release).Get(w.ctx, leader, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	done.Store(true)
	for _, err := range <-refused {
		t.Errorf("while a server went away: %v", err)
	}
	w.programmed("only-friend", "True (2 of 2 nodes)")
}

// order edits the policy.
func (w *world) order(n int) error {
	return w.client.CoreV1().RESTClient().Patch(types.MergePatchType).
		AbsPath("/apis/projectcalico.org/v3/namespaces", w.namespace, "networkpolicies/only-friend").
		Body(fmt.Appendf(nil, `{"spec":{"order":%d}}`, n)).Do(w.ctx).Error()
}

// servers scales the server and waits for it.
func (w *world) servers(n int) {
	w.Helper()
	deployments := w.client.AppsV1().Deployments(release)
	if _, err := deployments.Patch(w.ctx, serverName, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n), metav1.PatchOptions{}); err != nil {
		w.Fatal(err)
	}
	w.until(fmt.Sprintf("%d servers", n), func() bool {
		d, err := deployments.Get(w.ctx, serverName, metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration == d.Generation && int(d.Status.ReadyReplicas) == n && int(d.Status.Replicas) == n
	})
}

// leader is the pod of the server that leads.
func (w *world) leader() string {
	lease, err := w.client.CoordinationV1().Leases(release).Get(w.ctx, serverName, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return name
}
