package agent

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// TestUnwritten picks the parts of the program that may be dropped: none that can
// be written to, none that was, and none of another file.
func TestUnwritten(t *testing.T) {
	const smaps = `00400000-01000000 r-xp 00000000 fe:00 42                         /bin/agent
Rss:               12288 kB
Anonymous:             0 kB
Swap:                  0 kB
01000000-02000000 r--p 00c00000 fe:00 42                         /bin/agent
Anonymous:             4 kB
Swap:                  0 kB
02000000-03000000 r--p 01c00000 fe:00 42                         /bin/agent
Anonymous:             0 kB
Swap:                  4 kB
03000000-03100000 rw-p 02c00000 fe:00 42                         /bin/agent
Anonymous:             0 kB
04000000-05000000 r--p 00000000 fe:00 42                         /bin/agent
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          4096 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 43                 /lib/other
Anonymous:             0 kB
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                  [vdso]
`
	want := []region{{0x400000, 0x1000000}, {0x4000000, 0x5000000}}
	if got := unwritten(smaps, "/bin/agent"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestDropProgram drops the pages of this very program, which goes on.
func TestDropProgram(t *testing.T) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	if len(unwritten(string(text), program)) == 0 {
		t.Error("nothing of the program can be dropped")
	}
	if err := dropProgram(); err != nil {
		t.Fatal(err)
	}
	if s := strings.Repeat("still", 2); s != "stillstill" {
		t.Error(s)
	}
}

// TestPace: a small heap may grow by much of its size, a large one by little.
func TestPace(t *testing.T) {
	for _, test := range []struct {
		pace pace
		live uint64
		want int
	}{
		{starting, 0, 200}, {starting, 25 << 20, 200}, {starting, 64 << 20, 100}, {starting, 1 << 30, 50},
		{steady, 25 << 20, 50}, {steady, 128 << 20, 37}, {steady, 1 << 30, 25},
	} {
		if got := test.pace.percent(test.live); got != test.want {
			t.Errorf("%+v, %d bytes: %d, want %d", test.pace, test.live, got, test.want)
		}
	}
}

// TestCollector: the pace is kept after each collection.
func TestCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	c := newCollector()
	p := pace{least: 77, most: 77}
	c.now.Store(&p)
	for range 100 {
		runtime.GC()
		if got := debug.SetGCPercent(77); got == 77 {
			return
		}
		debug.SetGCPercent(100)
		runtime.Gosched()
	}
	t.Error("collections do not bring the pace back")
}
