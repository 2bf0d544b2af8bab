package answer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/domain"
)

// reply packs an answer to a question, with records as a zone file has them.
func reply(t testing.TB, name string, records ...string) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeA)
	m.Id, m.Response, m.Compress = 77, true, true
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return pack(t, m)
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func one(name, addr string, ttl int, via ...string) Given {
	g := Given{Addr: netip.MustParseAddr(addr), TTL: time.Duration(ttl) * time.Second}
	g.Name = toName(name)
	for _, v := range via {
		g.Via = toName(v)
	}
	return g
}

func TestGives(t *testing.T) {
	for _, c := range []struct {
		what, name string
		records    []string
		want       []Given
	}{
		{"addresses", "www.example.com", []string{"www.example.com. 60 A 192.0.2.1", "www.example.com. 30 A 192.0.2.2", "www.example.com. 5 AAAA 2001:db8::1"},
			[]Given{one("www.example.com", "192.0.2.1", 60), one("www.example.com", "192.0.2.2", 30), one("www.example.com", "2001:db8::1", 5)}},
		{"a chain, with its shortest TTL", "www.example.com",
			[]string{"www.example.com. 10 CNAME x.cdn.net.", "x.cdn.net. 300 CNAME y.cdn.net.", "y.cdn.net. 60 A 192.0.2.1"},
			[]Given{one("y.cdn.net", "192.0.2.1", 60), one("x.cdn.net", "192.0.2.1", 60, "y.cdn.net"), one("www.example.com", "192.0.2.1", 10, "y.cdn.net")}},
		{"a chain in any order", "www.example.com", []string{"x.cdn.net. 60 A 192.0.2.1", "www.example.com. 10 CNAME x.cdn.net."},
			[]Given{one("x.cdn.net", "192.0.2.1", 60), one("www.example.com", "192.0.2.1", 10, "x.cdn.net")}},
		{"what was not asked for", "www.example.com", []string{"www.example.com. 60 A 192.0.2.1", "bank.example. 60 A 192.0.2.66", "x. 1 CNAME www.example.com."},
			[]Given{one("www.example.com", "192.0.2.1", 60)}},
		{"mixed case", "wWw.eXample.com", []string{"WWW.example.COM. 60 A 192.0.2.1"}, []Given{one("www.example.com", "192.0.2.1", 60)}},
		{"another script", "xn--bcher-kva.example", []string{"xn--bcher-kva.example. 60 A 192.0.2.1"}, []Given{one("bücher.example", "192.0.2.1", 60)}},
		{"a TTL of none and one of too much", "a.example", []string{"a.example. 0 A 192.0.2.1", "a.example. 4294967295 A 192.0.2.2"},
			[]Given{one("a.example", "192.0.2.1", 0), one("a.example", "192.0.2.2", 0)}},
		{"a circle", "a.example", []string{"a.example. 9 CNAME b.example.", "b.example. 9 CNAME a.example.", "b.example. 9 A 192.0.2.1"},
			[]Given{one("b.example", "192.0.2.1", 9), one("a.example", "192.0.2.1", 9, "b.example")}},
		{"a name that leads to itself", "a.example", []string{"a.example. 9 CNAME a.example."}, nil},
		{"nothing", "a.example", nil, nil},
		{"other types and classes", "a.example", []string{"a.example. 9 TXT \"192.0.2.1\"", "a.example. 9 CH A 192.0.2.1"}, nil},
		{"an address in the clothes of another family", "a.example", []string{"a.example. 9 AAAA ::ffff:192.0.2.1"}, nil},
		{"a name that no host has", `a\ b.example`, []string{`a\ b.example. 9 CNAME c.example.`, "c.example. 8 A 192.0.2.1"}, []Given{one("c.example", "192.0.2.1", 8)}},
	} {
		a, err := Parse(reply(t, c.name, c.records...))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if diff := cmp.Diff(c.want, a.Gives, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
		if a.ID != 77 || a.Name != strings.ToLower(dns.Fqdn(c.name)) || a.Type != dns.TypeA {
			t.Errorf("%s: question %+v", c.what, a.Question)
		}
	}
}

// TestEDNS: additional records are nobody's addresses, and an option says nothing.
func TestEDNS(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("a.example.", dns.TypeA)
	m.Response, m.Truncated = true, true
	m.SetEdns0(4096, true)
	rr, _ := dns.NewRR("a.example. 60 A 192.0.2.66")
	m.Extra = append(m.Extra, rr)
	m.Ns = append(m.Ns, rr)
	a, err := Parse(pack(t, m))
	if err != nil || len(a.Gives) != 0 || !a.Truncated {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestFailedAnswersGiveNothing(t *testing.T) {
	b := reply(t, "a.example", "a.example. 60 A 192.0.2.1")
	b[3] = b[3]&0xf0 | dns.RcodeNameError
	if a, err := Parse(b); err != nil || len(a.Gives) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestRefused(t *testing.T) {
	good := reply(t, "www.example.com", "www.example.com. 60 A 192.0.2.1")
	change := func(at int, to byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = to
		return b
	}
	loop := append(append([]byte(nil), good[:12]...), 0xc0, 12, 0, 1, 0, 1) // its question points at itself
	for what, b := range map[string][]byte{
		"empty": nil, "a header alone": good[:12], "cut": good[:len(good)-1], "cut in the question": good[:20], "a loop": loop,
		"a query": change(2, 0x01), "an update": change(2, 0xa8), "two questions": change(5, 2), "none": change(5, 0), "too many answers": change(7, 9),
	} {
		if a, err := Parse(b); !errors.Is(err, ErrNotAnswer) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
}

func TestBounds(t *testing.T) {
	var records []string
	for i := range 1000 {
		records = append(records, fmt.Sprintf("a.example. 60 A 192.0.%d.%d", i/256, i%256))
	}
	if a, err := Parse(reply(t, "a.example", records...)); err != nil || len(a.Gives) != 1000 || a.Ignored != 0 {
		t.Errorf("1,000 records: %d, %v", len(a.Gives), err)
	}
	records = nil
	for i := range 100 {
		records = append(records, fmt.Sprintf("n%d.example. 60 CNAME n%d.example.", i, i+1), fmt.Sprintf("n%d.example. 60 A 192.0.2.%d", i, i))
	}
	if a, err := Parse(reply(t, "n0.example", records...)); err != nil || len(a.Gives) != maxAliases*(maxAliases+1)/2 {
		t.Errorf("a long chain: %d, %v", len(a.Gives), err)
	}
}

func TestParseQuestion(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("wWw.Example.com.", dns.TypeAAAA)
	m.Id = 5
	got, err := ParseQuestion(pack(t, m))
	if want := (Question{ID: 5, Name: "www.example.com.", Type: dns.TypeAAAA}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := ParseQuestion(reply(t, "a.example")); err == nil {
		t.Error("an answer was read as a query")
	}
}

// FuzzParse: whatever comes, an answer is read or refused; what it gives is
// bounded, and belongs to names that are names.
func FuzzParse(f *testing.F) {
	f.Add(reply(f, "www.example.com", "www.example.com. 60 CNAME x.cdn.net.", "x.cdn.net. 60 A 192.0.2.1", "x.cdn.net. 1 AAAA 2001:db8::1"))
	f.Add(reply(f, `a\ b.example`, `a\ b.example. 9 CNAME c.example.`, "c.example. 8 A 192.0.2.1"))
	f.Add([]byte{0, 77, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if (a == nil) == (err == nil) {
			t.Fatalf("%+v, %v", a, err)
		}
		if err != nil {
			return
		}
		if len(a.Gives) > MaxAddresses {
			t.Errorf("%d addresses", len(a.Gives))
		}
		for _, g := range a.Gives {
			if g.Name != toName(string(g.Name)) || !g.Addr.IsValid() || g.TTL < 0 || g.TTL > (1<<31-1)*time.Second {
				t.Errorf("%+v", g)
			}
		}
	})
}

func toName(s string) domain.Name {
	n, err := domain.ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}
