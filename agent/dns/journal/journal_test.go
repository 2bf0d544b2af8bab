package journal

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierwall/tierwall/domain"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{})

func lease(name string, n int) Lease {
	return Lease{Name: domain.Name(name), Addr: netip.AddrFrom4([4]byte{192, 0, byte(n / 256), byte(n)}), Via: "x.cdn.net", Server: netip.MustParseAddr("10.96.0.10"),
		Seen: time.Unix(int64(n), 0).UTC(), Expires: time.Unix(int64(n)+60, 0).UTC()}
}

func none(func(Lease) bool) {}

// begin opens a file that has leases in it.
func begin(t *testing.T, leases ...Lease) (*Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sub", "dns")
	j, c, err := Open(path)
	if err != nil || len(c.Leases) > 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := j.Rewrite(none); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(slices.Values(leases), none); err != nil {
		t.Fatal(err)
	}
	return j, path
}

func reopen(t *testing.T, path string) Content {
	t.Helper()
	_, c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestKill: what was appended is there, although nobody closed the file.
func TestKill(t *testing.T) {
	a, b, c := lease("a.example", 1), lease("b.example", 2), lease("c.example", 3)
	j, path := begin(t, a, b)
	later := b
	later.Expires = later.Expires.Add(time.Hour)
	for _, err := range []error{j.Append(slices.Values([]Lease{c, later}), none), j.Append(none, slices.Values([]Lease{a}))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := reopen(t, path)
	if diff := cmp.Diff(Content{Leases: []Lease{later, c}}, got, sameAddr); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: others could write it", info.Mode(), err)
	}
}

// TestDamage: wherever a byte is changed or the file is cut, at most the line
// there is lost, and it is noticed.
func TestDamage(t *testing.T) {
	want := []Lease{lease("a.example", 1), lease("b.example", 2), lease("c.example", 3)}
	_, path := begin(t, want...)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := bytes.IndexByte(good, '\n') + 1
	try := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got := reopen(t, path)
		for _, l := range got.Leases {
			if !slices.Contains(want, l) {
				t.Fatalf("%s: %+v was never written", what, l)
			}
		}
		if len(got.Leases) < len(want)-2 || len(got.Leases) < len(want) && got.Damaged == 0 {
			t.Fatalf("%s: %d leases, %d damaged", what, len(got.Leases), got.Damaged)
		}
	}
	for at := head; at < len(good); at++ {
		if good[at] == '\n' && at == len(good)-1 {
			continue
		}
		bad := slices.Clone(good)
		bad[at] ^= 1 << (at % 7)
		try(fmt.Sprintf("byte %d", at), bad)
	}
	last := bytes.LastIndexByte(good[:len(good)-1], '\n') + 1
	for at := last + 1; at < len(good)-1; at++ {
		try(fmt.Sprintf("cut at %d", at), good[:at])
	}
	for what, data := range map[string]string{"nonsense": "hello\nworld\n", "a long line": strings.Repeat("x", 1<<20) + "\n", "empty": ""} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := reopen(t, path); len(got.Leases) > 0 || (got.Damaged == 0) != (data == "") {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestEpoch(t *testing.T) {
	j, path := begin(t, lease("a.example", 1))
	if err := j.Reset(1); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(slices.Values([]Lease{lease("b.example", 2)}), none); err != nil {
		t.Fatal(err)
	}
	if c := reopen(t, path); c.Epoch != 1 || len(c.Leases) != 1 || c.Leases[0].Name != "b.example" {
		t.Errorf("after a reset: %+v", c)
	}
	data := []byte(`{"head":{"version":2,"epoch":1}}`)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(data), data), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := reopen(t, path); !c.Other || c.Damaged+len(c.Leases) > 0 {
		t.Errorf("another version: %+v", c)
	}
}

// TestRewrite: the file does not grow without end, and what is appended after it
// was written anew is in the new one.
func TestRewrite(t *testing.T) {
	j, path := begin(t)
	a := lease("a.example", 1)
	for n := range spare + 10 {
		a.Expires = a.Expires.Add(time.Second)
		if err := j.Append(slices.Values([]Lease{a}), none); err != nil {
			t.Fatal(err)
		}
		if j.Overgrown(1) != (n+2 > spare+2) {
			t.Fatalf("after %d lines: %v", n+2, j.Overgrown(1))
		}
	}
	if err := j.Rewrite(slices.Values([]Lease{a})); err != nil {
		t.Fatal(err)
	}
	b := lease("b.example", 2)
	if err := j.Append(slices.Values([]Lease{b}), none); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Lease{a, b}, reopen(t, path).Leases, sameAddr); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stale := j.Begin()
	stale.Write(slices.Values([]Lease{a, b}))
	d := j.Begin()
	d.Write(slices.Values([]Lease{a, b}))
	c := lease("c.example", 3)
	for _, err := range []error{j.Replace(stale), j.Append(slices.Values([]Lease{c}), slices.Values([]Lease{a})), j.Replace(d)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Lease{b, c}, reopen(t, path).Leases, sameAddr); diff != "" {
		t.Errorf("appended while it was written anew (-want +got):\n%s", diff)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files are left", len(files))
	}
}

// TestNowhere: a directory that cannot be written is an error, and nobody's file
// is damaged.
func TestNowhere(t *testing.T) {
	if _, _, err := Open("/proc/nowhere/dns"); err == nil {
		t.Error("no error")
	}
	var j *Journal
	if err := j.Append(slices.Values([]Lease{lease("a", 1)}), none); err != nil || j.Overgrown(0) || j.Rewrite(none) != nil || j.Close() != nil {
		t.Error("none is not quiet")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`00000000 {"name":"a","addr":"192.0.2.1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, ok := parse(b); ok && (l.Head == nil) == (l.Lease == nil) {
			t.Errorf("%+v", l)
		}
	})
}
