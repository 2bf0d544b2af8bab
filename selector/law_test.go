package selector

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sentence is a selector's text with its meaning, built side by side, so that
// the parser and the evaluator are checked against something that is neither.
type sentence struct {
	text string
	mean func(Map) bool
}

var (
	someKey   = rapid.SampledFrom([]string{"a", "b", "in", "has", "all", "not"})
	someValue = rapid.SampledFrom([]string{"", "x", "y", "xy", "yx", "all()", `q"`, "q'", " ", "é"})
	// Mostly small label sets over the same keys and values, so that selectors match often.
	someLabels = rapid.Custom(func(t *rapid.T) Map {
		return Map(rapid.MapOfN(someKey, someValue, 0, 5).Draw(t, "labels"))
	})
)

// gap draws white space, at least least characters of it.
func gap(t *rapid.T, least int) string {
	return rapid.StringOfN(rapid.SampledFrom([]rune(" \t\n\r")), least, least+2, -1).Draw(t, "gap")
}

func oneOf(t *rapid.T, spellings ...string) string {
	return rapid.SampledFrom(spellings).Draw(t, "spelling")
}

func quote(t *rapid.T, v string) string {
	switch {
	case strings.Contains(v, `"`):
		return "'" + v + "'"
	case strings.Contains(v, "'"):
		return `"` + v + `"`
	}
	q := oneOf(t, "'", `"`)
	return q + v + q
}

func drawSentence(t *rapid.T, depth int) sentence {
	kind := rapid.IntRange(0, 11).Draw(t, "kind")
	if depth == 0 {
		kind %= 8
	}
	if kind < 8 {
		return drawTerm(t, kind)
	}
	left := drawOperand(t, depth-1)
	if kind == 8 {
		return sentence{"!" + gap(t, 0) + left.text, func(m Map) bool { return !left.mean(m) }}
	}
	right := drawOperand(t, depth-1)
	if kind == 9 {
		return sentence{left.text + gap(t, 0) + "||" + gap(t, 0) + right.text,
			func(m Map) bool { return left.mean(m) || right.mean(m) }}
	}
	return sentence{left.text + gap(t, 0) + "&&" + gap(t, 0) + right.text,
		func(m Map) bool { return left.mean(m) && right.mean(m) }}
}

// drawOperand puts a sentence in parentheses, any number of them.
func drawOperand(t *rapid.T, depth int) sentence {
	s := drawSentence(t, depth)
	for range rapid.IntRange(1, 2).Draw(t, "parentheses") {
		s.text = "(" + gap(t, 0) + s.text + gap(t, 0) + ")"
	}
	return s
}

func drawTerm(t *rapid.T, kind int) sentence {
	k, v := someKey.Draw(t, "key"), someValue.Draw(t, "value")
	compare := func(op string, least int, mean func(string, bool) bool) sentence {
		return sentence{k + gap(t, least) + op + gap(t, 0) + quote(t, v),
			func(m Map) bool { got, ok := m[k]; return mean(got, ok) }}
	}
	switch kind {
	case 0:
		f := oneOf(t, "all", "global")
		return sentence{f + "(" + gap(t, 0) + ")", func(Map) bool { return true }}
	case 1:
		return sentence{"has(" + gap(t, 0) + k + gap(t, 0) + ")", func(m Map) bool { _, ok := m[k]; return ok }}
	case 2:
		return compare("==", 0, func(got string, ok bool) bool { return ok && got == v })
	case 3:
		return compare("!=", 0, func(got string, ok bool) bool { return !(ok && got == v) })
	case 4:
		return compare("contains", 1, func(got string, ok bool) bool { return ok && strings.Contains(got, v) })
	case 5:
		op := oneOf(t, "startswith", "starts with", "starts\n with")
		return compare(op, 1, func(got string, ok bool) bool { return ok && strings.HasPrefix(got, v) })
	case 6:
		op := oneOf(t, "endswith", "ends with", "ends\t with")
		return compare(op, 1, func(got string, ok bool) bool { return ok && strings.HasSuffix(got, v) })
	}
	return drawSet(t, k)
}

func drawSet(t *rapid.T, k string) sentence {
	values := rapid.SliceOfN(someValue, 0, 4).Draw(t, "set")
	op := oneOf(t, "in", "not in", "notin", "not \n in")
	var b strings.Builder
	b.WriteString(k + gap(t, 1) + op + gap(t, 0) + "{")
	for i, v := range values {
		b.WriteString(gap(t, 0) + quote(t, v) + gap(t, 0))
		if i < len(values)-1 || rapid.Bool().Draw(t, "trailing comma") {
			b.WriteString(",")
		}
	}
	b.WriteString(gap(t, 0) + "}")
	return sentence{b.String(), func(m Map) bool {
		got, ok := m[k]
		return (ok && slices.Contains(values, got)) == (op == "in")
	}}
}

// drawSelector draws a sentence as the parser reads it, whatever its length.
func drawSelector(t *rapid.T, name string) (*Selector, sentence) {
	said := drawSentence(t, 4)
	s, err := ParseCanonical(said.text)
	if err != nil {
		t.Fatalf("%s: %q: %v", name, said.text, err)
	}
	return s, said
}

func TestLawMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, said := drawSelector(t, "s")
		for range 5 {
			m := someLabels.Draw(t, "labels")
			if got, want := s.Matches(m), said.mean(m); got != want {
				t.Fatalf("%q on %v: %v, want %v", said.text, m, got, want)
			}
		}
		if got, err := Parse(said.text); len(said.text) <= MaxLength && (err != nil || !got.Equal(s)) {
			t.Fatalf("Parse and ParseCanonical differ on %q: %v, %v", said.text, got, err)
		}
	})
}

func TestLawRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := drawSelector(t, "s")
		again, err := ParseCanonical(s.String())
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if again.String() != s.String() {
			t.Fatalf("%s is read back as %s", s, again)
		}
		m := someLabels.Draw(t, "labels")
		if s.Matches(m) != again.Matches(m) {
			t.Fatalf("%s and its canonical form differ on %v", s, m)
		}
	})
}

func TestLawDeMorgan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, _ := drawSelector(t, "a")
		b, _ := drawSelector(t, "b")
		m := someLabels.Draw(t, "labels")
		same := func(law string, p, q *Selector) {
			if p.Matches(m) != q.Matches(m) {
				t.Fatalf("%s: %s and %s differ on %v", law, p, q, m)
			}
		}
		same("not and", Not(And(a, b)), Or(Not(a), Not(b)))
		same("not or", Not(Or(a, b)), And(Not(a), Not(b)))
		same("commutative", And(a, b), And(b, a))
		same("distributive", And(a, Or(b, a)), Or(And(a, b), And(a, a)))
		if And(a, b).Matches(m) != (a.Matches(m) && b.Matches(m)) || Or(a, b).Matches(m) != (a.Matches(m) || b.Matches(m)) {
			t.Fatalf("and/or of %s, %s on %v", a, b, m)
		}
		if Not(a).Matches(m) == a.Matches(m) || !Not(Not(a)).Equal(a) {
			t.Fatalf("not of %s on %v", a, m)
		}
		if And(And(a, b), a).String() != And(a, And(b, a)).String() {
			t.Fatalf("and of %s, %s: not flattened", a, b)
		}
	})
}

// A prefixed selector says of prefixed labels what the original says of them,
// and nothing of labels without the prefix.
func TestLawPrefixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := drawSelector(t, "s")
		m := someLabels.Draw(t, "labels")
		mixed := Map{}
		for k, v := range someLabels.Draw(t, "unprefixed labels") {
			mixed[k] = v
		}
		for k, v := range m {
			mixed["pcns."+k] = v
		}
		if got := s.Prefixed("pcns."); got.Matches(mixed) != s.Matches(m) {
			t.Fatalf("%s on %v, %s on %v", s, m, got, mixed)
		}
		keys := s.Keys()
		for i := range keys {
			keys[i] = "pcns." + keys[i]
		}
		if got := s.Prefixed("pcns.").Keys(); !slices.Equal(got, keys) {
			t.Fatalf("keys of %s prefixed: %v", s, got)
		}
	})
}

// Replacing is substitution: a selector that differs from all() nowhere changes
// no meaning, and where one is replaced the same text typed out is the result.
func TestLawReplace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := drawSelector(t, "s")
		with, _ := drawSelector(t, "with")
		for _, r := range []struct {
			o   op
			got *Selector
		}{{opAll, s.ReplaceAll(with)}, {opGlobal, s.ReplaceGlobal(with)}} {
			want, err := ParseCanonical(substitute(s.String(), r.o, "("+with.String()+")"))
			if err != nil || !want.Equal(r.got) {
				t.Fatalf("%s with %s: %s, want %s (%v)", s, with, r.got, want, err)
			}
			m := someLabels.Draw(t, "labels")
			if with.Matches(m) && s.Matches(m) != r.got.Matches(m) {
				t.Fatalf("%s with %s, which matches %v: changed", s, with, m)
			}
		}
	})
}

// substitute replaces all() or global() in a canonical text outside its quotes.
func substitute(text string, o op, with string) string {
	call := (&node{op: o}).canonical()
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote == 0 && strings.HasPrefix(text[i:], call):
			b.WriteString(with)
			i += len(call) - 1
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func TestLawRequirementsSound(t *testing.T) {
	matched, required := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s, _ := drawSelector(t, "s")
		requirements := s.Requirements()
		for i, r := range requirements {
			if i > 0 && requirements[i-1].Key >= r.Key || !slices.IsSorted(r.Values) || len(slices.Compact(slices.Clone(r.Values))) != len(r.Values) {
				t.Fatalf("%s: not sorted and distinct: %v", s, requirements)
			}
		}
		for range 5 {
			m := someLabels.Draw(t, "labels")
			if !s.Matches(m) {
				continue
			}
			matched++
			for _, r := range requirements {
				required++
				if !r.Holds(m) {
					t.Fatalf("%s matches %v, which does not meet %v", s, m, r)
				}
			}
		}
	})
	if matched == 0 || required == 0 {
		t.Errorf("the law was tried on %d matches and %d requirements", matched, required)
	}
}

// Different selectors have different texts, whatever a constructor lets in.
func TestLawStringIsInjective(t *testing.T) {
	odd := rapid.StringOfN(rapid.SampledFrom([]rune(`ab'"\ ={}()|`)), 0, 8, -1)
	leaf := rapid.Custom(func(t *rapid.T) *node {
		return &node{op: opEqual, key: odd.Draw(t, "key"), value: odd.Draw(t, "value")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := leaf.Draw(t, "a"), leaf.Draw(t, "b")
		same := a.key == b.key && a.value == b.value
		if (a.canonical() == b.canonical()) != same {
			t.Fatalf("%q %q and %q %q are %s and %s", a.key, a.value, b.key, b.value, a.canonical(), b.canonical())
		}
		plain := wordLength(a.key) == len(a.key) && a.key != "" && !(strings.Contains(a.value, `"`) && strings.Contains(a.value, `'`))
		s, err := ParseCanonical(a.canonical())
		if (err == nil) != plain || plain && (s.tree().key != a.key || s.tree().value != a.value) {
			t.Fatalf("%q %q is %s: %v, %v", a.key, a.value, a.canonical(), s, err)
		}
	})
}
