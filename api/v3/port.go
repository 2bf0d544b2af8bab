package v3

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Port is one number, an inclusive range of numbers written "80:90", or a name
// that each endpoint resolves for itself. A string of digits is the number.
//
// +kubebuilder:validation:Type=""
// +kubebuilder:validation:XIntOrString
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^(0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?|[0-9]*[a-zA-Z_.-][a-zA-Z0-9_.-]*)$`
// +kubebuilder:validation:XValidation:rule=`type(self) in [string] || (self > 0 && self < 65536)`,message="port range invalid, port number must be between 1 and 65535"
type Port struct {
	// Min and Max are the first and the last number; they are equal for a
	// single port, and 0 for a name. Port 0 is no port, so the zero value is
	// one that Err refuses.
	Min uint16 `json:"-"`
	Max uint16 `json:"-"`

	// Name is the name, and empty for numbers. What was written and is no port
	// is kept here too: a number that does not fit, a range with one, any other
	// text. So nothing is lost in decoding, and nothing becomes another port.
	Name string `json:"-"`
}

// The reasons for which a port is refused, in the words of semantics.md section
// 3, and one of ours for a name.
var (
	ErrPortRange  = errors.New("port range invalid")
	ErrPortNumber = errors.New("port range invalid, port number must be between 1 and 65535")
	ErrPortName   = errors.New("port name invalid, must have 1 to 128 of the characters a-z, A-Z, 0-9, '_', '.' and '-'")
)

// maxPortName is the length of the longest name, in bytes.
const maxPortName = 128

// ParsePort reads "80", "80:90" or a name, and refuses what [Port.Err] refuses.
// The value it returns beside an error is still what was written.
func ParsePort(s string) (Port, error) {
	p := readPort(s)
	return p, p.Err()
}

// PortNumber returns the port with that number.
func PortNumber(n uint16) Port { return Port{Min: n, Max: n} }

// PortRange returns the ports from min to max, both included.
func PortRange(min, max uint16) Port { return Port{Min: min, Max: max} }

// PortName returns the port with that name. The name is not read: one that
// looks like a number is an error of [Port.Err].
func PortName(name string) Port { return Port{Name: name} }

// IsNumeric tells whether the port is a number or a range, valid or not, and
// not a name. Rules with such ports must have a protocol that has ports.
func (p Port) IsNumeric() bool {
	if p.Name == "" {
		return true
	}
	_, _, ok := splitNumeric(p.Name)
	return ok
}

// Err tells why the value is not a port: [ErrPortNumber], [ErrPortRange] or
// [ErrPortName]; nil if it is one.
func (p Port) Err() error {
	switch {
	case p.Name != "" && p.IsNumeric():
		// Only numbers that do not fit are written there.
		return ErrPortNumber
	case p.Name != "" && !isPortName(p.Name):
		return ErrPortName
	case p.Name != "":
		return nil
	case p.Min == 0 || p.Max == 0:
		return ErrPortNumber
	case p.Min > p.Max:
		return ErrPortRange
	}
	return nil
}

// String returns the port as [ParsePort] reads it.
func (p Port) String() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Min == p.Max:
		return strconv.Itoa(int(p.Min))
	}
	return fmt.Sprintf("%d:%d", p.Min, p.Max)
}

// MarshalJSON writes one number as an integer and everything else as a string.
func (p Port) MarshalJSON() ([]byte, error) {
	return marshalIntOrString(p.String())
}

// UnmarshalJSON reads a string or an integer. What is in it is not refused
// here: see [Port.Err]. Null leaves the value as it is.
func (p *Port) UnmarshalJSON(b []byte) error {
	s, ok, err := unmarshalIntOrString(b)
	if err != nil {
		return fmt.Errorf("port: %w", err)
	}
	if ok {
		*p = readPort(s)
	}
	return nil
}

// readPort reads any text; see Port for what becomes of one that is no port.
func readPort(s string) Port {
	low, high, ok := splitNumeric(s)
	if !ok {
		return Port{Name: s}
	}
	min, errMin := strconv.ParseUint(low, 10, 16)
	max, errMax := strconv.ParseUint(high, 10, 16)
	if errMin != nil || errMax != nil {
		return Port{Name: s}
	}
	return Port{Min: uint16(min), Max: uint16(max)}
}

// splitNumeric splits "a:b" and doubles "a", if a and b are integers.
func splitNumeric(s string) (low, high string, ok bool) {
	low, high, isRange := strings.Cut(s, ":")
	if !isRange {
		high = low
	}
	for _, part := range [...]*string{&low, &high} {
		if digits, _ := integerText(*part); digits == "" {
			return "", "", false
		}
		*part = shortestInteger(*part)
	}
	return low, high, true
}

// isPortName tells whether the text has the form of a name.
func isPortName(s string) bool {
	if len(s) == 0 || len(s) > maxPortName {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}
