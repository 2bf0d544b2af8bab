package manifest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/manifest"
)

// TestHuge holds that a megabyte of what does not fit is answered in good time,
// with a list that has an end, and closes the policy. Each row took a minute or
// more when it was written.
func TestHuge(t *testing.T) {
	const policy = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p, namespace: blue}\n"
	var root strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&root, "f%d: 1\n", i)
	}
	aliases := func(name string, n int) string { return "[" + strings.Repeat("*"+name+", ", n-1) + "*" + name + "]" }
	for name, text := range map[string]string{
		"unknown fields": root.String() + policy,
		"wrong items":    policy + "spec:\n  ingress:\n  - action: Allow\n    source:\n      nets:\n" + strings.Repeat("      - [x]\n", 50_000),
		"merged lists":   "a: &a [{x: 1}]\nb: &b " + aliases("a", 1000) + "\nc: &c " + aliases("b", 1000) + "\nd: &d " + aliases("c", 1000) + "\n" + policy + "spec: {<<: *d}\n",
	} {
		began := time.Now()
		docs, _ := manifest.Parse("f", []byte(text))
		objects, _ := manifest.Objects(docs)
		s, problems := manifest.State(objects)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		large := 0
		for _, p := range problems {
			if p.Code == "too-large" && p.Path == "" {
				large++
			}
		}
		if large != 1 || len(problems) > 1002 {
			t.Errorf("%s: %d problems, %d of them that it is too large", name, len(problems), large)
		}
		for _, p := range s.Policies {
			if p.Invalid != [2]bool{true, true} || p.Applies != [2]bool{true, true} {
				t.Errorf("%s: invalid %v, applies %v", name, p.Invalid, p.Applies)
			}
		}
	}
}
