package agent

import (
	"os"
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
