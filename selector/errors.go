package selector

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The messages of semantics.md section 4, and three for limits.
const (
	msgUnexpectedContent  = "unexpected content at end of selector"
	msgExpectedParen      = "expected )"
	msgExpectedBrace      = "expected }"
	msgExpectedString     = "expected string"
	msgExpectedSet        = "expected set literal"
	msgExpectedOperator   = "expected == or !="
	msgUnterminated       = "unterminated string"
	msgExpectedIdentifier = "expected identifier"
	msgUnexpectedToken    = "unexpected token"
	msgUnexpectedEnd      = "unexpected end of string looking for op"
	msgTooLong            = "selector longer than 1024 bytes"
	msgLabelTooLong       = "label name longer than 512 characters"
	msgTooDeep            = "parentheses nested too deeply"
)

// maxFound is how many characters of what was found an error shows.
const maxFound = 32

// SyntaxError says where a text stops being a selector, and why.
type SyntaxError struct {
	// Text is the whole text that was parsed.
	Text string
	// Offset is the byte offset in Text of the character at fault, from 0. It is
	// len(Text) where the text ends too early, and the opening quote of a string
	// that is not closed.
	Offset int
	// Message says what is wrong, without the place: "expected )".
	Message string
	// Hint says what to write instead if the mistake is a likely one, else "".
	Hint string
}

// Error returns one line: the message, the position counted in characters from
// 1, and what was found there. It contains neither the Text nor the Hint.
func (e *SyntaxError) Error() string {
	at := e.offset()
	column := utf8.RuneCountInString(e.Text[:at]) + 1
	return fmt.Sprintf("%s at character %d, found %s", e.Message, column, found(e.Text[at:]))
}

// Caret returns two lines: the selector's text, and a ^ under the character at
// fault. Newlines, tabs and what else does not show are written as spaces, so
// that the text is one line and the ^ is under its character; a wide character
// counts as one column.
func (e *SyntaxError) Caret() string {
	at := e.offset()
	line := strings.Map(func(r rune) rune {
		if isHidden(r) {
			return ' '
		}
		return r
	}, e.Text)
	return line + "\n" + strings.Repeat(" ", utf8.RuneCountInString(e.Text[:at])) + "^"
}

// isHidden says whether r is anything but a visible character or plain space.
func isHidden(r rune) bool { return !unicode.IsPrint(r) }

// offset is Offset kept inside Text: the fields are open to whoever makes one.
func (e *SyntaxError) offset() int { return min(max(e.Offset, 0), len(e.Text)) }

// found describes what a text begins with, quoted and shortened.
func found(rest string) string {
	if rest == "" {
		return "the end of the selector"
	}
	n := tokenLength(rest)
	if n == 0 {
		_, n = utf8.DecodeRuneInString(rest)
	}
	token := rest[:n]
	runes := 0
	for i := range token {
		if runes++; runes > maxFound {
			return fmt.Sprintf("%q...", token[:i])
		}
	}
	return fmt.Sprintf("%q", token)
}
