package status

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
)

// TestCutsAreWritten: when a report that names new cuts is answered, the policy's
// status says so already.
func TestCutsAreWritten(t *testing.T) {
	a := &api{nodes: 1, policies: 1, changed: make(chan string), said: map[string]string{}}
	server := httptest.NewServer(a)
	defer server.Close()
	s := New(Options{Core: kubernetes.NewForConfigOrDie(&rest.Config{Host: server.URL, QPS: -1}), Policies: policiesAt(t, server.URL), Namespace: "ns", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { s.Run(ctx) })

	r := report.Report{Node: "node-0", Instance: "i", Sequence: 1, Full: true, Applies: []string{"GlobalNetworkPolicy//policy-0"},
		Versions: map[string]string{v3.KindNetworkPolicy: "1", v3.KindGlobalNetworkPolicy: "1"}}
	if ok, _ := s.take(ctx, r); !ok {
		t.Fatal("the report is not taken")
	}
	a.says(t, "policy-0", "1 True 1 of 1 nodes")
	for i, cut := range []string{"ssh (ingress rule 0)", "ssh (ingress rule 1)"} {
		r.Full, r.Sequence, r.Cuts = false, uint64(i+2), map[string]string{"GlobalNetworkPolicy//policy-0": cut}
		if ok, _ := s.take(ctx, r); !ok {
			t.Fatal("the report is not taken")
		}
		a.mu.Lock()
		if got := a.said["policy-0"]; !strings.Contains(got, "node node-0: "+cut) {
			t.Errorf("when the agent has its answer, the status says %q, and not that it cuts %s", got, cut)
		}
		a.mu.Unlock()
	}
}
