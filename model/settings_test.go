package model_test

import (
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

func ptr[T any](v T) *T { return &v }

// TestSettingsOf: a node's own configuration goes before the default one, and
// what neither says is what holds without them.
func TestSettingsOf(t *testing.T) {
	s := model.NewState()
	s.Apply(
		model.Put(&model.Configuration{Name: "default", Reject: ptr(true), PodToHost: ptr(verdict.HostDrop), LogPrefix: ptr("a"), FailsafeIn: &[]model.Failsafe{}}),
		model.Put(&model.Configuration{Name: "node.n1", PodToHost: ptr(verdict.HostReturn), LogBurst: ptr(uint32(3))}),
		model.Put(&model.Configuration{Name: "node.", Reject: ptr(false)}),
	)
	for node, want := range map[string]verdict.HostAction{"": verdict.HostDrop, "n2": verdict.HostDrop, "n1": verdict.HostReturn} {
		got := s.SettingsOf(node)
		if got.PodToHost != want || !got.Reject || got.Log.Prefix != "a" || len(got.FailsafeIn) != 0 || len(got.FailsafeOut) == 0 {
			t.Errorf("%q: %+v", node, got)
		}
		if burst := got.Log.Burst == 3; burst != (node == "n1") {
			t.Errorf("%q: burst %d", node, got.Log.Burst)
		}
	}
	s.Apply(model.Delete(model.Key{Kind: model.KindConfiguration, Name: "default"}))
	if got := s.SettingsOf("n2"); got.Reject || got.PodToHost != verdict.HostAccept || len(got.FailsafeIn) == 0 {
		t.Errorf("the configuration is gone: %+v", got)
	}
}

// TestPodToOwnHost: after the pod's egress, the setting of its own node alone
// decides (semantics.md section 11).
func TestPodToOwnHost(t *testing.T) {
	for _, row := range []struct {
		action verdict.HostAction
		to     string
		want   verdict.Verdict
	}{
		{verdict.HostAccept, "node:n1", verdict.Allow}, {verdict.HostReturn, "node:n1", verdict.Allow}, {verdict.HostDrop, "node:n1", verdict.Deny},
		{verdict.HostDrop, "node:n3", verdict.Allow},
	} {
		s := lan()
		s.Apply(model.Put(&model.Configuration{Name: "node.n1", PodToHost: &row.action}))
		c, err := s.Connect("blue/a", row.to)
		if err != nil {
			t.Fatal(err)
		}
		if c.Ingress.Endpoint != nil || c.Ingress.Fixed.Verdict != row.want || c.Ingress.Fixed.Reason != verdict.ByHostDefault || c.Egress.Endpoint == nil {
			t.Errorf("%s to %s: %+v", row.action, row.to, c.Ingress)
		}
	}
}
