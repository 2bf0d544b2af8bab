package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/fake"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is an agent's loop between a model of a kernel and an API that the test
// plays.
type rig struct {
	t         *testing.T
	agent     *agent
	plane     *fake.Dataplane
	pods      *sink
	updates   chan update
	host      chan hostEvent
	questions chan chan<- Applied
	log       *lines
}

func newRig(t *testing.T, before ...func(*agent)) *rig {
	r := &rig{t: t, plane: fake.New(), updates: make(chan update), host: make(chan hostEvent), questions: make(chan chan<- Applied), log: &lines{}}
	r.agent = newAgent(Options{Node: "n1", Dataplane: r.plane, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	r.agent.versions = map[model.Key]string{}
	r.agent.waiting["pods"] = true
	for _, f := range before {
		f(r.agent)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.pods = &sink{ctx: ctx, updates: r.updates, known: map[model.Key]int64{}, name: "pods", versions: true}
	ended := make(chan error)
	go func() { ended <- r.agent.loop(ctx, r.updates, r.host, r.questions) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// applied waits until all that was said is in the kernel; false if it is not
// after the time.
func (r *rig) applied(within time.Duration) bool {
	answer := make(chan Applied, 1)
	r.questions <- answer
	select {
	case <-answer:
		return true
	case <-time.After(within):
		return false
	}
}

func (r *rig) sure() {
	r.t.Helper()
	if !r.applied(10 * time.Second) {
		r.t.Fatal("not in the kernel after 10 s")
	}
}

func podOn(name, node, addr, version string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: name, ResourceVersion: version},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{PodIP: addr, Phase: corev1.PodRunning},
	}
}

// routed is a host with an interface a that leads to the addresses.
func routed(addrs ...string) hostEvent {
	h := newHost()
	h.links[1] = link{name: "a"}
	for _, a := range addrs {
		h.routes[netip.MustParseAddr(a)] = []route{{link: 1}}
	}
	return hostEvent{all: h}
}

// ingress is what happens to a packet from outside to an address by the
// interface.
func (r *rig) ingress(iface, to string) verdict.Verdict {
	v, _ := r.plane.Decide(iface, verdict.Ingress, verdict.Packet{
		Src: netip.MustParseAddr("192.0.2.9"), Dst: netip.MustParseAddr(to), Protocol: verdict.TCP, SrcPort: 40000, DstPort: 80})
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWaits: nothing is enforced before every kind was listed and the node's
// interfaces are known, in whatever order.
func TestWaits(t *testing.T) {
	r := newRig(t)
	must(t, r.pods.Add(podOn("p", "n1", "10.0.0.1", "1")))
	r.host <- routed("10.0.0.1")
	if r.applied(20 * time.Millisecond) {
		t.Error("enforced before the list")
	}
	if len(r.plane.Deltas()) > 0 {
		t.Error("the kernel was changed before the list")
	}
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
	if v := r.ingress("a", "10.0.0.1"); v != verdict.Allow {
		t.Errorf("the pod's traffic: %s", v)
	}
}

// TestRetry: a change that the kernel refuses at any step is tried again until
// it is there, and counted.
func TestRetry(t *testing.T) {
	for _, step := range []fake.Step{fake.Add, fake.Flip, fake.Drop} {
		t.Run(step.String(), func(t *testing.T) {
			r := newRig(t)
			r.host <- routed("10.0.0.1", "10.0.0.2")
			must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
			r.sure()
			r.plane.FailAt(step, errors.New("refused"))
			must(t, r.pods.Add(podOn("q", "n1", "10.0.0.2", "2")))
			r.sure()
			if v := r.ingress("a", "10.0.0.2"); v != verdict.Allow {
				t.Errorf("the new pod's traffic: %s", v)
			}
			if n := testutil.ToFloat64(r.agent.metrics.applies.WithLabelValues(outcomeFailed)); n != 1 {
				t.Errorf("%v failures are counted", n)
			}
			if !strings.Contains(r.log.String(), "trying again") {
				t.Errorf("the log is silent: %s", r.log)
			}
		})
	}
}

// TestInterfaceVanishes: an endpoint whose interface goes away loses its
// program, and one that comes later gets it without a word from the API.
func TestInterfaceVanishes(t *testing.T) {
	r := newRig(t)
	r.host <- routed("10.0.0.1")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
	gone := &netlink.LinkUpdate{Link: &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1, Name: "a"}}}
	gone.Header.Type = unix.RTM_DELLINK
	r.host <- hostEvent{link: gone}
	r.sure()
	if got := r.plane.Program().Interfaces; len(got) != 0 {
		t.Errorf("interfaces %v are programmed", got)
	}
	r.host <- routed("10.0.0.1")
	r.sure()
	if v := r.ingress("a", "10.0.0.1"); v != verdict.Allow {
		t.Errorf("after the interface is back: %s", v)
	}
}

// TestSharedAndMoved: an address that two pods report is closed as long as they
// do; one that moves to another node leaves this one.
func TestSharedAndMoved(t *testing.T) {
	r := newRig(t)
	r.host <- routed("10.0.0.1")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1"), podOn("q", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
	ids := r.plane.Program().Interfaces
	if len(ids) != 2 {
		t.Errorf("interfaces: %v", ids)
	}
	must(t, r.pods.Delete(podOn("p", "n1", "10.0.0.1", "2")))
	r.sure()
	if v := r.ingress("a", "10.0.0.1"); v != verdict.Allow {
		t.Errorf("after one is gone: %s", v)
	}
	must(t, r.pods.Update(podOn("q", "n2", "10.0.0.1", "3")))
	r.sure()
	if got := r.plane.Program().Interfaces; len(got) != 0 {
		t.Errorf("after it moved, %v are programmed", got)
	}
}

// TestOlderWorld: after a restore the API lists an older world, with lower
// versions: it is the world.
func TestOlderWorld(t *testing.T) {
	r := newRig(t)
	r.host <- routed("10.0.0.1", "10.0.0.2")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "90"), podOn("q", "n1", "10.0.0.2", "95")}, "100"))
	r.sure()
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "7")}, "8"))
	answer := make(chan Applied, 1)
	r.questions <- answer
	if got := (<-answer).Objects; len(got) != 1 || got["Pod/x/p"] != "7" {
		t.Errorf("objects %v", got)
	}
	if got := r.plane.Program().Interfaces; len(got) != 1 {
		t.Errorf("programmed: %v", got)
	}
}

