package crds

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// TestAccepted holds that what users write today is accepted without a
// complaint, has no field that the schema drops, and decodes into the Go types
// and back without a loss.
func TestAccepted(t *testing.T) {
	s := newServer(t)
	paths, err := filepath.Glob("testdata/accepted/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range regexp.MustCompile(`(?m)^---\n`).Split(string(text), -1) {
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(path), i), func(t *testing.T) {
				var obj map[string]any
				if err := yaml.UnmarshalStrict([]byte(doc), &obj); err != nil {
					t.Fatal(err)
				}
				integers(obj)
				seen[obj["kind"].(string)] = true
				for _, complaint := range s.create(t, obj) {
					t.Error(complaint)
				}
				checkGoTypes(t, obj)
			})
		}
	}
	for kind := range s {
		if !seen[kind] {
			t.Errorf("no manifest of kind %s", kind)
		}
	}
}

// checkGoTypes decodes strictly into the registered type and compares what it
// is written as, but for the two values that are written in one way only.
func checkGoTypes(t *testing.T, obj map[string]any) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v3.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	typed, _, err := decoder.Decode(text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	canonical := strings.NewReplacer(`"443"`, `443`, `"tcp"`, `"TCP"`, `,"doNotTrack":false`, ``, `"doNotTrack":false,`, ``).Replace(string(text))
	if d := cmp.Diff(plain(t, []byte(canonical)), plain(t, out)); d != "" {
		t.Errorf("through the Go type:\n%s", d)
	}
}

// plain reads JSON without the fields that Go writes though they are empty.
func plain(t *testing.T, text []byte) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"spec", "status"} {
		v[k] = withoutEmpty(v[k])
		if v[k] == nil {
			delete(v, k)
		}
	}
	delete(v["metadata"].(map[string]any), "creationTimestamp")
	return v
}

// withoutEmpty removes empty values of fields: they mean the same as none.
func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = withoutEmpty(e); e == nil {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			if e := withoutEmpty(v[i]); e != nil {
				v[i] = e
			}
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

func TestBuiltinTiersAreAccepted(t *testing.T) {
	s := newServer(t)
	for _, tier := range v3.BuiltinTiers() {
		obj, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&tier)
		if err != nil {
			t.Fatal(err)
		}
		for _, complaint := range s.create(t, obj) {
			t.Errorf("%s: %s", tier.Name, complaint)
		}
	}
}

// TestDefaults holds what the schema fills in, and that it fills in no order.
func TestDefaults(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		kind string
		want map[string]any
	}{
		{"Tier", map[string]any{"defaultAction": "Deny"}},
		{"NetworkPolicy", map[string]any{"tier": "default"}},
		{"GlobalNetworkPolicy", map[string]any{"tier": "default"}},
		{"StagedNetworkPolicy", map[string]any{"tier": "default", "stagedAction": "Set"}},
		{"StagedGlobalNetworkPolicy", map[string]any{"tier": "default", "stagedAction": "Set"}},
		{"StagedKubernetesNetworkPolicy", map[string]any{"stagedAction": "Set"}},
	} {
		obj := object(t, c.kind, "x", "{}")
		for _, complaint := range s.create(t, obj) {
			t.Errorf("%s: %s", c.kind, complaint)
		}
		if d := cmp.Diff(any(c.want), obj["spec"]); d != "" {
			t.Errorf("%s:\n%s", c.kind, d)
		}
	}
}
