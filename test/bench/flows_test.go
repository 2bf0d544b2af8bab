package main

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// TestFlows runs the benchmarks of recording as small as they go, so that they do
// not rot. How fast anything is is no test's business; that each connection is
// recorded, or counted as not recorded, is.
func TestFlows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, b := range []benchmark{flowsConnect(2, 50*time.Millisecond), flowsUnrecorded(8000), flowsUpdate(2000)} {
		figures, err := b.run(regexp.MustCompile(""))
		if err != nil {
			t.Fatalf("%s: %v", b.names, err)
		}
		if len(figures) != len(b.names) {
			t.Errorf("%s: %d figures", b.names, len(figures))
		}
		for _, f := range figures {
			if f.Name == "flows/unrecorded" && f.Value != 0 {
				t.Errorf("%v of %v connections are neither recorded nor counted", f.Value, f.BaselineValue)
			}
		}
	}
}
