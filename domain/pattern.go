package domain

import (
	"errors"
	"strings"
)

// Pattern stands for names: one, or with a wildcard all that have one or more
// labels in its place. Patterns are equal if they stand for the same names in
// the same words. The zero value stands for none.
//
//	www.example.com     www.example.com
//	*.example.com       www.example.com, a.b.example.com; not example.com
//	api.*.example.com   api.eu.example.com, api.a.b.example.com; not api.example.com
type Pattern struct {
	text Name
	// star is where the wildcard stands in the text, and exact is true if
	// there is none.
	star  int16
	exact bool
}

// What can be wrong with the wildcard of a pattern.
var (
	ErrPartial  = errors.New("a wildcard stands for whole labels: write it between dots")
	ErrSeveral  = errors.New("a domain has at most one wildcard")
	ErrTrailing = errors.New("a domain does not end with a wildcard")
	ErrHyphen   = errors.New("a label of a domain does not begin or end with '-'")
)

// ParsePattern reads a pattern, in any case and script.
func ParsePattern(text string) (Pattern, error) {
	s, err := normal(text)
	if err != nil {
		return Pattern{}, err
	}
	p := Pattern{exact: true}
	at := 0
	for label := range strings.SplitSeq(s, ".") {
		switch {
		case label == "*" && !p.exact:
			return Pattern{}, ErrSeveral
		case label == "*" && at+1 == len(s):
			return Pattern{}, ErrTrailing
		case label == "*":
			p.star, p.exact = int16(at), false
		case strings.Contains(label, "*"):
			return Pattern{}, ErrPartial
		default:
			if err := checkLabel(label); err != nil {
				return Pattern{}, err
			}
			if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
				return Pattern{}, ErrHyphen
			}
		}
		at += len(label) + 1
	}
	p.text = Name(s)
	return p, nil
}

// MustParsePattern is ParsePattern for texts that are known to be right; it
// panics otherwise.
func MustParsePattern(text string) Pattern {
	p, err := ParsePattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the normal form of what was written.
func (p Pattern) String() string { return string(p.text) }

// Exact returns the name that the pattern stands for alone; false if it has a
// wildcard.
func (p Pattern) Exact() (Name, bool) { return p.text, p.exact }

// Under returns the name below which all names are that the pattern stands for:
// example.com for *.example.com, and for an exact one its own.
func (p Pattern) Under() Name {
	if p.exact || p.text == "" {
		return p.text
	}
	return p.text[p.star+2:]
}

// head is what stands before the wildcard, with its dot.
func (p Pattern) head() string { return string(p.text[:p.star]) }

// Matches reports whether the pattern stands for the name.
func (p Pattern) Matches(n Name) bool {
	if p.exact || p.text == "" {
		return p.exact && p.text == n
	}
	head, tail := p.text[:p.star], p.text[p.star+1:] // "api." and ".example.com"
	return len(n) > len(head)+len(tail) && strings.HasPrefix(string(n), string(head)) && strings.HasSuffix(string(n), string(tail))
}
