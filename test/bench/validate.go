package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tierwall/tierwall/manifest"
)

// validated is how many objects are checked.
const validated = 10_000

// validate measures what "tierwall validate" does with 10,000 policies and sets
// in 100 files, some of them wrong: read, decode, translate, sort.
func validate() benchmark {
	name := fmt.Sprintf("validate/%d", validated)
	return benchmark{names: []string{name}, run: func(*regexp.Regexp) ([]figure, error) {
		dir, err := os.MkdirTemp("", "validate")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		for file := range 100 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", file)), []byte(manyObjects(file)), 0o600); err != nil {
				return nil, err
			}
		}
		var times []float64
		for range 3 {
			began := time.Now()
			docs, problems, err := manifest.Read([]string{dir}, nil)
			if err != nil {
				return nil, err
			}
			objects, more := manifest.Objects(docs)
			_, rest := manifest.State(objects)
			if n := len(problems) + len(more) + len(rest); len(objects) != validated || n < 100 {
				return nil, fmt.Errorf("%d objects and %d problems", len(objects), n)
			}
			times = append(times, time.Since(began).Seconds())
		}
		return []figure{{name, median(times), "s", "goal", 2}}, nil
	}}
}

// manyObjects is one file of 100 objects, the first of which has a wrong
// selector.
func manyObjects(file int) string {
	var b strings.Builder
	for i := range validated / 100 {
		kind, spec := "NetworkPolicy", `
  order: 10
  selector: app == 'web' && tier in {'front', 'back'}
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'client', namespaceSelector: team == 'blue'}, destination: {ports: [80, "8000:8100"]}}
  - {action: Deny, source: {nets: [10.0.0.0/8]}}
  egress:
  - {action: Allow, protocol: UDP, destination: {ports: [53]}}`
		switch {
		case i == 0:
			spec = "\n  selector: app = 'web'"
		case i%10 == 9:
			kind, spec = "NetworkSet", "\n  nets: [10.1.0.0/16, 192.0.2.7]"
		}
		fmt.Fprintf(&b, "---\napiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: o%d-%d, namespace: ns%d}\nspec:%s\n", kind, file, i, i%20, spec)
	}
	return b.String()
}
