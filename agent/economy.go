package agent

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// What an agent makes at its start is many times what it keeps: the lists of the
// API, as they come. How often that is collected is a trade of memory for time, which
// is made once for the start and once for the time after it; and in a large world
// for less memory than in a small one, where little is at stake. Where GOGC is set,
// it stands.

// pace says how much may be thrown away before it is collected: room in bytes, but
// at least and at most so many percent of what lives.
type pace struct {
	room        uint64
	least, most int
}

var (
	starting = pace{room: 64 << 20, least: 50, most: 200}
	steady   = pace{room: 48 << 20, least: 25, most: 50}
)

func (p pace) percent(live uint64) int {
	return int(min(max(p.room*100/max(live, 1), uint64(p.least)), uint64(p.most)))
}

// collector keeps the collector of garbage at a pace. A nil one leaves it alone.
type collector struct{ now atomic.Pointer[pace] }

// newCollector begins at the pace of the start; nil where GOGC is set.
func newCollector() *collector {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	c := &collector{}
	c.keep(starting)
	type mark struct{ _ [64]byte } // with nothing else in its place
	var again func(*mark)
	again = func(m *mark) { // after each collection
		c.adapt()
		runtime.SetFinalizer(m, again)
	}
	runtime.SetFinalizer(&mark{}, again)
	return c
}

func (c *collector) keep(p pace) {
	if c != nil {
		c.now.Store(&p)
		c.adapt()
	}
}

func (c *collector) adapt() {
	live := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(live)
	debug.SetGCPercent(c.now.Load().percent(live[0].Value.Uint64()))
}

// economize gives back what the start took and will not be needed again: the
// memory of the lists, and the pages of the program.
func economize(c *collector, log *slog.Logger) {
	c.keep(steady)
	debug.FreeOSMemory()
	if err := dropProgram(); err != nil {
		log.Debug("the pages of the program stay in memory", "error", err)
	}
}

// dropProgram takes the pages of the program out of this process: code and
// constants, of which most were there for the start alone. What is needed comes
// back by itself, from the cache of the file or from the file.
func dropProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("the program's name: %w", err)
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("the program's pages: %w", err)
	}
	for _, r := range unwritten(string(text), program) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return nil
}

// region is a range of addresses.
type region struct{ from, to uintptr }

// unwritten finds in the text of /proc/self/smaps the parts of a program that
// cannot be written to and of which no page ever was, as the loader does with
// constants that are addresses: what was written would be lost.
func unwritten(smaps, program string) []region {
	var list []region
	fresh := false
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 5 && strings.Contains(f[0], "-"): // FROM-TO PERMISSIONS OFFSET DEVICE INODE FILE
			var r region
			n, _ := fmt.Sscanf(f[0], "%x-%x", &r.from, &r.to)
			fresh = n == 2 && len(f) == 6 && f[5] == program && (f[1] == "r-xp" || f[1] == "r--p")
			if fresh {
				list = append(list, r)
			}
		case fresh && len(f) == 3 && (f[0] == "Anonymous:" || f[0] == "Swap:") && f[1] != "0":
			list, fresh = list[:len(list)-1], false
		}
	}
	return list
}
