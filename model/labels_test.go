package model_test

import (
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// TestPodLabels holds section 5 for pods: what they inherit from namespace and
// service account, and what wins.
func TestPodLabels(t *testing.T) {
	s := model.NewState()
	s.Apply(
		model.Put(&model.Namespace{Name: "blue", Labels: map[string]string{
			"env": "dev", "empty": "", model.LabelName: "red",
		}}),
		model.Put(&model.Namespace{Name: "red", Labels: map[string]string{"env": "prod"}}),
		model.Put(&model.ServiceAccount{Namespace: "blue", Name: "robot", Labels: map[string]string{"team": "a", model.LabelName: "admin"}}),
		model.Put(&model.ServiceAccount{Namespace: "red", Name: "robot", Labels: map[string]string{"team": "b"}}),
	)
	pod := &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "p"}, ServiceAccount: "robot",
		Labels: map[string]string{"app": "web", "env": "own"},
	}
	stranger := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "gone", Name: "p"}, ServiceAccount: "gone"}
	for _, row := range []struct {
		what  string
		of    *model.Endpoint
		key   string
		value string
		ok    bool
	}{
		{"its own", pod, "app", "web", true},
		{"its own, not the namespace's of that name", pod, "env", "own", true},
		{"the namespace's, with the prefix", pod, "pcns.env", "dev", true},
		{"an empty label is present", pod, "pcns.empty", "", true},
		{"the namespace's own has no bare name", pod, "empty", "", false},
		{"one that the namespace lacks", pod, "pcns.app", "", false},
		{"the name of the namespace cannot be spoofed by its labels", pod, "pcns." + model.LabelName, "blue", true},
		{"the account's, of the pod's namespace", pod, "pcsa.team", "a", true},
		{"nor can the account's name be spoofed", pod, "pcsa." + model.LabelName, "robot", true},
		{"one that the account lacks", pod, "pcsa.env", "", false},
		{"an unknown namespace still has its name", stranger, "pcns." + model.LabelName, "gone", true},
		{"and an unknown account too", stranger, "pcsa." + model.LabelName, "gone", true},
		{"and no other labels", stranger, "pcns.env", "", false},
		{"nothing by the prefix alone", pod, "pcns.", "", false},
	} {
		if value, ok := s.Labels(row.of).Label(row.key); value != row.value || ok != row.ok {
			t.Errorf("%s: %s is %q, %v; want %q, %v", row.what, row.key, value, ok, row.value, row.ok)
		}
	}
}

// TestOwnBeatsInherited: a label that an object carries itself wins over one
// that it would inherit under the same key.
func TestOwnBeatsInherited(t *testing.T) {
	s := model.NewState()
	s.Apply(
		model.Put(&model.Namespace{Name: "blue", Labels: map[string]string{"env": "dev"}}),
		model.Put(&model.Profile{Name: "first", Labels: map[string]string{"role": "first", "env": "first"}}),
	)
	own := map[string]string{"pcns.env": "own", "role": "own"}
	pod := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "p"}, Labels: own}
	set := &model.NetworkSet{Namespace: "blue", Name: "n", Labels: own}
	hep := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Labels: own, Profiles: []string{"first"}}
	for name, l := range map[string]model.Labels{"pod": s.Labels(pod), "set": s.SetLabels(set), "host endpoint": s.Labels(hep)} {
		for _, key := range []string{"pcns.env", "role"} {
			if value, ok := l.Label(key); value != "own" || !ok {
				t.Errorf("%s: %s is %q, %v", name, key, value, ok)
			}
		}
	}
	if value, _ := s.Labels(hep).Label("env"); value != "first" {
		t.Errorf("the profile's label is %q", value)
	}
}

// TestHostEndpointLabels: host endpoints inherit from their profiles, the
// first that has the label wins, and belong to no namespace.
func TestHostEndpointLabels(t *testing.T) {
	s := model.NewState()
	s.Apply(
		model.Put(&model.Namespace{Name: "", Labels: map[string]string{"env": "none"}}),
		model.Put(&model.Profile{Name: "a", Labels: map[string]string{"zone": "a"}}),
		model.Put(&model.Profile{Name: "b", Labels: map[string]string{"zone": "b", "rack": "b"}}),
	)
	hep := func(profiles ...string) model.Labels {
		return s.Labels(&model.Endpoint{
			ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Profiles: profiles, Labels: map[string]string{"pcns.x": "kept"},
		})
	}
	for _, row := range []struct {
		labels model.Labels
		key    string
		value  string
		ok     bool
	}{
		{hep("a", "b"), "zone", "a", true},
		{hep("b", "a"), "zone", "b", true},
		{hep("a", "b"), "rack", "b", true},
		{hep("absent", "b"), "zone", "b", true},
		{hep(), "zone", "", false},
		{hep("a"), "pcns." + model.LabelName, "", false},
		{hep("a"), "pcsa." + model.LabelName, "", false},
		{hep("a"), "pcns.env", "", false},
		{hep("a"), "pcns.x", "kept", true},
		{hep("a"), model.LabelNamespace, "", false},
	} {
		if value, ok := row.labels.Label(row.key); value != row.value || ok != row.ok {
			t.Errorf("%s is %q, %v; want %q, %v", row.key, value, ok, row.value, row.ok)
		}
	}
}

// TestSetLabels: network sets inherit from their namespace and from nobody
// else; global ones from nobody.
func TestSetLabels(t *testing.T) {
	s := model.NewState()
	s.Apply(model.Put(&model.Namespace{Name: "blue", Labels: map[string]string{"env": "dev", model.LabelName: "red"}}))
	set := s.SetLabels(&model.NetworkSet{Namespace: "blue", Name: "n", Labels: map[string]string{"kind": "db"}})
	global := s.SetLabels(&model.NetworkSet{Name: "n", Labels: map[string]string{"kind": "db"}})
	for _, row := range []struct {
		labels model.Labels
		key    string
		value  string
		ok     bool
	}{
		{set, "kind", "db", true},
		{set, "pcns.env", "dev", true},
		{set, "pcns." + model.LabelName, "blue", true},
		{set, "pcsa." + model.LabelName, "", false},
		{global, "kind", "db", true},
		{global, "pcns.env", "", false},
		{global, "pcns." + model.LabelName, "", false},
	} {
		if value, ok := row.labels.Label(row.key); value != row.value || ok != row.ok {
			t.Errorf("%s is %q, %v; want %q, %v", row.key, value, ok, row.value, row.ok)
		}
	}
}
