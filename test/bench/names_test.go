package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestNames runs the benchmarks of names as small as they go. How fast they are is
// no test's business; that no first connection fails, none is cut, and a kill loses
// and opens nothing, is.
func TestNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	e := namesEffort{lookups: 300, rate: 300, known: 1000, churn: 8 * time.Second, names: 60, ttl: 2}
	for _, b := range e.benchmarks() {
		figures, err := b.run(regexp.MustCompile(""))
		if err != nil {
			t.Fatalf("%s: %v", b.names, err)
		}
		if len(figures) != len(b.names) {
			t.Errorf("%d figures, %v are promised", len(figures), b.names)
		}
		for _, f := range figures {
			t.Logf("%s %v %s", f.Name, f.Value, f.Unit)
			if !strings.Contains(f.Name, "added") && f.Value != 0 {
				t.Errorf("%s: %v %s", f.Name, f.Value, f.Unit)
			}
		}
	}
}
