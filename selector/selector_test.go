package selector

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMatches is the table of forms in semantics.md section 4: each form on an
// absent label, on some values, and on the empty value.
func TestMatches(t *testing.T) {
	absent := Map{"other": "web"}
	k := func(v string) Map { return Map{"k": v} }
	for _, tc := range []struct {
		text    string
		yes, no []Labels
	}{
		{"k == 'web'", []Labels{k("web")}, []Labels{absent, k("Web"), k("web1"), k(""), nil}},
		{"k == ''", []Labels{k("")}, []Labels{absent, k("x")}},
		{"k != 'web'", []Labels{absent, k("x"), k(""), nil, Map(nil)}, []Labels{k("web")}},
		{"k in {'a', 'b'}", []Labels{k("a"), k("b")}, []Labels{absent, k("c"), k(""), nil}},
		{"k not in {'b', 'a'}", []Labels{absent, k("c"), k(""), nil}, []Labels{k("a"), k("b")}},
		{"k in {}", nil, []Labels{absent, k("a"), k("")}},
		{"k not in {}", []Labels{absent, k("a"), k("")}, nil},
		{"k contains 'b'", []Labels{k("abc"), k("b")}, []Labels{absent, k("ac"), k("B")}},
		{"k contains ''", []Labels{k("abc"), k("")}, []Labels{absent, nil}},
		{"k starts with 'ab'", []Labels{k("abc"), k("ab")}, []Labels{absent, k("cab"), k("a")}},
		{"k starts with ''", []Labels{k("")}, []Labels{absent}},
		{"k ends with 'bc'", []Labels{k("abc"), k("bc")}, []Labels{absent, k("bca"), k("c")}},
		{"k ends with ''", []Labels{k("")}, []Labels{absent}},
		{"has(k)", []Labels{k("x"), k("")}, []Labels{absent, nil}},
		{"!has(k)", []Labels{absent, nil}, []Labels{k("x"), k("")}},
		{"all()", []Labels{absent, k("x"), nil, Map(nil)}, nil},
		{"!all()", nil, []Labels{absent, nil}},
		{"global()", []Labels{absent, k("x"), nil}, nil},
		{"!k == 'web'", []Labels{absent, k("x")}, []Labels{k("web")}},
		{"!!k == 'web'", []Labels{k("web")}, []Labels{absent, k("x")}},
		{"has(k) && has(j)", []Labels{Map{"k": "", "j": ""}}, []Labels{k(""), Map{"j": ""}}},
		{"has(k) || has(j)", []Labels{k(""), Map{"j": ""}}, []Labels{absent}},
		{"has(k) || has(j) && has(i)", []Labels{k(""), Map{"j": "", "i": ""}}, []Labels{Map{"j": ""}, Map{"i": ""}}},
		{"!(has(k) || has(j))", []Labels{absent}, []Labels{k(""), Map{"j": ""}}},
	} {
		s := MustParse(tc.text)
		for _, l := range tc.yes {
			if !s.Matches(l) {
				t.Errorf("%s does not match %v", tc.text, l)
			}
		}
		for _, l := range tc.no {
			if s.Matches(l) {
				t.Errorf("%s matches %v", tc.text, l)
			}
		}
	}
}

func TestConstructors(t *testing.T) {
	a, b, c := Has("a"), Has("b"), Has("c")
	for _, tc := range []struct {
		got  *Selector
		want string
	}{
		{nil, "all()"},
		{&Selector{}, "all()"},
		{All(), "all()"},
		{Equal("k", "v"), `k == "v"`},
		{Equal("k", `v"`), `k == 'v"'`},
		{In("k", "b", "a", "b"), `k in {"a", "b"}`},
		{In("k"), `k in {}`},
		{NotIn("k", "b", "a"), `k not in {"a", "b"}`},
		{And(), "all()"},
		{And(a), "has(a)"},
		{And(nil), "all()"},
		{And(a, nil), "(has(a) && all())"},
		{And(a, And(b, c)), "(has(a) && has(b) && has(c))"},
		{And(And(a, b), Or(b, c)), "(has(a) && has(b) && (has(b) || has(c)))"},
		{Or(), "!all()"},
		{Or(a), "has(a)"},
		{Or(Or(a, b), c, &Selector{}), "(has(a) || has(b) || has(c) || all())"},
		{Not(a), "!has(a)"},
		{Not(Not(a)), "has(a)"},
		{Not(nil), "!all()"},
		{Not(And(a, b)), "!(has(a) && has(b))"},
		{And(Not(Not(And(a, b))), c), "(has(a) && has(b) && has(c))"},
	} {
		if got := tc.got.String(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
		if again := MustParse(tc.want); again.String() != tc.want {
			t.Errorf("%s read back: %s", tc.want, again)
		}
	}
}

// What a constructor lets in and the grammar cannot say must neither be read
// back nor look like another selector.
func TestUnwritable(t *testing.T) {
	for _, tc := range []struct {
		s    *Selector
		want string
	}{
		{Equal("k", `v" || has(a) || k == "'`), `k == \"v\" || has(a) || k == \"'"`},
		{In("k", `'"`, "a"), `k in {\"'\"", "a"}`},
		{Has("a) || has(b"), `has(\"a) || has(b")`},
		{Equal("", "v"), `\"" == "v"`},
	} {
		if got := tc.s.String(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
		if s, err := ParseCanonical(tc.s.String()); err == nil {
			t.Errorf("%s is read as %s", tc.s, s)
		}
	}
	if !Equal("k", `a'b"`).Matches(Map{"k": `a'b"`}) {
		t.Error("a value with both quotes does not match itself")
	}
}

// The arguments of a constructor stay the caller's.
func TestInCopies(t *testing.T) {
	values := []string{"b", "a"}
	s := In("k", values...)
	values[0] = "c"
	if !s.Matches(Map{"k": "b"}) || s.Matches(Map{"k": "c"}) || values[1] != "a" {
		t.Errorf("%s after the caller's change, values %v", s, values)
	}
}

func TestPredicates(t *testing.T) {
	type facts struct {
		All, Global, UsesGlobal bool
		Keys                    []string
	}
	for _, tc := range []struct {
		s    *Selector
		want facts
	}{
		{nil, facts{All: true}},
		{&Selector{}, facts{All: true}},
		{MustParse("(all())"), facts{All: true}},
		{MustParse("all() && all()"), facts{}},
		{MustParse("!all()"), facts{}},
		{MustParse(" global( ) "), facts{Global: true, UsesGlobal: true}},
		{MustParse("!global()"), facts{UsesGlobal: true}},
		{MustParse("has(b) || !(a == 'x' && (global() || has(b)))"), facts{UsesGlobal: true, Keys: []string{"a", "b"}}},
		{MustParse("k == 'global()' && has(global) && all == 'all()'"), facts{Keys: []string{"all", "global", "k"}}},
		{And(Has(""), Has("k")), facts{Keys: []string{"", "k"}}},
	} {
		got := facts{tc.s.IsAll(), tc.s.IsGlobal(), tc.s.UsesGlobal(), tc.s.Keys()}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.s, diff)
		}
	}
}

