package selector

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCanonical(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		// blank
		{"", "all()"},
		{" \t\r\n ", "all()"},
		// comparisons, and their spellings
		{"k == 'v'", `k == "v"`},
		{`k=="v"`, `k == "v"`},
		{"k != 'v'", `k != "v"`},
		{"k!=''", `k != ""`},
		{"k contains 'v'", `k contains "v"`},
		{"k contains'v'", `k contains "v"`},
		{"k starts with 'v'", `k starts with "v"`},
		{"k starts \t with 'v'", `k starts with "v"`},
		{"k startswith 'v'", `k starts with "v"`},
		{"k ends with 'v'", `k ends with "v"`},
		{"k endswith\"v\"", `k ends with "v"`},
		{"k in {'v'}", `k in {"v"}`},
		{"k in{'v'}", `k in {"v"}`},
		{"k not in {'v'}", `k not in {"v"}`},
		{"k not\n in {'v'}", `k not in {"v"}`},
		{"k notin{'v'}", `k not in {"v"}`},
		// sets: sorted, distinct, trailing comma, empty
		{"k in {'b', 'a' ,'b',}", `k in {"a", "b"}`},
		{"k in {}", `k in {}`},
		{"k not in { }", `k not in {}`},
		// strings: no escapes, the other quote inside, anything else too
		{`k == "it's"`, `k == "it's"`},
		{`k == 'say "x"'`, `k == 'say "x"'`},
		{`k in {'b"', "a'"}`, `k in {"a'", 'b"'}`},
		{`k == 'a\'`, `k == "a\"`},
		{"k == 'a\nb'", "k == \"a\nb\""},
		{"k == ' && all() '", `k == " && all() "`},
		{"k == 'é'", `k == "é"`},
		// functions
		{"has(k)", "has(k)"},
		{"has( \n k\t)", "has(k)"},
		{"all()", "all()"},
		{"all( \n)", "all()"},
		{"global(  )", "global()"},
		// labels: the characters, and keywords as labels
		{"aZ09_./-b == 'v'", `aZ09_./-b == "v"`},
		{"- == 'v'", `- == "v"`},
		{"in in {'v'}", `in in {"v"}`},
		{"not not in {'v'}", `not not in {"v"}`},
		{"notin notin {'v'}", `notin not in {"v"}`},
		{"has == 'v'", `has == "v"`},
		{"has(has)", "has(has)"},
		{"has(all)", "has(all)"},
		{"all != 'v'", `all != "v"`},
		{"global contains 'v'", `global contains "v"`},
		{"contains contains 'contains'", `contains contains "contains"`},
		{"starts starts with 'v'", `starts starts with "v"`},
		{"with == 'v' && and == 'w' || or == 'x'", `((with == "v" && and == "w") || or == "x")`},
		{strings.Repeat("a", 512) + "==''", strings.Repeat("a", 512) + ` == ""`},
		{"has(" + strings.Repeat("a", 512) + ")", "has(" + strings.Repeat("a", 512) + ")"},
		// precedence, grouping, flattening
		{"has(a)&&has(b)", "(has(a) && has(b))"},
		{"has(a) || has(b) && has(c)", "(has(a) || (has(b) && has(c)))"},
		{"has(a) && has(b) || has(c)", "((has(a) && has(b)) || has(c))"},
		{"(has(a) || has(b)) && has(c)", "((has(a) || has(b)) && has(c))"},
		{"has(a) && (has(b) && (has(c)))", "(has(a) && has(b) && has(c))"},
		{"(has(a) || has(b)) || has(c)", "(has(a) || has(b) || has(c))"},
		{"((has(a)))", "has(a)"},
		{"(\nhas(a)\n&&\r\nhas(b)\n)\n", "(has(a) && has(b))"},
		{"all() && all()", "(all() && all())"},
		// parity of !, and what it applies to
		{"!has(a)", "!has(a)"},
		{"! ! has(a)", "has(a)"},
		{"!!!has(a)", "!has(a)"},
		{"!(!has(a))", "has(a)"},
		{"!a == 'v'", `!a == "v"`},
		{"!a in {'v'} && has(b)", `(!a in {"v"} && has(b))`},
		{"!(has(a) && has(b)) || has(c)", "(!(has(a) && has(b)) || has(c))"},
		{"!(!(has(a) && has(b)) && has(c))", "!(!(has(a) && has(b)) && has(c))"},
		{"!(!(has(a) && has(b))) && has(c)", "(has(a) && has(b) && has(c))"},
		{"!all()", "!all()"},
		// length: exactly the greatest one
		{"k == '" + strings.Repeat("x", MaxLength-7) + "'", `k == "` + strings.Repeat("x", MaxLength-7) + `"`},
	} {
		s, err := Parse(tc.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.text, err)
			continue
		}
		if got := s.String(); got != tc.want {
			t.Errorf("Parse(%q) = %s, want %s", tc.text, got, tc.want)
		}
		if again, err := ParseCanonical(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("canonical form of %q read back: %v, %v", tc.text, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	long := strings.Repeat("a", 513)
	for _, tc := range []struct {
		text   string
		offset int
		msg    string
		hint   string // substring; "-" means none
	}{
		// where a condition should begin
		{"has(a) &&", 9, msgUnexpectedEnd, "write a condition"},
		{"has(a) || ", 10, msgUnexpectedEnd, "write a condition"},
		{"!", 1, msgUnexpectedEnd, "write a condition"},
		{"(", 1, msgUnexpectedEnd, "write a condition"},
		{"()", 1, msgExpectedIdentifier, "write a condition"},
		{"&& has(a)", 0, msgExpectedIdentifier, "write a condition"},
		{"has(a) && || has(b)", 10, msgExpectedIdentifier, "write a condition"},
		{"== 'v'", 0, msgExpectedIdentifier, "-"},
		{"!= 'v'", 1, msgUnexpectedToken, "-"},
		{"{", 0, msgExpectedIdentifier, "-"},
		{"'k' == 'v'", 0, msgExpectedIdentifier, "label name without quotes"},
		{"'k", 0, msgExpectedIdentifier, "label name without quotes"},
		{"*", 0, msgUnexpectedToken, "all()"},
		{"@", 0, msgUnexpectedToken, "-"},
		{"\xff", 0, msgUnexpectedToken, "-"},
		{"k == 'v' && \u00a0has(a)", 12, msgUnexpectedToken, hintSpace},
		{"\ufeffhas(a)", 0, msgUnexpectedToken, hintSpace},
		{"“k” == 'v'", 0, msgUnexpectedToken, hintStraight},
		// after a label
		{"k", 1, msgExpectedOperator, "has(k)"},
		{"k && has(b)", 2, msgExpectedOperator, "has(k)"},
		{"(k)", 2, msgExpectedOperator, "has(k)"},
		{"k = 'v'", 2, msgExpectedOperator, "write =="},
		{"k: v", 1, msgExpectedOperator, "write k == 'v'"},
		{`k : "it's"`, 2, msgExpectedOperator, `write k == "it's"`},
		{"k: 'a\nb'", 1, msgExpectedOperator, "write k == 'value'"},
		{"k:", 1, msgExpectedOperator, "write k == 'value'"},
		{"k !in {'v'}", 2, msgExpectedOperator, "not in"},
		{"k & has(b)", 2, msgExpectedOperator, "&&"},
		{"k | has(b)", 2, msgExpectedOperator, "||"},
		{"k IN {'v'}", 2, msgExpectedOperator, "lower case: in"},
		{"k not", 2, msgExpectedOperator, hintOperators},
		{"k not on {'v'}", 2, msgExpectedOperator, hintOperators},
		{"k starts 'v'", 2, msgExpectedOperator, hintOperators},
		{"k inn {'v'}", 2, msgExpectedOperator, hintOperators},
		{"k is 'v'", 2, msgExpectedOperator, hintOperators},
		{"k “v”", 2, msgExpectedOperator, hintStraight},
		{"k 'v'", 2, msgExpectedOperator, hintOperators},
		{"not has(a)", 4, msgExpectedOperator, "write !"},
		{"not (has(a))", 4, msgExpectedOperator, "write !"},
		{"exists(a)", 6, msgExpectedOperator, "parentheses"},
		{"has (a)", 4, msgExpectedOperator, "without a space"},
		{"all ()", 4, msgExpectedOperator, "all() without a space"},
		{"global", 6, msgExpectedOperator, "global() without a space"},
		{"HAS(a)", 3, msgExpectedOperator, "parentheses"},
		{long + " == 'v'", 512, msgLabelTooLong, "-"},
		{"has(" + long + ")", 516, msgLabelTooLong, "-"},
		// values
		{"k ==", 4, msgExpectedString, "value in quotes"},
		{"k == v", 5, msgExpectedString, "in quotes: 'v'"},
		{"k != 10.0.0.0/8 && has(a)", 5, msgExpectedString, "in quotes: '10.0.0.0/8'"},
		{"k contains v", 11, msgExpectedString, "in quotes: 'v'"},
		{"k === 'v'", 4, msgExpectedString, "two equals"},
		{"k == {'v'}", 5, msgExpectedString, "in {...}"},
		{"k == ‘v’", 5, msgExpectedString, hintStraight},
		{"k == `v`", 5, msgExpectedString, hintStraight},
		{"k == )", 5, msgExpectedString, hintQuote},
		{"k == 'v", 5, msgUnterminated, "end the value with the quote that it begins with: '"},
		{"k == \"v’", 5, msgUnterminated, hintStraight},
		// sets
		{"k in", 4, msgExpectedSet, "{'value'}"},
		{"k in ('v')", 5, msgExpectedSet, "{'v'}"},
		{"k not in 'v'", 9, msgExpectedSet, "{'v'}"},
		{"k in v", 5, msgExpectedSet, "{'v'}"},
		{"k in {", 6, msgExpectedBrace, "-"},
		{"k in {'v'", 9, msgExpectedBrace, "-"},
		{"k in {'v',", 10, msgExpectedBrace, "-"},
		{"k in {'v' 'w'}", 10, msgExpectedBrace, "comma"},
		{"k in {'v'; 'w'}", 9, msgExpectedBrace, "comma"},
		{"k in {'v')", 9, msgExpectedBrace, "-"},
		{"k in {,}", 6, msgExpectedString, hintQuote},
		{"k in {'v',,}", 10, msgExpectedString, hintQuote},
		{"k in {v}", 6, msgExpectedString, "in quotes: 'v'"},
		{"k in {'v}", 6, msgUnterminated, "end the value"},
		// functions
		{"has(", 4, msgExpectedIdentifier, "-"},
		{"has()", 4, msgExpectedIdentifier, "-"},
		{"has('a')", 4, msgExpectedIdentifier, "without quotes"},
		{"has(a", 5, msgExpectedParen, "-"},
		{"has(a b)", 6, msgExpectedParen, "-"},
		{"all(", 4, msgExpectedParen, "-"},
		{"all(a)", 4, msgExpectedParen, "-"},
		{"global(", 7, msgExpectedParen, "-"},
		// after a condition
		{"(has(a)", 7, msgExpectedParen, "-"},
		{"(has(a) and has(b))", 8, msgExpectedParen, hintAnd},
		{"has(a))", 6, msgUnexpectedContent, "remove this )"},
		{"has(a) has(b)", 7, msgUnexpectedContent, "between conditions"},
		{"has(a) !has(b)", 7, msgUnexpectedContent, "between conditions"},
		{"has(a) AND has(b)", 7, msgUnexpectedContent, hintAnd},
		{"has(a) or has(b)", 7, msgUnexpectedContent, hintOr},
		{"has(a) & has(b)", 7, msgUnexpectedContent, hintAnd},
		{"has(a) &&& has(b)", 9, msgUnexpectedToken, "write a condition"},
		{"has(a) | has(b)", 7, msgUnexpectedContent, hintOr},
		{"k == 'v', j == 'w'", 8, msgUnexpectedContent, "not ,"},
		{"k == 'it's'", 9, msgUnexpectedContent, "other kind"},
		{"k == 'v'’", 8, msgUnexpectedContent, hintStraight},
		{"k == 'v' == 'w'", 9, msgUnexpectedContent, "-"},
		// length
		{strings.Repeat(" ", MaxLength+1), MaxLength, msgTooLong, "split"},
		{"k == '" + strings.Repeat("é", 520), MaxLength, msgTooLong, "split"},
		{"k == ''" + strings.Repeat("é", 520), MaxLength - 1, msgTooLong, "split"},
		{strings.Repeat("\x80", MaxLength+1), MaxLength, msgTooLong, "split"},
		{strings.Repeat("a\x80", MaxLength), MaxLength, msgTooLong, "split"},
		{"b" + strings.Repeat("a\x80", MaxLength), MaxLength, msgTooLong, "split"},
	} {
		s, err := Parse(tc.text)
		var syntax *SyntaxError
		if s != nil || !errors.As(err, &syntax) {
			t.Errorf("Parse(%q) = %v, %v: want a *SyntaxError and nothing else", tc.text, s, err)
			continue
		}
		if syntax.Text != tc.text || syntax.Offset != tc.offset || syntax.Message != tc.msg {
			t.Errorf("Parse(%q): %q at %d, want %q at %d", tc.text, syntax.Message, syntax.Offset, tc.msg, tc.offset)
		}
		if tc.hint == "-" && syntax.Hint != "" || tc.hint != "-" && !strings.Contains(syntax.Hint, tc.hint) {
			t.Errorf("Parse(%q): hint %q, want %q", tc.text, syntax.Hint, tc.hint)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tc := range []struct{ text, want, caret string }{
		{"k == v", `expected string at character 6, found "v"`, "k == v\n     ^"},
		{"k ==", "expected string at character 5, found the end of the selector", "k ==\n    ^"},
		{"k == 'é' @", `unexpected content at end of selector at character 10, found "@"`, "k == 'é' @\n         ^"},
		{"has(a)\n&\thas(b)", `unexpected content at end of selector at character 8, found "&"`, "has(a) & has(b)\n       ^"},
		{"k ==\n'v", `unterminated string at character 6, found "'v"`, "k == 'v\n     ^"},
		{"has(a) == 'v'", `unexpected content at end of selector at character 8, found "=="`, "has(a) == 'v'\n       ^"},
		{"'v' x", `expected identifier at character 1, found "'v'"`, "'v' x\n^"},
		{"\xff", `unexpected token at character 1, found "\xff"`, "\ufffd\n^"},
		{"k == " + strings.Repeat("v", 33), `expected string at character 6, found "` + strings.Repeat("v", 32) + `"...`, "k == " + strings.Repeat("v", 33) + "\n     ^"},
	} {
		_, err := Parse(tc.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%q): no error", tc.text)
			continue
		}
		if diff := cmp.Diff([]string{tc.want, tc.caret}, []string{syntax.Error(), syntax.Caret()}); diff != "" {
			t.Errorf("Parse(%q): -want +got\n%s", tc.text, diff)
		}
	}
}

// The fields of a SyntaxError are open, so an odd one must not panic.
func TestErrorOffsetOutside(t *testing.T) {
	for _, offset := range []int{-1, 3, 1 << 40} {
		e := &SyntaxError{Text: "ab", Offset: offset, Message: "m"}
		if !strings.HasPrefix(e.Error(), "m at character ") || !strings.HasSuffix(e.Caret(), "^") {
			t.Errorf("offset %d: %q %q", offset, e.Error(), e.Caret())
		}
	}
}

func TestDepth(t *testing.T) {
	half := MaxLength/2 - 3
	s, err := Parse(strings.Repeat("(", half) + "all()" + strings.Repeat(")", half))
	if err != nil || !s.IsAll() {
		t.Errorf("%d parentheses: %v, %v", half, s, err)
	}
	if _, err := Parse(strings.Repeat("!(", MaxLength/2)); err == nil || offsetOf(err) != MaxLength {
		t.Errorf("open parentheses only: %v", err)
	}
	// Alternating kinds, which flattening does not undo, up to the bound.
	deep := strings.Repeat("!(has(a)&&", maxDepth) + "has(b)" + strings.Repeat(")", maxDepth)
	s, err = ParseCanonical(deep)
	if err != nil {
		t.Fatalf("at the bound: %.100v", err)
	}
	if s.Matches(Map{"b": ""}) != s.Matches(Map{}) || len(s.Requirements()) > 1 {
		t.Error("deep tree: wrong evaluation")
	}
	// Groups side by side are not deep.
	if _, err := ParseCanonical(strings.Repeat("(all())||", maxDepth) + "(all())"); err != nil {
		t.Errorf("wide: %.100v", err)
	}
	_, err = ParseCanonical(strings.Repeat("(", 1_000_000))
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Message != msgTooDeep || syntax.Offset != maxDepth {
		t.Errorf("beyond the bound: %.100v", err)
	}
}

// A label of the greatest length gets longer by a prefix, and a text of the
// greatest length by canonical spacing: both are read back, though not by Parse.
func TestParseCanonicalHasNoLimits(t *testing.T) {
	text := strings.Repeat("a=='1'||", 127) + "a=='2'"
	for _, s := range []*Selector{MustParse(text), Has(strings.Repeat("a", 512)).Prefixed("pcns.")} {
		if again, err := ParseCanonical(s.String()); err != nil || !again.Equal(s) {
			t.Errorf("ParseCanonical(%.40s...): %v", s, err)
		}
		if _, err := Parse(s.String()); err == nil {
			t.Errorf("Parse(%.40s...): no error", s)
		}
	}
}

func TestMustParse(t *testing.T) {
	if got := MustParse("has(a)").String(); got != "has(a)" {
		t.Errorf("got %s", got)
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "expected string") {
			t.Errorf("recovered %v", r)
		}
	}()
	MustParse("a == b")
	t.Error("no panic")
}

// offsetOf returns the offset of a syntax error, -1 for any other.
func offsetOf(err error) int {
	var e *SyntaxError
	if errors.As(err, &e) {
		return e.Offset
	}
	return -1
}
