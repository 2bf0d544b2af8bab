package server

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/flows"
	"github.com/tierwall/tierwall/server/status"
)

// one is a server of several, as far as flows go.
type one struct {
	reports *reports
	store   *flows.Store
	http    *httptest.Server
}

// several starts servers that share an API server, in which "root" may see all
// flows and nobody else any.
func several(t *testing.T, n int) ([]*one, *fake.Clientset) {
	core := fake.NewClientset()
	core.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: r.Spec.Token}}
		return true, r, nil
	})
	core.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		r.Status.Allowed = r.Spec.User == "root" && r.Spec.ResourceAttributes.Resource == flow.Resource
		return true, r, nil
	})
	var all []*one
	for range n {
		store, err := flows.Open(flows.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		s := &one{store: store, reports: &reports{metrics: newMetrics(), elsewhere: NewElsewhere(core, "tierwall")}}
		s.http = httptest.NewUnstartedServer(s.reports)
		s.http.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
		s.http.Config.ReadTimeout = 300 * time.Millisecond // as the real one has, but shorter
		s.http.StartTLS()
		t.Cleanup(func() { s.http.Close(); _ = store.Close() })
		all = append(all, s)
	}
	return all, core
}

// lead makes one of them the leader, as an election does.
func lead(t *testing.T, core *fake.Clientset, leader *one, all []*one) {
	t.Helper()
	for _, s := range all {
		s.reports.current.Store(nil)
		s.reports.elsewhere.until = time.Time{} // what was believed is over
	}
	h := leader.store.Handler(core, func(context.Context, string, string) error { return errors.New("no agent") }, status.Code)
	leader.reports.current.Store(&h)
	leader.store.LeadsSince(time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC))
	publish(t, core, map[string]string{
		report.URLKey: leader.http.URL, report.NameKey: "example.com",
		report.CAKey: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leader.http.Certificate().Raw})),
	})
}

func publish(t *testing.T, core kubernetes.Interface, data map[string]string) {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "tierwall", Name: report.ServerName}, Data: data}
	maps := core.CoreV1().ConfigMaps("tierwall")
	_, err := maps.Update(t.Context(), m, metav1.UpdateOptions{})
	if err != nil {
		_, err = maps.Create(t.Context(), m, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *one) put(t *testing.T, sequence uint64, port uint16) {
	t.Helper()
	r := flow.Record{Node: "n1", Reporter: flow.BySource, Protocol: "TCP", Port: port, Connections: 1, Start: time.Now(), Last: time.Now(),
		Source:      flow.End{Kind: flow.Address, Address: netip.MustParseAddr("192.0.2.1")},
		Destination: flow.End{Kind: flow.Address, Address: netip.MustParseAddr("192.0.2.2")}}
	if err := s.store.Put(flow.Batch{Node: "n1", Instance: "i", Sequence: sequence, Records: []flow.Record{r}}); err != nil {
		t.Fatal(err)
	}
}

// ask asks a server as its own client trusts it.
func (s *one) ask(t *testing.T, token, query string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+flow.Path+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// TestElsewhere: whichever server is asked about flows, the one that leads
// answers, to the user who asks; who shows a certificate is told where to ask, and
// no question goes round in circles.
func TestElsewhere(t *testing.T) {
	all, core := several(t, 3)
	a, b := all[0], all[1]
	if code, text := b.ask(t, "root", ""); code != 503 || !strings.Contains(text, "where the server is that leads") {
		t.Errorf("before any leads: %d %s", code, text)
	}
	lead(t, core, a, all)
	a.put(t, 1, 81)
	for _, row := range []struct {
		token, query string
		code         int
		want         string
	}{
		{"root", "", 200, `"port":81`},
		{"root", "", 200, `"since":"2026-11-25T14:00:00Z"`},
		{"root", "?port=82", 200, `"records":[]`},
		{"root", "/together", 200, `"port":81`},
		{"root", "/stats", 200, "["},
		{"root", "?port=x", 400, "port"},
		{"eve", "", 403, "not the right"},
		{"", "", 421, "ask " + a.http.URL},
	} {
		if code, text := b.ask(t, row.token, row.query); code != row.code || !strings.Contains(text, row.want) {
			t.Errorf("%q %s: %d %s, want %d %s", row.token, row.query, code, text, row.code, row.want)
		}
	}
	lead(t, core, b, all)
	b.put(t, 1, 82)
	if code, text := a.ask(t, "root", ""); code != 200 || !strings.Contains(text, `"port":82`) || strings.Contains(text, `"port":81`) {
		t.Errorf("another leads: %d %s", code, text)
	}
	c := all[2]
	lead(t, core, c, all)
	if code, text := a.ask(t, "root", ""); code != 200 || !strings.Contains(text, `"records":[]`) {
		t.Errorf("a third leads: %d %s", code, text)
	}
	lead(t, core, b, all)
	b.reports.current.Store(nil) // leads no more, and who does has not said so yet
	if code, text := a.ask(t, "root", ""); code != 421 || !strings.Contains(text, "another server") {
		t.Errorf("in a circle: %d %s", code, text)
	}
	b.http.Close()
	if code, text := a.ask(t, "root", ""); code != 502 {
		t.Errorf("the leader is gone: %d %s", code, text)
	}
	families, err := a.reports.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(fmt.Sprint(families), `value:"failed"`) {
		t.Error("what failed is not counted")
	}
}

// TestFollowElsewhere: who follows at a server that does not lead hears of what
// comes to the other, past the time that a request may take.
func TestFollowElsewhere(t *testing.T) {
	all, core := several(t, 2)
	a, b := all[0], all[1]
	lead(t, core, a, all)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	reader, err := b.reports.elsewhere.Reader(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.reports.elsewhere.Reader(ctx, "root")
	if err != nil || reader != again {
		t.Errorf("one who follows would have to begin anew: %v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.http.URL+flow.Path+"?follow=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer root")
	resp, err := b.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	events := make(chan uint16)
	go func() {
		_ = flow.ReadEvents(resp.Body, func(e flow.Event) error {
			events <- e.Record.Port
			return nil
		})
		close(events)
	}()
	direct := reader.Follow(ctx, flow.Access{}, flow.Filter{})
	next := func() {
		if e, ok := <-direct; !ok || e.Record == nil {
			t.Errorf("the reader has ended: %+v", e)
		}
	}
	for sequence := uint64(1); ; sequence++ { // until both follow
		a.put(t, sequence, 80)
		select {
		case e := <-direct:
			if e.Record == nil {
				t.Fatal("the reader has ended")
			}
		case <-time.After(50 * time.Millisecond):
			continue
		}
		if got := <-events; got != 80 {
			t.Fatalf("port %d", got)
		}
		break
	}
	time.Sleep(2 * a.http.Config.ReadTimeout) // longer than a request may take
	a.put(t, 1000, 81)
	next()
	for got := range events {
		if got == 81 {
			return
		}
	}
	t.Error("the stream has ended")
}
