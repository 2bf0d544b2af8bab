package selector

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	hintTooLong   = "use in {'a', 'b'} for several values of one label, or split the policy in two"
	hintCondition = "write a condition here, such as app == 'web'"
	hintQuote     = "write a value in quotes here, such as 'web'"
	hintOperators = "after a label write ==, !=, in, not in, contains, starts with or ends with"
	hintAnd       = "write && between conditions that must all hold"
	hintOr        = "write || between conditions of which one must hold"
	hintStraight  = "write straight quotes, ' or \", not curly ones"
	hintSpace     = "write a plain space: the character here is another kind of white space"
)

// These functions guess, from what stands at the position of an error, what
// its author meant. They look and never read on; "" means no guess.

// hintContinuation is for what follows a complete condition.
func (p *parser) hintContinuation() string {
	rest := p.text[p.pos:]
	word := p.word()
	switch strings.ToLower(word) {
	case "and":
		return hintAnd
	case "or":
		return hintOr
	}
	switch {
	case rest == "":
		return ""
	case word != "" && strings.ContainsRune(`'"`, rune(p.text[max(p.pos-1, 0)])):
		return "write a value that contains one kind of quote in quotes of the other kind"
	case rest[0] == '&':
		return hintAnd
	case rest[0] == '|':
		return hintOr
	case rest[0] == ',' || rest[0] == ';':
		return "write && or || between conditions, not " + rest[:1]
	case rest[0] == ')':
		return "remove this ): no ( is open here"
	case word != "" || rest[0] == '(' || rest[0] == '!':
		return "write && or || between conditions"
	}
	return hintCharacter(rest)
}

// hintOperator is for what follows a label and is no operator.
func (p *parser) hintOperator(key string) string {
	rest := p.text[p.pos:]
	word := p.word()
	switch {
	case strings.ToLower(key) == "not" && (word != "" || strings.HasPrefix(rest, "(")):
		return "write ! for not, as in !has(app)"
	case (key == "all" || key == "global") && (rest == "" || rest[0] == '('):
		return "write " + key + "() without a space before the parentheses"
	case key == "has" && strings.HasPrefix(rest, "("):
		return "write has(label) without a space before the parentheses"
	case rest == "", strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "||"), rest[0] == ')':
		return "write has(" + key + ") to ask whether the label is present, or compare it: " + key + " == 'value'"
	case rest[0] == '=':
		return "write == to compare, not ="
	case rest[0] == ':':
		return "write " + key + " == " + quoted(nextValue(rest[1:])) + ", not label: value"
	case rest[0] == '!':
		return "write != for another value, or not in for a set; a ! for not stands before the label"
	case rest[0] == '&':
		return hintAnd
	case rest[0] == '|':
		return hintOr
	case rest[0] == '(':
		return "only has(label), all() and global() have parentheses"
	case isOperatorWord(word):
		return "write operators in lower case: " + strings.ToLower(word)
	}
	if h := hintCharacter(rest); h != "" {
		return h
	}
	return hintOperators
}

func isOperatorWord(word string) bool {
	switch strings.ToLower(word) {
	case "in", "not", "notin", "contains", "starts", "startswith", "ends", "endswith":
		return word != strings.ToLower(word)
	}
	return false
}

// hintString is for what stands in the place of a quoted value.
func (p *parser) hintString() string {
	rest := p.text[p.pos:]
	if h := hintCharacter(rest); h != "" {
		return h
	}
	switch rest[0] {
	case '=':
		return "write == with two equals signs"
	case '{':
		return "write in {...} for a set of values"
	}
	if value := nextValue(rest); value != "" {
		return "write the value in quotes: " + quoted(value)
	}
	return hintQuote
}

// hintUnterminated is for a string without an end.
func (p *parser) hintUnterminated() string {
	rest := p.text[p.pos:]
	if strings.ContainsAny(rest, curlyQuotes) {
		return hintStraight
	}
	return "end the value with the quote that it begins with: " + rest[:1]
}

// hintSet is for what stands in the place of a set.
func (p *parser) hintSet() string {
	rest := p.text[p.pos:]
	value := nextValue(strings.TrimLeft(rest, "([ \t\r\n"))
	return "write the values in braces: {" + quoted(value) + "}"
}

// hintMember is for what follows a value in a set and is neither , nor }.
func (p *parser) hintMember() string {
	rest := p.text[p.pos:]
	if rest != "" && (tokenLength(rest) > 1 || rest[0] == ';' || rest[0] == '|') {
		return "write a comma between values"
	}
	return ""
}

// hintLabel is for what stands in the place of a label name.
func (p *parser) hintLabel() string {
	rest := p.text[p.pos:]
	if h := hintCharacter(rest); h != "" || rest == "" {
		return h
	}
	switch rest[0] {
	case '\'', '"':
		return "write the label name without quotes"
	case '*':
		return "write all() to select everything"
	}
	return ""
}

// hintTerm is for what stands where a condition should begin.
func (p *parser) hintTerm() string {
	rest := p.text[p.pos:]
	if rest == "" || strings.ContainsRune("&|)", rune(rest[0])) {
		return hintCondition
	}
	return p.hintLabel()
}

const curlyQuotes = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb`\u00b4"

// hintCharacter is for characters that word processors and web pages put in
// the place of plain ones.
func hintCharacter(rest string) string {
	r, _ := utf8.DecodeRuneInString(rest)
	switch {
	case rest == "" || r == utf8.RuneError:
		return ""
	case strings.ContainsRune(curlyQuotes, r):
		return hintStraight
	case unicode.IsSpace(r), unicode.Is(unicode.Cf, r):
		return hintSpace
	}
	return ""
}

// nextValue returns the value that s seems to begin with, without its quotes;
// "" if there is none, or none that a hint can show on one line.
func nextValue(s string) string {
	s = s[spaceLength(s):]
	if s == "" {
		return ""
	}
	if s[0] == '\'' || s[0] == '"' {
		s = strings.Trim(s[:tokenLength(s)], s[:1])
	} else if end := strings.IndexAny(s, " \t\r\n'\"(){}[],;&|=!"); end >= 0 {
		s = s[:end]
	}
	if len(s) > maxHintValue || !utf8.ValidString(s) || strings.ContainsFunc(s, isHidden) {
		return ""
	}
	return s
}

// maxHintValue is the greatest length of a label value in Kubernetes.
const maxHintValue = 63

// quoted writes a value as the hints do; "" stands for a value not known.
func quoted(value string) string {
	if value == "" {
		value = "value"
	}
	if strings.Contains(value, "'") {
		return `"` + value + `"`
	}
	return "'" + value + "'"
}