// TestQuiet: what concerns nothing here does not touch the kernel.
func TestQuiet(t *testing.T) {
	r := newRig(t)
	r.host <- routed("10.0.0.1")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
	n := testutil.ToFloat64(r.agent.metrics.applies.WithLabelValues(outcomeOK))
	r.host <- routed("10.0.0.1", "10.9.9.9")
	r.sure()
	if got := testutil.ToFloat64(r.agent.metrics.applies.WithLabelValues(outcomeOK)); got != n {
		t.Errorf("a route that leads to no pod changed the kernel %v times", got-n)
	}
}

// TestDrift: what somebody else changed is put right at once, without anything
// else happening, and counted; what may have been is put right and not counted.
func TestDrift(t *testing.T) {
	r := newRig(t)
	r.host <- routed("10.0.0.1")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
	for i, d := range []dataplane.Drift{{What: "chain deleted"}, {What: "too much", Lost: true}} {
		must(t, r.plane.Remove(t.Context()))
		r.agent.drifts <- d
		for len(r.agent.drifts) > 0 {
			time.Sleep(time.Millisecond)
		}
		r.sure()
		if v := r.ingress("a", "10.0.0.1"); v != verdict.Allow || len(r.plane.Program().Interfaces) != 1 {
			t.Errorf("%s: the pod's traffic: %s", d.What, v)
		}
		if n := testutil.ToFloat64(r.agent.metrics.drift); n != 1 {
			t.Errorf("%s: %v are counted after %d", d.What, n, i+1)
		}
	}
}
