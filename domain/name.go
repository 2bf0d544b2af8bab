package domain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Name is a domain name in its normal form: lower case, labels of other scripts
// in their ASCII form (xn--), without the dot of the root at its end. Two names
// are the same if they are equal. The zero value is no name.
type Name string

// What can be wrong with a name or a pattern.
var (
	ErrEmpty     = errors.New("a domain name is empty")
	ErrLabel     = errors.New("a label of a domain name is empty")
	ErrLong      = errors.New("a domain name has at most 253 characters")
	ErrLabelLong = errors.New("a label of a domain name has at most 63 characters")
	ErrCharacter = errors.New("a domain name consists of letters, digits, '-' and '_'")
)

const (
	maxName  = 253 // RFC 1035: 255 bytes on the wire
	maxLabel = 63
)

// ParseName returns the normal form of a name as people or the DNS write it: in
// any case, with or without a dot at its end, in ASCII or any script. Names that
// the DNS can carry and no host has (escaped bytes, blanks) are errors.
func ParseName(text string) (Name, error) {
	s, err := normal(text)
	if err != nil {
		return "", err
	}
	for label := range strings.SplitSeq(s, ".") {
		if err := checkLabel(label); err != nil {
			return "", err
		}
	}
	return Name(s), nil
}

// normal brings a text to lower case and ASCII, and checks its length.
func normal(text string) (string, error) {
	s := strings.TrimSuffix(text, ".")
	if s == "" {
		return "", ErrEmpty
	}
	if len(s) > 4*maxName { // before anyone works on it; a character has up to four bytes
		return "", ErrLong
	}
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if !ascii && !utf8.ValidString(s) {
		return "", fmt.Errorf("%w, and this is no text", ErrCharacter)
	}
	if !ascii {
		var err error
		if s, err = scripts.ToASCII(s); err != nil {
			return "", fmt.Errorf("%w: %w", ErrCharacter, err)
		}
		s = strings.TrimSuffix(s, ".") // a full stop of another script
	}
	if len(s) > maxName {
		return "", ErrLong
	}
	return strings.ToLower(s), nil
}

// scripts maps and checks labels of other scripts as browsers do (UTS 46).
var scripts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

func checkLabel(label string) error {
	switch {
	case label == "":
		return ErrLabel
	case len(label) > maxLabel:
		return ErrLabelLong
	}
	for i := range len(label) {
		if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("%w, not of %q", ErrCharacter, c)
		}
	}
	return nil
}

// Reversed returns the labels in reverse: com.example.www. The names below one
// name are so next to each other when sorted.
func (n Name) Reversed() string { return reversed(string(n)) }

func reversed(s string) string {
	labels := strings.Split(s, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}
