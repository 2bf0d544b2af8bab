package v3

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestProtocolFromJSON(t *testing.T) {
	for _, c := range []struct {
		in     string
		want   Protocol
		number uint8
		out    string
		err    error
	}{
		{`"TCP"`, ProtocolTCP, 6, `"TCP"`, nil},
		{`"tcp"`, ProtocolTCP, 6, `"TCP"`, nil},
		{`"Udp"`, ProtocolUDP, 17, `"UDP"`, nil},
		{`"icmp"`, ProtocolICMP, 1, `"ICMP"`, nil},
		{`"icmpV6"`, ProtocolICMPv6, 58, `"ICMPv6"`, nil},
		{`"sctp"`, ProtocolSCTP, 132, `"SCTP"`, nil},
		{`"UDPLITE"`, ProtocolUDPLite, 136, `"UDPLite"`, nil},
		{`6`, "6", 6, `6`, nil},
		{`"6"`, "6", 6, `6`, nil},
		{`"006"`, "6", 6, `6`, nil},
		{`255`, "255", 255, `255`, nil},
		// Not protocols: kept as written.
		{`0`, "0", 0, `0`, ErrProtocolNumber},
		{`256`, "256", 0, `256`, ErrProtocolNumber},
		{`-6`, "-6", 0, `-6`, ErrProtocolNumber},
		{`"gre"`, "gre", 0, `"gre"`, ErrProtocolName},
		{`""`, "", 0, `""`, ErrProtocolName},
		{`"tcp "`, "tcp ", 0, `"tcp "`, ErrProtocolName},
	} {
		var got Protocol
		if err := json.Unmarshal([]byte(c.in), &got); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.in, got, c.want)
		}
		if n, err := got.Number(); n != c.number || !errors.Is(err, c.err) {
			t.Errorf("%s: number is %d, %v; want %d, %v", c.in, n, err, c.number, c.err)
		}
		if err := got.Err(); !errors.Is(err, c.err) {
			t.Errorf("%s: Err is %v, want %v", c.in, err, c.err)
		}
		if out, err := json.Marshal(got); err != nil || string(out) != c.out {
			t.Errorf("%s: written as %s (%v), want %s", c.in, out, err, c.out)
		}
	}
}

func TestProtocolTypeErrors(t *testing.T) {
	for _, in := range []string{`true`, `6.5`, `["TCP"]`, `{}`} {
		p := ProtocolUDP
		if err := json.Unmarshal([]byte(in), &p); err == nil || p != ProtocolUDP {
			t.Errorf("%s: decoded as %q, %v", in, p, err)
		}
	}
}

func TestProtocolFamilies(t *testing.T) {
	ports := map[uint8]bool{6: true, 17: true, 132: true}
	icmp := map[uint8]bool{1: true, 58: true}
	for n := 1; n < 256; n++ {
		p := ProtocolFromNumber(uint8(n))
		if got, err := p.Number(); err != nil || got != uint8(n) {
			t.Errorf("%d: number is %d, %v", n, got, err)
		}
		if p.HasPorts() != ports[uint8(n)] || p.IsICMP() != icmp[uint8(n)] {
			t.Errorf("%d: HasPorts %t, IsICMP %t", n, p.HasPorts(), p.IsICMP())
		}
	}
	if !Protocol("tcp").HasPorts() || !Protocol("icmpv6").IsICMP() || Protocol("gre").HasPorts() || Protocol("").IsICMP() {
		t.Error("families of words are wrong")
	}
}

// Case is all that canonical text changes of a word, and reading is idempotent.
func TestProtocolLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"tcp", "uDp", "SCTP", "0", "017", "-1", "256"})).Draw(t, "text")
		p, err := ParseProtocol(s)
		if again, err2 := ParseProtocol(string(p)); again != p || !errors.Is(err2, err) {
			t.Fatalf("%q: %q reads back as %q (%v, %v)", s, p, again, err, err2)
		}
		if n, e := Protocol(strings.ToLower(s)).Number(); err == nil && (e != nil || n == 0) {
			t.Fatalf("%q: lower case is %d, %v", s, n, e)
		}
	})
}
