package analysis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// Port is what a connection is made to: a protocol with its port or its ICMP
// type and code. The zero value is not legal; DefaultPort is what no port
// means.
type Port struct {
	// Protocol is TCP, UDP, SCTP or ICMP; the latter stands for ICMPv6 where
	// the addresses are IPv6.
	Protocol uint8
	// Number is the destination port, 0 for ICMP.
	Number uint16
	// Type and Code are those of ICMP. A nil Type asks about an echo request,
	// a nil Code about code 0.
	Type, Code *uint8
}

// DefaultPort returns tcp/80: what is asked when no port is named.
func DefaultPort() Port { return Port{Protocol: verdict.TCP, Number: 80} }

// ParsePort reads a port as commands.md writes it: tcp/80, udp/53, sctp/9,
// icmp, icmp/8, icmp/8/0, and bare 80 for tcp/80. Nothing is DefaultPort. Names
// of ports are an error in this version.
func ParsePort(text string) (Port, error) {
	if text == "" {
		return DefaultPort(), nil
	}
	name, rest, hasRest := strings.Cut(text, "/")
	if _, err := strconv.Atoi(text); err == nil {
		name, rest, hasRest = "tcp", text, true
	}
	protocol, ok := map[string]uint8{"tcp": verdict.TCP, "udp": verdict.UDP, "sctp": verdict.SCTP, "icmp": verdict.ICMP}[strings.ToLower(name)]
	switch {
	case !ok && !hasRest && isPortName(text):
		return Port{}, fmt.Errorf("port %q: names of ports are not supported by this version; write the number, for instance tcp/80", text)
	case !ok:
		return Port{}, fmt.Errorf("port %q: %q is not a protocol; write tcp/80, udp/53, sctp/9, icmp, icmp/8 or icmp/8/0", text, name)
	case protocol == verdict.ICMP:
		return parseICMP(text, rest, hasRest)
	case !hasRest:
		return Port{}, fmt.Errorf("port %q: a number is missing; write for instance %s/80", text, name)
	}
	n, err := strconv.ParseUint(rest, 10, 16)
	if err != nil || n == 0 {
		if _, numErr := strconv.Atoi(rest); numErr != nil && isPortName(rest) {
			return Port{}, fmt.Errorf("port %q: names of ports are not supported by this version; write the number", text)
		}
		return Port{}, fmt.Errorf("port %q: %q is not a port; write a number from 1 to 65535", text, rest)
	}
	return Port{Protocol: protocol, Number: uint16(n)}, nil
}

func isPortName(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

func parseICMP(text, rest string, hasRest bool) (Port, error) {
	p := Port{Protocol: verdict.ICMP}
	if !hasRest {
		return p, nil
	}
	kind, code, hasCode := strings.Cut(rest, "/")
	read := func(s string) (*uint8, error) {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("port %q: %q is not a number from 0 to 255; write icmp/TYPE or icmp/TYPE/CODE", text, s)
		}
		v := uint8(n)
		return &v, nil
	}
	var err error
	if p.Type, err = read(kind); err == nil && hasCode {
		p.Code, err = read(code)
	}
	if err != nil {
		return Port{}, err
	}
	return p, nil
}

// String returns the port as ParsePort reads it.
func (p Port) String() string {
	text := strings.ToLower(verdict.ProtocolName(p.Protocol))
	switch {
	case p.Protocol != verdict.ICMP:
		return text + "/" + strconv.Itoa(int(p.Number))
	case p.Type != nil && p.Code != nil:
		return fmt.Sprintf("%s/%d/%d", text, *p.Type, *p.Code)
	case p.Type != nil:
		return fmt.Sprintf("%s/%d", text, *p.Type)
	}
	return text
}

// Packet returns the first packet of the connection to the port.
func (p Port) Packet(c model.Connection) verdict.Packet {
	return c.Packet(p.protocol(c.Egress.Addr.Is4()))
}

// protocol returns the protocol and its port, or its key of ICMP, among IPv4
// addresses or IPv6.
func (p Port) protocol(v4 bool) (protocol uint8, number uint16) {
	if p.Protocol != verdict.ICMP {
		return p.Protocol, p.Number
	}
	protocol, kind, code := p.Protocol, uint8(8), uint8(0) // echo request
	if !v4 {
		protocol, kind = verdict.ICMPv6, 128
	}
	if p.Type != nil {
		kind = *p.Type
	}
	if p.Code != nil {
		code = *p.Code
	}
	return protocol, verdict.ICMPKey(kind, code)
}
