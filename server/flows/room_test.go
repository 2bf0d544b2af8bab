package flows

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tierwall/tierwall/flow"
)

// small mounts a file system of 256 KiB.
func small(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("to mount needs root")
	}
	dir := t.TempDir()
	must(t, syscall.Mount("tierwall-test", dir, "tmpfs", 0, "size=256k"))
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	return dir
}

func batch(sequence uint64, size int) flow.Batch {
	b := flow.Batch{Node: "n1", Instance: "i", Sequence: sequence}
	for i := range size {
		b.Records = append(b.Records, numbered(int(sequence)+i*7))
	}
	return b
}

// TestNoRoom: on a file system that is smaller than the store may be, the oldest
// flows make room for the newest; while others fill it, batches are refused, and
// taken when there is room again. Nothing is damaged by that.
func TestNoRoom(t *testing.T) {
	dir := small(t)
	f := open(t, dir, func(o *Options) { o.MaxBytes = 1 << 20 })
	sequence := uint64(0)
	for range 400 { // some 4 MB
		sequence++
		must(t, f.Put(batch(sequence, 200)))
	}
	if got := f.page(flow.Filter{Limit: 1}).Records; len(got) != 1 || got[0].ID != 80_000 {
		t.Errorf("the newest is %+v", got)
	}
	if !strings.Contains(f.log.String(), "the oldest make some") {
		t.Errorf("said:\n%s", f.log.String())
	}
	other, err := os.Create(filepath.Join(dir, "other"))
	must(t, err)
	fill := func() { _, _ = other.Write(make([]byte, 1<<20)) }
	for range 10 {
		sequence++
		fill()
		must(t, f.Put(batch(sequence, 200))) // in the room of others like it
		sequence++
		fill()
		f.log.Reset()
		if err := f.Put(batch(sequence, 3000)); err == nil || !strings.Contains(f.log.String(), "cannot be stored") {
			t.Fatalf("a full disk: %v; said:\n%s", err, f.log.String())
		}
		must(t, other.Truncate(0))
		_, err := other.Seek(0, 0)
		must(t, err)
		must(t, f.Put(batch(sequence, 3000)))
	}
	must(t, other.Close())
	count := 0
	for _, err := range f.All(t.Context(), flow.Access{All: true}, flow.Filter{}) {
		must(t, err)
		count++
	}
	must(t, f.Close())
	again := open(t, dir)
	if got := len(again.page(flow.Filter{Limit: flow.MaxLimit}).Records); got != min(count, flow.MaxLimit) || count < 200 {
		t.Errorf("%d of %d records are there after a restart; said:\n%s", got, count, again.log.String())
	}
	if strings.Contains(f.log.String()+again.log.String(), "moved aside") {
		t.Errorf("something is damaged:\n%s%s", f.log.String(), again.log.String())
	}
}

// TestDamageLater: a segment that is damaged while the store is open is moved
// aside by whoever reads it, once; the others are read, and flows are taken.
func TestDamageLater(t *testing.T) {
	for name, which := range map[string]int{"an old one": 0, "the open one": 1} {
		dir := t.TempDir()
		f := open(t, dir)
		f.put(numbered(1))
		f.mu.Lock()
		must(t, f.begin())
		f.mu.Unlock()
		f.put(numbered(2))
		path := f.segments[which].path
		data, err := os.ReadFile(path)
		must(t, err)
		data[len(data)-1] ^= 1
		must(t, os.WriteFile(path, data, 0o600))
		want := []int{2 - which}
		for range 2 {
			if got := ports(f.page(flow.Filter{}).Records); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		if n := strings.Count(f.log.String(), "moved aside"); n != 1 {
			t.Errorf("%s: said %d times:\n%s", name, n, f.log.String())
		}
		if list, err := f.Together(t.Context(), flow.Access{All: true}, flow.Filter{}); err != nil || len(list) != 1 {
			t.Errorf("%s: %v %v", name, list, err)
		}
		f.put(numbered(3))
		if got := ports(f.page(flow.Filter{}).Records); !slices.Equal(got, append([]int{3}, want...)) {
			t.Errorf("%s: afterwards %v", name, got)
		}
	}
}
