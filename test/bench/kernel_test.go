package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestKernel runs the kernel's benchmarks as small as they go, so that they do
// not rot. How fast anything is is no test's business.
func TestKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	e := effort{rules: []int{20}, linear: 20, slice: time.Millisecond, rounds: 3, policies: 20, changes: 4}
	got := map[string]figure{}
	for _, b := range kernel(e) {
		figures, err := b.run(regexp.MustCompile(""))
		if err != nil {
			t.Fatalf("%s: %v", b.names, err)
		}
		for _, f := range figures {
			got[f.Name] = f
		}
		for _, name := range b.names {
			f, ok := got[name]
			if !ok {
				t.Errorf("%s is promised and was not measured", name)
			}
			if !strings.Contains(name, "new-packet") && !strings.Contains(name, "change") && (f.Value <= 0 || f.BaselineValue <= 0) {
				t.Errorf("%s: %v against %v", name, f.Value, f.BaselineValue)
			}
		}
	}
}

// TestFabric: the form with linear rules has as many as the policy, in each
// direction.
func TestFabric(t *testing.T) {
	f := fabric{rules: 30}
	if got := strings.Count(f.linear(), " return\n"); got != 2*f.rules {
		t.Errorf("%d linear rules, want %d", got, 2*f.rules)
	}
	for _, p := range f.state().Policies {
		if len(p.Rules[0]) != perPolicy || len(p.Rules[1]) != perPolicy {
			t.Errorf("%s has %d and %d rules, want %d", p.ID, len(p.Rules[0]), len(p.Rules[1]), perPolicy)
		}
	}
	if got := len(f.state().Policies); got != f.rules/perPolicy {
		t.Errorf("%d policies, want %d", got, f.rules/perPolicy)
	}
}
