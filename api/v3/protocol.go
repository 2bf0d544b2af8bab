package v3

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Protocol is an IP protocol: TCP, UDP, ICMP, ICMPv6, SCTP or UDPLite, in any
// case, or a number from 1 to 255. A string of digits is the number.
//
// +kubebuilder:validation:Type=""
// +kubebuilder:validation:XIntOrString
// +kubebuilder:validation:MaxLength=8
// +kubebuilder:validation:XValidation:rule=`type(self) == int ? self > 0 && self < 256 : (!self.matches('^[0-9]+$') || (int(self) > 0 && int(self) < 256))`,message="protocol number invalid"
// +kubebuilder:validation:XValidation:rule=`type(self) == int || self.matches('(?i)^([0-9]+|tcp|udp|icmp|icmpv6|sctp|udplite)$')`,message="protocol name invalid"
type Protocol string

// The protocols that have a name.
const (
	ProtocolTCP     Protocol = "TCP"
	ProtocolUDP     Protocol = "UDP"
	ProtocolICMP    Protocol = "ICMP"
	ProtocolICMPv6  Protocol = "ICMPv6"
	ProtocolSCTP    Protocol = "SCTP"
	ProtocolUDPLite Protocol = "UDPLite"
)

// The reasons for which a protocol is refused, in the words of semantics.md
// section 3.
var (
	ErrProtocolNumber = errors.New("protocol number invalid")
	ErrProtocolName   = errors.New("protocol name invalid")
)

// ParseProtocol returns the protocol in its canonical text: the word as the
// constant is spelled, the number in decimal without leading zeros. TCP and 6
// stay different values with the same [Protocol.Number]. A text that is neither
// is kept as it was written. The zero value is such a text: that a rule has no
// protocol is said by a nil pointer.
//
// The error is that of [Protocol.Err], and the value is returned beside it.
func ParseProtocol(s string) (Protocol, error) {
	p := canonicalProtocol(s)
	return p, p.Err()
}

// ProtocolFromNumber returns the protocol with that number, by its number and
// not by its name. Zero is not a protocol, and [Protocol.Err] of it says so.
func ProtocolFromNumber(n uint8) Protocol {
	return Protocol(strconv.Itoa(int(n)))
}

// Number returns the number of the protocol, resolving its name, or the error
// of [Protocol.Err].
func (p Protocol) Number() (uint8, error) {
	if n := wordNumber(string(p)); n != 0 {
		return n, nil
	}
	digits, negative := integerText(string(p))
	if digits == "" {
		return 0, ErrProtocolName
	}
	n, err := strconv.ParseUint(digits, 10, 8)
	if err != nil || n == 0 || negative {
		return 0, ErrProtocolNumber
	}
	return uint8(n), nil
}

// Err tells why the text is not a protocol: [ErrProtocolNumber] for a number
// out of bounds, [ErrProtocolName] for an unknown word, nil if it is one.
func (p Protocol) Err() error {
	_, err := p.Number()
	return err
}

// HasPorts tells whether the protocol has ports that rules may match: TCP, UDP
// and SCTP, by name or number. It is false for what is not a protocol.
func (p Protocol) HasPorts() bool {
	switch n, _ := p.Number(); n {
	case 6, 17, 132:
		return true
	}
	return false
}

// IsICMP tells whether the protocol is ICMP or ICMPv6, by name or number.
func (p Protocol) IsICMP() bool {
	n, _ := p.Number()
	return n == 1 || n == 58
}

// String returns the canonical text.
func (p Protocol) String() string { return string(canonicalProtocol(string(p))) }

// MarshalJSON writes a number as an integer and everything else as a string.
func (p Protocol) MarshalJSON() ([]byte, error) {
	return marshalIntOrString(p.String())
}

// UnmarshalJSON reads a string or an integer. What is in it is not refused
// here: see [Protocol.Err]. Null leaves the value as it is.
func (p *Protocol) UnmarshalJSON(b []byte) error {
	s, ok, err := unmarshalIntOrString(b)
	if err != nil {
		return fmt.Errorf("protocol: %w", err)
	}
	if ok {
		*p = canonicalProtocol(s)
	}
	return nil
}

// canonicalProtocol gives a known word its spelling and a number its shortest
// form, and leaves everything else alone.
func canonicalProtocol(s string) Protocol {
	for _, p := range namedProtocols() {
		if strings.EqualFold(s, string(p)) {
			return p
		}
	}
	return Protocol(shortestInteger(s))
}

// namedProtocols lists the words, each at the place of wordNumber.
func namedProtocols() [6]Protocol {
	return [6]Protocol{ProtocolTCP, ProtocolUDP, ProtocolICMP, ProtocolICMPv6, ProtocolSCTP, ProtocolUDPLite}
}

// wordNumber returns the IANA number of a word in any case, 0 for others.
func wordNumber(s string) uint8 {
	numbers := [6]uint8{6, 17, 1, 58, 132, 136}
	for i, p := range namedProtocols() {
		if strings.EqualFold(s, string(p)) {
			return numbers[i]
		}
	}
	return 0
}

// marshalIntOrString writes the text as an integer if it is one that every
// reader can hold, else as a string.
func marshalIntOrString(s string) ([]byte, error) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && strconv.FormatInt(n, 10) == s {
		return []byte(s), nil
	}
	return json.Marshal(s)
}

// unmarshalIntOrString returns the text of a JSON string or integer, and false
// for null.
func unmarshalIntOrString(b []byte) (s string, ok bool, err error) {
	text := string(b)
	if text == "null" {
		return "", false, nil
	}
	if strings.HasPrefix(text, `"`) {
		err := json.Unmarshal(b, &s)
		return s, err == nil, err
	}
	if digits, _ := integerText(text); digits == "" {
		return "", false, fmt.Errorf("%.40s is neither an integer nor a string", text)
	}
	return text, true, nil
}

// integerText splits a decimal integer into its digits and its sign. The
// digits are empty if the text is no integer.
func integerText(s string) (digits string, negative bool) {
	rest, negative := strings.CutPrefix(s, "-")
	if rest == "" || strings.Trim(rest, "0123456789") != "" {
		return "", false
	}
	return rest, negative
}

// shortestInteger removes the leading zeros of a decimal integer, and returns
// any other text as it is.
func shortestInteger(s string) string {
	digits, negative := integerText(s)
	if digits == "" {
		return s
	}
	digits = strings.TrimLeft(digits[:len(digits)-1], "0") + digits[len(digits)-1:]
	if negative {
		return "-" + digits
	}
	return digits
}
