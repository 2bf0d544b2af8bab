package manifest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tierwall/tierwall/manifest"
)

// FuzzManifest reads any text as a file of manifests: documents or Problems with
// their places, never a panic.
//
// With -fuzz, add -fuzzminimizetime 0x: else go test spends up to a minute on
// making each interesting text smaller, and shows 0 execs/sec meanwhile.
func FuzzManifest(f *testing.F) {
	files, err := filepath.Glob("../api/crds/testdata/accepted/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:min(len(text), 4000)])
	}
	for _, text := range []string{
		"", "---", "a: [", "{a: &x [*x]}", "kind: List\napiVersion: v1\nitems: [{}, 1, null]", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: 7\nspec: {order: .nan}",
		"<<: {a: 1}\n<<: [*b]", "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {ingress: [{action: Allow, action: Deny}], selector: \"(\"}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, problems := manifest.Parse("f.yaml", text)
		objects, more := manifest.Objects(docs)
		_, rest := manifest.State(objects)
		for _, p := range append(append(problems, more...), rest...) {
			if p.Code == "" || p.Message == "" || p.File != "f.yaml" || p.Line < 1 || p.Column < 1 {
				t.Fatalf("a problem without code, message or place: %+v", p)
			}
		}
	})
}
