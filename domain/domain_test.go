package domain_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/domain"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat("a", 63)
	most := strings.Join([]string{long, long, long, strings.Repeat("b", 61)}, ".")
	for _, row := range []struct {
		text string
		want domain.Name
		err  error
	}{
		{"example.com", "example.com", nil},
		{"WWW.Example.COM.", "www.example.com", nil},
		{"localhost", "localhost", nil},
		{"_sip._tcp.example.com", "_sip._tcp.example.com", nil},
		{"-odd-.example.com", "-odd-.example.com", nil},
		{"1.2.3.4", "1.2.3.4", nil},
		{"Bücher.example", "xn--bcher-kva.example", nil},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example", nil},
		{"例え。テスト", "xn--r8jz45g.xn--zckzah", nil},
		{"faß.example", "xn--fa-hia.example", nil},
		{most, domain.Name(most), nil},
		{most + ".", domain.Name(most), nil},
		{most + "b", "", domain.ErrLong},
		{long + "a.com", "", domain.ErrLabelLong},
		{"", "", domain.ErrEmpty},
		{".", "", domain.ErrEmpty},
		{"..", "", domain.ErrLabel},
		{"a..b", "", domain.ErrLabel},
		{".a", "", domain.ErrLabel},
		{"a b.com", "", domain.ErrCharacter},
		{`a\.b.com`, "", domain.ErrCharacter},
		{`a\032b.com`, "", domain.ErrCharacter},
		{"*.example.com", "", domain.ErrCharacter},
		{"a/b", "", domain.ErrCharacter},
		{"a\x00b", "", domain.ErrCharacter},
		{"\xff.com", "", domain.ErrCharacter},
		{strings.Repeat("ü.", 5000), "", domain.ErrLong},
	} {
		got, err := domain.ParseName(row.text)
		if got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%.80q: got %q, %v; want %q, %v", row.text, got, err, row.want, row.err)
		}
	}
}

