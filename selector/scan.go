package selector

import (
	"strings"
	"unicode/utf8"
)

// isLabelByte says whether c may stand in a label name.
func isLabelByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '_' || c == '.' || c == '/' || c == '-'
}

// wordLength is the number of label characters that s begins with.
func wordLength(s string) int {
	n := 0
	for n < len(s) && isLabelByte(s[n]) {
		n++
	}
	return n
}

// spaceLength is the length of the white space that s begins with.
func spaceLength(s string) int {
	return len(s) - len(strings.TrimLeft(s, " \t\r\n"))
}

// tokenLength is the length of the token that s begins with: a word, a string
// with both its quotes (to the end of s if the second is missing), an operator
// or a bracket. It is 0 if no token of the language begins like that.
func tokenLength(s string) int {
	if s == "" {
		return 0
	}
	if n := wordLength(s); n > 0 {
		return n
	}
	for _, operator := range []string{"==", "!=", "&&", "||"} {
		if strings.HasPrefix(s, operator) {
			return len(operator)
		}
	}
	switch s[0] {
	case '\'', '"':
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return end + 2
		}
		return len(s)
	case '(', ')', '{', '}', ',', '!':
		return 1
	}
	return 0
}

// runeStart is the offset at which the character that has its byte at offset
// begins. In what is not UTF-8 every byte is a character.
func runeStart(s string, offset int) int {
	for start := offset; start > offset-utf8.UTFMax && start >= 0; start-- {
		if utf8.RuneStart(s[start]) {
			if _, size := utf8.DecodeRuneInString(s[start:]); start+size > offset {
				return start
			}
			break
		}
	}
	return offset
}
