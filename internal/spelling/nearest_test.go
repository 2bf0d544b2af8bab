package spelling

import "testing"

func TestNearest(t *testing.T) {
	fields := []string{"selector", "types", "order", "ingress", "egress", "nets", "namespaceSelector"}
	for word, want := range map[string]string{
		"selectr": "selector", "SELECTOR": "selector", "ordr": "order", "egres": "egress", "namespaceselector": "namespaceSelector",
		"net": "nets", "podSelector": "selector", "x": "", "": "",
	} {
		if got := Nearest(word, fields); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance of %q and %q is %d, want %d", test.a, test.b, got, test.want)
		}
		if back := distance(test.b, test.a); back != test.want {
			t.Errorf("distance of %q and %q is %d, want %d", test.b, test.a, back, test.want)
		}
	}
}