func TestEqual(t *testing.T) {
	if !MustParse("a in {'x','y'}").Equal(MustParse(`a in {"y", "x"}`)) {
		t.Error("the same but for spelling: not equal")
	}
	if Has("a").Equal(Has("b")) || !(*Selector)(nil).Equal(All()) || Has("a").Equal(nil) {
		t.Error("wrong equality")
	}
	if diff := cmp.Diff([]*Selector{nil, Has("a")}, []*Selector{All(), MustParse("has(a)")}); diff != "" {
		t.Errorf("go-cmp: %s", diff)
	}
}

func TestRewrite(t *testing.T) {
	n := "projectcalico.org/namespace"
	for _, tc := range []struct {
		name string
		got  *Selector
		want string
	}{
		{"prefix", MustParse("a == 'a' && !(has(b) || all() || global() || c in {'c'})").Prefixed("pcns."),
			`(pcns.a == "a" && !(has(pcns.b) || all() || global() || pcns.c in {"c"}))`},
		{"prefix of nothing", (*Selector)(nil).Prefixed("pcns."), "all()"},
		{"empty prefix", Has("a").Prefixed(""), "has(a)"},
		{"all", All().ReplaceAll(Has(n)), "has(" + n + ")"},
		{"nil", (*Selector)(nil).ReplaceAll(Has(n)), "has(" + n + ")"},
		{"zero", (&Selector{}).ReplaceAll(Has(n)), "has(" + n + ")"},
		{"none there", Has("a").ReplaceAll(Has(n)), "has(a)"},
		{"nil does not use global", (*Selector)(nil).ReplaceGlobal(Has(n)), "all()"},
		{"every", MustParse("all() && (a == 'x' || !all())").ReplaceAll(Has(n)),
			`(has(` + n + `) && (a == "x" || !has(` + n + `)))`},
		{"not in values", MustParse("a == 'all()' && all()").ReplaceAll(Has(n)), `(a == "all()" && has(` + n + `))`},
		{"not again", MustParse("has(a) || all()").ReplaceAll(Or(Has("b"), All())), "(has(a) || has(b) || all())"},
		{"flattened", MustParse("has(a) && all()").ReplaceAll(And(Has("b"), Has("c"))), "(has(a) && has(b) && has(c))"},
		{"parity", MustParse("!all()").ReplaceAll(Not(Has("b"))), "has(b)"},
		{"global", MustParse("global()").ReplaceGlobal(Not(Has(n))), "!has(" + n + ")"},
		{"global only", MustParse("global() || all()").ReplaceGlobal(Has("g")), "(has(g) || all())"},
		{"with nil", MustParse("global()").ReplaceGlobal(nil), "all()"},
		// semantics.md 6.1: a global policy with namespaceSelector
		{"6.1", And(MustParse("all()"), MustParse("env != 'prod'").Prefixed("pcns.")).ReplaceAll(Has(n)),
			`(has(` + n + `) && pcns.env != "prod")`},
	} {
		if got := tc.got.String(); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Rewriting leaves the original as it was.
func TestRewriteCopies(t *testing.T) {
	s := MustParse("all() && (a == 'x' || global())")
	before := s.String()
	s.Prefixed("p.")
	s.ReplaceAll(Has("x"))
	s.ReplaceGlobal(Has("x"))
	And(s, Has("y"))
	if got := s.tree().canonical(); got != before {
		t.Errorf("was %s, is %s", before, got)
	}
}

func TestMatchesDoesNotAllocate(t *testing.T) {
	s := MustParse(`(a == 'x' || b != 'y') && !has(z) && c in {'1','2'} && d not in {'1'}
		&& e contains 'n' && f starts with 'p' && g ends with 's' && (all() || global())`)
	var l Labels = Map{"a": "x", "b": "y", "c": "2", "d": "2", "e": "ana", "f": "pq", "g": "rs"}
	if !s.Matches(l) {
		t.Fatal("no match, so the test would not reach every form")
	}
	var none *Selector
	if n := testing.AllocsPerRun(100, func() {
		s.Matches(l)
		s.Matches(nil)
		none.Matches(l)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatches(b *testing.B) {
	s := MustParse(`app == 'web' && env not in {'dev', 'test'} && !has(legacy)`)
	var l Labels = Map{"app": "web", "env": "prod", "team": "shop"}
	for b.Loop() {
		s.Matches(l)
	}
}
