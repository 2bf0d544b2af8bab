package scenarios

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// TestValuesOfAgent: with agent.cutDenied a change of policy ends the open
// connections that it denies, and without it none; with agent.podInterfaces pods are
// reached as before, and with agent.countBytes the node counts.
func TestValuesOfAgent(t *testing.T) {
	w := newWorld(t)
	w.installed()
	server := w.pod("server", w.nodes[0])
	w.pod("friend", w.nodes[1])
	w.pod("stranger", w.nodes[1])
	w.start(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "host"}, Spec: spec(w.nodes[0], true, 18081)})
	to := server.Status.PodIP

	talk := w.talk("stranger", to)
	w.apply(onlyFriend)
	w.expect(false, "stranger", net.JoinHostPort(to, "80"))
	talk.goesOn(true)
	talk.end()
	w.dropPolicy("only-friend")
	w.expect(true, "stranger", net.JoinHostPort(to, "80"))

	w.helm("--set", "agent.cutDenied=true,agent.countBytes=true,agent.podInterfaces={veth*,cni0}")
	defer w.helm("--reset-values")
	w.until("the kernel to count bytes", func() bool {
		out, err := w.run("host", "cat", "/proc/sys/net/netfilter/nf_conntrack_acct")
		return err == nil && strings.TrimSpace(out) == "1"
	})
	cut, stays := w.talk("stranger", to), w.talk("friend", to)
	w.apply(onlyFriend)
	w.expect(false, "stranger", net.JoinHostPort(to, "80"))
	cut.goesOn(false)
	stays.goesOn(true)
	cut.end()
	stays.end()
	// a pod that begins now is on an interface that is closed until it is known
	late := w.pod("server-2", w.nodes[0])
	w.expect(true, "friend", net.JoinHostPort(late.Status.PodIP, "80"))
}

// helm upgrades the release to values other than the chart's, and waits.
func (w *world) helm(args ...string) {
	w.Helper()
	args = append([]string{"upgrade", release, os.Getenv("CHART"), "--kubeconfig", w.kubeconfig, "--namespace", release, "--wait", "--timeout", "2m"}, args...)
	if out, err := exec.CommandContext(w.ctx, os.Getenv("HELM"), args...).CombinedOutput(); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
}

// talk is one connection, on which a pod asks another one again and again.
type talk struct {
	w     *world
	stop  context.CancelFunc
	ended chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// Write takes answers.
func (c *talk) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

func (c *talk) answers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Count(c.out.String(), "200 OK")
}

// talk opens one, and returns when there was an answer.
func (w *world) talk(from, to string) *talk {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	c := &talk{w: w, stop: stop, ended: make(chan struct{})}
	w.Cleanup(stop)
	ask := `while sleep 0.1; do printf 'GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n'; done | nc ` + to + ` 80`
	r := w.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name(from).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "c", Command: []string{"sh", "-c", ask}, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	e, err := remotecommand.NewWebSocketExecutor(w.config, "GET", r.URL().String())
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: c, Stderr: c})
	}()
	w.until("an answer", func() bool { return c.answers() > 0 })
	return c
}

// goesOn holds whether there are answers yet: if so, three more come; if not,
// none comes within two seconds, in which there were twenty.
func (c *talk) goesOn(want bool) {
	c.w.Helper()
	had := c.answers()
	if want {
		c.w.until("answers on an open connection", func() bool { return c.answers() >= had+3 })
		return
	}
	select {
	case <-c.ended: // also a way to be cut
	case <-time.After(2 * time.Second):
	}
	if got := c.answers() - had; got > 0 {
		c.w.Errorf("%d answers on a connection that policy denies", got)
	}
}

func (c *talk) end() {
	c.stop()
	<-c.ended
}
