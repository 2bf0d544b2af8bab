package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/status"
)

// The times of the election: how long a leader that has vanished is waited for,
// how long one that cannot renew goes on, and how often is tried.
const (
	leaseLasts = 15 * time.Second
	leaseRenew = 10 * time.Second
	leaseRetry = 2 * time.Second
)

// elect leads whenever this server is the one of its namespace that does, until
// the context ends. All servers answer admission; one hears the agents and
// writes.
func (s *Server) elect(ctx context.Context) {
	host, err := os.Hostname()
	if err != nil {
		host = "server"
	}
	config := leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: s.options.Namespace, Name: report.ServerName}, Client: s.core.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + rand.Text()},
		},
		LeaseDuration: leaseLasts, RenewDeadline: leaseRenew, RetryPeriod: leaseRetry, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: s.lead,
			OnStoppedLeading: func() {},
		},
		WatchDog: s.probes.watched(),
	}
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(config)
		if err != nil { // the configuration is a constant
			s.options.Log.Error("no election", "error", err)
			return
		}
		elector.Run(ctx)
	}
}

// lead does what one server of a cluster does, until the context ends. Two terms
// do not overlap.
func (s *Server) lead(ctx context.Context) {
	s.leading.Lock()
	defer s.leading.Unlock()
	if s.options.Leads != nil {
		s.options.Leads(true)
		defer s.options.Leads(false)
	}
	if s.options.Flows != nil && s.options.Service != "" {
		s.options.Flows.LeadsSince(time.Now())
	}
	s.metrics.leader.Set(1)
	defer s.metrics.leader.Set(0)
	s.options.Log.Info("this server hears the agents and writes status")
	var term sync.WaitGroup
	if s.reports != nil {
		st := status.New(status.Options{Core: s.core, Policies: s.client, Cluster: s.cluster, Namespace: s.options.Namespace, Log: s.options.Log})
		handler := s.hears(st)
		s.reports.current.Store(&handler)
		s.metrics.status.Store(st)
		defer s.reports.current.Store(nil)
		defer s.metrics.status.Store(nil)
		term.Go(func() { st.Run(ctx) })
	}
	w := writer{s.client, liveTiers{s.client}}
	events := make(chan event, 256)
	watch(ctx, s.client, s.scheme, events)
	term.Go(func() { newController(w.do, s.options.Log).run(ctx, events) })
	nodeEvents := make(chan event, 256)
	watchNodeHosts(ctx, s.client, s.core.CoreV1().RESTClient(), nodeEvents)
	term.Go(func() { newNodeHosts(w.host, s.options.Log).run(ctx, nodeEvents) })
	switch {
	case s.options.Service != "":
		term.Go(func() { s.announce(ctx) })
	case s.options.AdvertiseIP != "":
		if err := s.publish(ctx); err != nil {
			s.options.Log.Warn("where this server is could not be published", "error", err)
		}
	}
	term.Wait()
}

// announceEvery is how often the leader says again what others rely on, so that
// it is put right if somebody takes it away.
const announceEvery = time.Minute

// announce keeps the API server's word on the webhook, and the agents' on where
// this server is, until the context ends.
func (s *Server) announce(ctx context.Context) {
	for {
		next := announceEvery
		err := s.tellWebhook(ctx)
		if err == nil {
			err = s.publish(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.options.Log.Warn("what others need to know of this server could not be written; trying again", "error", err)
			next = retryAfter
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
	}
}

// publish writes the ConfigMap in which agents read where to report to.
func (s *Server) publish(ctx context.Context) error {
	if s.options.AdvertiseIP == "" || s.reports == nil {
		return nil
	}
	_, port, err := net.SplitHostPort(s.ReportAddress())
	if err != nil {
		return fmt.Errorf("address for reports: %w", err)
	}
	trusted, err := s.identity.trusted()
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": s.ownMeta(ctx, report.ServerName, s.options.Namespace),
		"data": map[string]string{
			report.URLKey:  "https://" + net.JoinHostPort(s.options.AdvertiseIP, port),
			report.NameKey: s.where.host(), report.CAKey: string(trusted),
		},
	})
	if err != nil {
		return err
	}
	force := true
	_, err = s.core.CoreV1().ConfigMaps(s.options.Namespace).Patch(ctx, report.ServerName, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	if err != nil {
		return fmt.Errorf("configmap %s/%s: %w", s.options.Namespace, report.ServerName, err)
	}
	return nil
}

// ownMeta is the metadata of what the server makes for itself. It belongs to the
// server's role, if it has one of the usual name: who takes the installation
// away takes these along, and the API server does not go on asking a webhook
// that is gone.
func (s *Server) ownMeta(ctx context.Context, name, namespace string) map[string]any {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	if s.options.Service == "" {
		return meta
	}
	role, err := s.core.RbacV1().ClusterRoles().Get(ctx, RoleName, metav1.GetOptions{})
	if err != nil {
		return meta
	}
	meta["ownerReferences"] = []metav1.OwnerReference{{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: role.Name, UID: role.UID}}
	return meta
}
