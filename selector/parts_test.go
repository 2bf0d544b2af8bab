package selector

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConjuncts(t *testing.T) {
	for text, want := range map[string][]string{
		"":                               {"all()"},
		"a == 'x'":                       {`a == "x"`},
		"a == 'x && y' && b in {'('}":    {`a == "x && y"`, `b in {"("}`},
		"a == 'x' && (has(b) || has(c))": {`a == "x"`, "(has(b) || has(c))"},
		"has(a) && has(b) || has(c)":     {"((has(a) && has(b)) || has(c))"},
		"!(has(a) && has(b))":            {"!(has(a) && has(b))"},
	} {
		var got []string
		for _, part := range MustParse(text).Conjuncts() {
			got = append(got, part.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string][]string{
		"a == 'x'":             {"x"},
		"a in {'y', \"it's\"}": {"it's", "y"},
		"a in {}":              {},
		"b == 'x'":             nil,
		"a != 'x'":             nil,
		"!(a == 'x')":          nil,
		"a not in {'x'}":       nil,
		"has(a)":               nil,
		"a == 'x' && has(b)":   nil,
		"":                     nil,
	} {
		got, ok := MustParse(text).Values("a")
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != nil) {
			t.Errorf("%s: %v (-want +got):\n%s", text, ok, diff)
		}
	}
}

// TestUnprefixed: it is Prefixed undone, or it says that it cannot.
func TestUnprefixed(t *testing.T) {
	for _, text := range []string{"a == 'pcns.x'", "has(a) || !b in {'y'}", "all() && has(a)"} {
		want := MustParse(text)
		if got, ok := want.Prefixed("pcns.").Unprefixed("pcns."); !ok || !got.Equal(want) {
			t.Errorf("%s came back as %s, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "global()", "a == 'x'", "pcns.a == 'x' && b == 'y'"} {
		if got, ok := MustParse(text).Unprefixed("pcns."); ok {
			t.Errorf("%s lost a prefix that it did not have: %s", text, got)
		}
	}
}
