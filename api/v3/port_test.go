package v3

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

func TestPortFromJSON(t *testing.T) {
	long := strings.Repeat("n", 129)
	for _, c := range []struct {
		in      string
		want    Port
		out     string
		err     error
		numeric bool
	}{
		{`80`, PortNumber(80), `80`, nil, true},
		{`"80"`, PortNumber(80), `80`, nil, true},
		{`"0080"`, PortNumber(80), `80`, nil, true},
		{`1`, PortNumber(1), `1`, nil, true},
		{`65535`, PortNumber(65535), `65535`, nil, true},
		{`"80:90"`, PortRange(80, 90), `"80:90"`, nil, true},
		{`"80:80"`, PortNumber(80), `80`, nil, true},
		{`"http"`, PortName("http"), `"http"`, nil, false},
		{`"8080-tcp"`, PortName("8080-tcp"), `"8080-tcp"`, nil, false},
		{`"a_b.C-9"`, PortName("a_b.C-9"), `"a_b.C-9"`, nil, false},
		// Not ports: kept as written, and told apart by Err.
		{`0`, Port{}, `0`, ErrPortNumber, true},
		{`""`, PortName(""), `0`, ErrPortNumber, true},
		{`65536`, PortName("65536"), `65536`, ErrPortNumber, true},
		{`-1`, PortName("-1"), `-1`, ErrPortNumber, true},
		{`"0:5"`, PortRange(0, 5), `"0:5"`, ErrPortNumber, true},
		{`"5:0"`, PortRange(5, 0), `"5:0"`, ErrPortNumber, true},
		{`"1:70000"`, PortName("1:70000"), `"1:70000"`, ErrPortNumber, true},
		{`99999999999999999999`, PortName("99999999999999999999"), `"99999999999999999999"`, ErrPortNumber, true},
		{`"90:80"`, PortRange(90, 80), `"90:80"`, ErrPortRange, true},
		{`"1:2:3"`, PortName("1:2:3"), `"1:2:3"`, ErrPortName, false},
		{`"1:"`, PortName("1:"), `"1:"`, ErrPortName, false},
		{`"two words"`, PortName("two words"), `"two words"`, ErrPortName, false},
		{`"` + long + `"`, PortName(long), `"` + long + `"`, ErrPortName, false},
		{`"` + long[1:] + `"`, PortName(long[1:]), `"` + long[1:] + `"`, nil, false},
	} {
		var got Port
		if err := json.Unmarshal([]byte(c.in), &got); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.in, got, c.want)
		}
		if err := got.Err(); !errors.Is(err, c.err) {
			t.Errorf("%s: Err is %v, want %v", c.in, err, c.err)
		}
		if got.IsNumeric() != c.numeric {
			t.Errorf("%s: IsNumeric is %t", c.in, got.IsNumeric())
		}
		if out, err := json.Marshal(got); err != nil || string(out) != c.out {
			t.Errorf("%s: written as %s (%v), want %s", c.in, out, err, c.out)
		}
	}
}

func TestPortTypeErrors(t *testing.T) {
	for _, in := range []string{`true`, `1.5`, `1e3`, `[80]`, `{"port":80}`} {
		p := PortNumber(7)
		if err := json.Unmarshal([]byte(in), &p); err == nil {
			t.Errorf("%s: decoded as %v", in, p)
		} else if p != PortNumber(7) {
			t.Errorf("%s: an error changed the value to %v", in, p)
		}
	}
	p := PortNumber(7)
	if err := json.Unmarshal([]byte(`null`), &p); err != nil || p != PortNumber(7) {
		t.Errorf("null: %v, %v", p, err)
	}
}

func TestPortFromYAML(t *testing.T) {
	var rule EntityRule
	text := "ports: [80, \"80\", '1024:2048', http, 70000]\n"
	if err := yaml.UnmarshalStrict([]byte(text), &rule); err != nil {
		t.Fatal(err)
	}
	want := []Port{PortNumber(80), PortNumber(80), PortRange(1024, 2048), PortName("http"), PortName("70000")}
	for i, p := range rule.Ports {
		if p != want[i] {
			t.Errorf("port %d: got %+v, want %+v", i, p, want[i])
		}
	}
}

// drawPort draws ports that are valid.
func drawPort(t *rapid.T) Port {
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		return PortNumber(rapid.Uint16Min(1).Draw(t, "number"))
	case 1:
		low := rapid.Uint16Min(1).Draw(t, "low")
		return PortRange(low, rapid.Uint16Min(low).Draw(t, "high"))
	}
	return PortName(rapid.StringMatching(`[0-9]{0,5}[a-zA-Z_.-][a-zA-Z0-9_.-]{0,20}`).Filter(func(s string) bool {
		return Port{Name: s}.Err() == nil
	}).Draw(t, "name"))
}

func TestPortLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPort(t)
		if err := p.Err(); err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		if q, err := ParsePort(p.String()); err != nil || q != p {
			t.Fatalf("%+v reads back as %+v, %v", p, q, err)
		}
	})
}

// FuzzPort holds that every text is a port or an error, and that what is kept
// of it survives writing and reading.
func FuzzPort(f *testing.F) {
	for _, s := range []string{"", "0", "80", "080", "80:90", "90:80", "-1", "-0", "1:-2", "http", "65536", ":", "\xff", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePort(s)
		if err == nil && !p.IsNumeric() && p.Name != s {
			t.Fatalf("%q became the name %q", s, p.Name)
		}
		out, jsonErr := json.Marshal(p)
		if jsonErr != nil {
			t.Fatalf("%q: %v", s, jsonErr)
		}
		var again Port
		if jsonErr := json.Unmarshal(out, &again); jsonErr != nil {
			t.Fatalf("%q as %s: %v", s, out, jsonErr)
		}
		if !errors.Is(again.Err(), err) || err == nil && again != p {
			t.Fatalf("%q: %+v (%v) reads back as %+v (%v)", s, p, err, again, again.Err())
		}
	})
}