func TestParsePattern(t *testing.T) {
	for text, want := range map[string]error{
		"*": domain.ErrTrailing, "*.": domain.ErrTrailing, "example.*": domain.ErrTrailing, "*.*": domain.ErrSeveral,
		"*.a.*": domain.ErrSeveral, "*.*.com": domain.ErrSeveral, "foo*.com": domain.ErrPartial, "*foo.com": domain.ErrPartial,
		"**.com": domain.ErrPartial, "a.f*o.com": domain.ErrPartial, "*.f*.com": domain.ErrPartial,
		"": domain.ErrEmpty, "*..com": domain.ErrLabel, ".*.com": domain.ErrLabel, "a_b.com": nil, "a,b.com": domain.ErrCharacter,
		"-a.com": domain.ErrHyphen, "a-.com": domain.ErrHyphen, "*.a-": domain.ErrHyphen, "a--b.com": nil,
		"https://example.com": domain.ErrCharacter, "example.com:443": domain.ErrCharacter, "*.Bücher.example": nil,
		strings.Repeat("a.", 126) + "a": nil, strings.Repeat("a.", 127) + "a": domain.ErrLong, strings.Repeat("a", 64): domain.ErrLabelLong,
	} {
		if _, err := domain.ParsePattern(text); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

// matchRows say which names a pattern stands for (semantics.md section 16).
var matchRows = []struct {
	pattern string
	yes, no string
}{
	{"www.example.com", "www.example.com", "example.com a.www.example.com www.example.co wwwxexample.com"},
	{"WWW.Example.com.", "www.example.com", "example.com"},
	{"*.google.com", "www.google.com www.ipv6.google.com a.b.c.google.com", "google.com xgoogle.com google.com.evil google.org www.google.com.evil"},
	{"*.com", "a.com a.b.com", "com a.org"},
	{"api.*.example.com", "api.eu.example.com api.a.b.example.com api.api.example.com", "api.example.com eu.example.com apix.eu.example.com x.api.eu.example.com"},
	{"a.b.*.c", "a.b.x.c a.b.x.y.c", "a.b.c a.x.c b.x.c"},
	{"*.Bücher.example", "www.xn--bcher-kva.example", "www.bucher.example xn--bcher-kva.example"},
	{"localhost", "localhost", "a.localhost"},
}

func TestMatches(t *testing.T) {
	index := domain.NewIndex[string]()
	for _, row := range matchRows {
		index.Put(domain.MustParsePattern(row.pattern), row.pattern)
	}
	for _, row := range matchRows {
		p := domain.MustParsePattern(row.pattern)
		for want, names := range map[bool]string{true: row.yes, false: row.no} {
			for n := range strings.FieldsSeq(names) {
				if got := p.Matches(domain.Name(n)); got != want {
					t.Errorf("%s matches %s: %v", row.pattern, n, got)
				}
				found := false
				index.Match(domain.Name(n), func(text string) { found = found || text == row.pattern })
				same := slices.ContainsFunc(matchRows, func(o struct{ pattern, yes, no string }) bool {
					return o.pattern != row.pattern && domain.MustParsePattern(o.pattern) == p // the one put last is found
				})
				if found != want && !same {
					t.Errorf("the index finds %s for %s: %v", row.pattern, n, found)
				}
			}
		}
	}
}

// TestZero: the zero pattern stands for nothing, not even the zero name.
func TestZero(t *testing.T) {
	var p domain.Pattern
	if p.Matches("") || p.Matches("a") || p.Under() != "" || p.String() != "" {
		t.Error("the zero pattern is not empty")
	}
}

// TestIndex: what was put and not taken away is found, by every name that it
// stands for and by no other.
func TestIndex(t *testing.T) {
	x := domain.NewIndex[int]()
	var all []domain.Pattern
	for _, text := range []string{"a", "a.b", "*.a", "*.b", "*.a.b", "a.*.b", "b.*.b", "a.a.*.b", "*.b.a", "a.*.a"} {
		p := domain.MustParsePattern(text)
		x.Put(p, len(all))
		all = append(all, p)
	}
	var names []domain.Name
	for n := range 5 {
		for bits := range 1 << n {
			labels := make([]string, n)
			for i := range labels {
				labels[i] = string(rune('a' + bits>>i&1))
			}
			names = append(names, domain.Name(strings.Join(labels, ".")))
		}
	}
	for len(all) > 0 {
		if x.Len() != len(all) {
			t.Fatalf("%d patterns, want %d", x.Len(), len(all))
		}
		for _, n := range names {
			var got, want []int
			x.Match(n, func(i int) { got = append(got, i) })
			for i, p := range all {
				if p.Matches(n) {
					want = append(want, i)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%q: got %v, want %v of %v", n, got, want, all)
			}
		}
		last := all[len(all)-1]
		if v, ok := x.Find(last); !ok || v != len(all)-1 {
			t.Errorf("%v: found %d, %v", last, v, ok)
		}
		x.Remove(last)
		if _, ok := x.Find(last); ok {
			t.Errorf("%v is still there", last)
		}
		all = all[:len(all)-1]
	}
}

// FuzzParsePattern: a pattern or an error; what is read is read back as itself,
// stands for something, and only for names that end and begin as it does.
// TestAll: what was put in comes out, as it was.
func TestAll(t *testing.T) {
	x := domain.NewIndex[int]()
	want := map[domain.Pattern]int{}
	for i, text := range []string{"www.example.com", "*.example.com", "api.*.example.com", "*.test", "a.b.*.test"} {
		p := domain.MustParsePattern(text)
		x.Put(p, i)
		want[p] = i
	}
	if got := maps.Collect(x.All()); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for range x.All() {
		break
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, row := range matchRows {
		f.Add(row.pattern, strings.Fields(row.yes)[0])
		f.Add(row.pattern, strings.Fields(row.no)[0])
	}
	for _, s := range []string{"", "*", "*.", "..", "*.*", "xn--", "xn--a.b", "ß.de", "\u200d.com", "a。b", "*。b", "\u0660.a", "A*B.c"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		p, err := domain.ParsePattern(text)
		if (p == domain.Pattern{}) == (err == nil) {
			t.Fatalf("ParsePattern(%q) = %v, %v", text, p, err)
		}
		if err != nil {
			return
		}
		if again, err := domain.ParsePattern(p.String()); err != nil || again != p {
			t.Fatalf("%q is %q, read back as %v, %v", text, p, again, err)
		}
		exact, isExact := p.Exact()
		if star := strings.Contains(p.String(), "*"); star == isExact {
			t.Fatalf("%q: exact is %v", p, isExact)
		}
		if isExact && !p.Matches(exact) {
			t.Fatalf("%q does not match itself", p)
		}
		n, err := domain.ParseName(other)
		if err != nil {
			return
		}
		if again, err := domain.ParseName(string(n)); err != nil || again != n {
			t.Fatalf("%q is %q, read back as %q, %v", other, n, again, err)
		}
		x := domain.NewIndex[bool]()
		x.Put(p, true)
		found := false
		x.Match(n, func(bool) { found = true })
		if want := slowly(p.String(), string(n)); p.Matches(n) != want || found != want {
			t.Fatalf("%q matches %q: %v, by index %v, want %v", p, n, p.Matches(n), found, want)
		}
	})
}

// slowly reads a pattern label by label.
func slowly(pattern, name string) bool {
	want, got := strings.Split(pattern, "."), strings.Split(name, ".")
	star := slices.Index(want, "*")
	if star < 0 {
		return slices.Equal(want, got)
	}
	tail := len(want) - star - 1
	return len(got) >= len(want) && slices.Equal(want[:star], got[:star]) && slices.Equal(want[star+1:], got[len(got)-tail:])
}

func BenchmarkMatch(b *testing.B) {
	x := domain.NewIndex[int]()
	for i := range 100_000 {
		s := strings.Repeat("x", i%20+1) + string(rune('a'+i%26)) + ".example" + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + ".com"
		x.Put(domain.MustParsePattern(s), i)
		x.Put(domain.MustParsePattern("*."+s), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		x.Match("www.cdn.xxxxa.exampleab.com", func(int) {})
	}
}
