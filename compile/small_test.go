package compile

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// TestSmall: a small map is a map, whatever its size.
func TestSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m small[int, string]
		want := map[int]string{}
		for range rapid.IntRange(0, 120).Draw(t, "steps") {
			k := rapid.IntRange(0, 3*few).Draw(t, "key")
			if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
				m.remove(k)
				delete(want, k)
			} else {
				v := rapid.StringN(0, 2, -1).Draw(t, "value")
				m.put(k, v)
				want[k] = v
			}
			got := map[int]string{}
			for _, e := range m.entries {
				got[e.key] = e.value
			}
			if !maps.Equal(got, want) || m.len() != len(want) {
				t.Fatalf("%v, want %v", got, want)
			}
			for k := range 3 * few {
				v, ok := m.get(k)
				if w, has := want[k]; v != w || ok != has {
					t.Fatalf("key %d: %q %v, want %q %v", k, v, ok, w, has)
				}
			}
		}
	})
}
