package selector

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequirements(t *testing.T) {
	present := func(key string) Requirement { return Requirement{Key: key} }
	oneOf := func(key string, values ...string) Requirement {
		return Requirement{Key: key, Values: append([]string{}, values...)}
	}
	for _, tc := range []struct {
		text string
		want []Requirement
	}{
		{"", nil},
		{"global()", nil},
		{"!all()", nil},
		{"a == 'x'", []Requirement{oneOf("a", "x")}},
		{"a != 'x'", nil},
		{"!a == 'x'", nil},
		{"!a != 'x'", []Requirement{oneOf("a", "x")}},
		{"a in {'y', 'x'}", []Requirement{oneOf("a", "x", "y")}},
		{"a in {}", []Requirement{oneOf("a")}},
		{"a not in {'x'}", nil},
		{"!a not in {'x'}", []Requirement{oneOf("a", "x")}},
		{"!a in {'x'}", nil},
		{"has(a)", []Requirement{present("a")}},
		{"!has(a)", nil},
		{"a contains 'x'", []Requirement{present("a")}},
		{"a starts with 'x'", []Requirement{present("a")}},
		{"a ends with ''", []Requirement{present("a")}},
		{"!a contains 'x'", nil},
		{"b == 'y' && a == 'x' && c != 'z'", []Requirement{oneOf("a", "x"), oneOf("b", "y")}},
		{"a in {'x', 'y', 'z'} && a in {'y', 'z', 'w'} && has(a)", []Requirement{oneOf("a", "y", "z")}},
		{"has(a) && a == 'x'", []Requirement{oneOf("a", "x")}},
		{"a == 'x' && a == 'y'", []Requirement{oneOf("a")}},
		{"a == 'y' || a == 'x'", []Requirement{oneOf("a", "x", "y")}},
		{"a == 'y' || has(a)", []Requirement{present("a")}},
		{"a == 'x' || b == 'x'", nil},
		{"a == 'x' || all()", nil},
		{"a == 'x' && b == '1' || a == 'y' && b == '2' && has(c)", []Requirement{oneOf("a", "x", "y"), oneOf("b", "1", "2")}},
		{"a == 'x' || b in {}", []Requirement{oneOf("a", "x")}},
		{"a == 'x' || !all()", []Requirement{oneOf("a", "x")}},
		{"a == 'x' || b == '1' && b == '2'", []Requirement{oneOf("a", "x")}},
		{"a == 'x' || b in {} && has(c)", []Requirement{oneOf("a", "x")}},
		{"a in {} || b in {}", []Requirement{oneOf("a")}},
		{"!(a != 'x' || !has(b))", []Requirement{oneOf("a", "x"), present("b")}},
		{"!(a != 'x' && a != 'y')", []Requirement{oneOf("a", "x", "y")}},
		{"!(a == 'x' && b == 'y')", nil},
	} {
		if diff := cmp.Diff(tc.want, MustParse(tc.text).Requirements()); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.text, diff)
		}
	}
}

func TestRequirementHolds(t *testing.T) {
	for _, tc := range []struct {
		r    Requirement
		l    Map
		want bool
	}{
		{Requirement{Key: "a"}, Map{"a": ""}, true},
		{Requirement{Key: "a"}, Map{"b": ""}, false},
		{Requirement{Key: "a", Values: []string{"x", "y"}}, Map{"a": "y"}, true},
		{Requirement{Key: "a", Values: []string{"x", "y"}}, Map{"a": "z"}, false},
		{Requirement{Key: "a", Values: []string{""}}, Map{}, false},
		{Requirement{Key: "a", Values: []string{}}, Map{"a": "x"}, false},
	} {
		if got := tc.r.Holds(tc.l); got != tc.want {
			t.Errorf("%v on %v: %v", tc.r, tc.l, got)
		}
	}
}

// The slices that Requirements returns are the caller's.
func TestRequirementsCopies(t *testing.T) {
	s := In("k", "a", "b")
	s.Requirements()[0].Values[0] = "z"
	if !s.Matches(Map{"k": "a"}) {
		t.Error("the caller's change reached the selector")
	}
}
