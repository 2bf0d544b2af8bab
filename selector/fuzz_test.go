package selector

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse: a selector or an error and never both; an error points into the
// text; a selector's canonical form is read back as itself.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", " \n", "all()", "global( )", "has(a)", "!has(a)", "!!a == 'b'", "a != \"b'\"", `a == 'b"'`,
		"a in {'x', \"y\",}", "a not in {}", "a notin{'x'}", "a contains 'x' && b starts with 'y' || c endswith 'z'",
		"!(a == 'b' && (has(c) || !all()))", "in in {'in'}", "has (a)", "a = 'b'", "a == b", "a: b", "a: 'b", "a == “b”",
		"a == 'b' and c == 'd'", "a == 'it's'", "a in ('b')", "a in {'b' 'c'}", "(a", "a)", "'a", "a == 'b' & c", "\xff", "a\u00a0== 'b'",
		strings.Repeat("(", 2000), strings.Repeat("!", 1024), strings.Repeat("a", 513), strings.Repeat("é", 513),
		`a == \"b\"`, "a == 'x' || \xc3", "all()&&", "x not", "x not\nin{'\n'}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if (s == nil) == (err == nil) {
			t.Fatalf("Parse(%q) = %v, %v", text, s, err)
		}
		if err != nil {
			checkSyntaxError(t, text, err)
			return
		}
		again, err := ParseCanonical(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q is %s, read back as %v, %v", text, s, again, err)
		}
		for _, l := range []Map{nil, {"a": "b"}, {"a": "", "b": "y", "in": "in"}} {
			if s.Matches(l) != again.Matches(l) {
				t.Fatalf("%q and %s differ on %v", text, s, l)
			}
			for _, r := range s.Requirements() {
				if s.Matches(l) && !r.Holds(l) {
					t.Fatalf("%q matches %v, which does not meet %v", text, l, r)
				}
			}
		}
	})
}

func checkSyntaxError(t *testing.T, text string, err error) {
	t.Helper()
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("Parse(%q): %T", text, err)
	}
	if syntax.Text != text || syntax.Offset < 0 || syntax.Offset > len(text) || syntax.Message == "" {
		t.Fatalf("Parse(%q): %#v", text, syntax)
	}
	if strings.Contains(syntax.Error(), "\n") || strings.Contains(syntax.Hint, "\n") {
		t.Fatalf("Parse(%q): more than one line: %v, %s", text, err, syntax.Hint)
	}
	lines := strings.Split(syntax.Caret(), "\n")
	if len(lines) != 2 || strings.Trim(lines[1], " ") != "^" || len(lines[1]) > len([]rune(lines[0]))+1 {
		t.Fatalf("Parse(%q): caret %q", text, syntax.Caret())
	}
}
