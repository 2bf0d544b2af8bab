package nft

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
)

// later takes care of what must wait until no packet is on its way that began
// before a flip: some 10 to 20 ms, in which the next change can begin. It has
// the lock that guards the dataplane's state.
type later struct {
	sync.Mutex
	waiting []work
	running bool
	// outlast waits until packets on their way are gone: grace, but in tests.
	outlast func()
	// blocking counts the work, waiting or at hand, that the next change must
	// not overtake, and leaving that which none may overtake that changes classes.
	blocking, leaving int
	// away counts, by class and set, what waiting work led packets away from.
	away struct {
		classes, dying map[table.ClassID]int
		sets           map[table.SetID]int
	}
	changed *sync.Cond
	// wanted counts the changes that wait for the lock: what is tidied up lets them
	// go first.
	wanted atomic.Int32
	// changes counts changes, seen is how many there were when it was last looked
	// whether all is quiet; listening says that it will be.
	changes, seen int
	listening     bool
	// report tells of work that failed, nil if nobody listens.
	report func(dataplane.Drift)
}

// work is a transaction for after the flip, and what waits once more after it.
type work struct {
	do, then *batch
	// blocks says that it names what a later change may name too: addresses on
	// a bridge, and chains that are called after what they do.
	blocks bool
	// leaves says that endpoints left their sets: packets on their way may still
	// look classes up there, and those must be the ones that the sets know.
	leaves bool
	// hot is what packets on their way may have looked up that a change led away
	// from.
	hot hot
}

// soon does work after a grace. The lock is held.
func (d *Dataplane) soon(w work) {
	if w.do.empty() && !w.leaves && w.hot.none() && (w.then == nil || w.then.empty()) {
		return
	}
	d.count(w, 1)
	d.waiting = append(d.waiting, w)
	if !d.running {
		d.running = true
		go d.tidy()
	}
}

// tidy does all work that waits, in its order, until there is none.
func (d *Dataplane) tidy() {
	d.Lock()
	defer d.Unlock()
	for len(d.waiting) > 0 {
		list := d.waiting
		d.waiting = nil
		d.Unlock()
		d.outlast()
		d.Lock()
		for _, w := range list {
			d.finish(w)
		}
		d.changed.Broadcast()
	}
	d.running = false
	d.changed.Broadcast()
}

// finish does one piece of work. When the kernel refuses it, it is not known any
// more what it holds; every packet has its decision all the same.
func (d *Dataplane) finish(w work) {
	if err := d.socket.commitInSteps(context.Background(), w.do, step, d.yield); err != nil {
		d.lose(err)
	} else if w.then != nil && !w.then.empty() {
		d.waiting = append(d.waiting, work{do: w.then, blocks: w.blocks, leaves: w.leaves, hot: w.hot})
		return
	}
	d.count(w, -1)
}

// step is how many bytes of a batch are tidied up at once, while a change waits:
// a millisecond's work for the kernel.
const step = 8 << 10

// yield lets changes that wait go first. The lock is held.
func (d *Dataplane) yield() {
	for d.wanted.Load() > 0 {
		d.changed.Wait()
	}
}

// want takes the lock for a change; the other way round, done gives it back.
func (d *Dataplane) want() {
	d.wanted.Add(1)
	d.Lock()
}

func (d *Dataplane) done() {
	d.wanted.Add(-1)
	d.changed.Broadcast()
	d.Unlock()
}

// lose notes that it is not known any more what the kernel holds.
func (d *Dataplane) lose(err error) {
	d.failed = explain(err)
	d.now = nil
	if d.report != nil {
		go d.report(dataplane.Drift{What: d.failed.Error()})
	}
}

func (d *Dataplane) count(w work, n int) {
	if w.blocks {
		d.blocking += n
	}
	if w.leaves {
		d.leaving += n
	}
	for c := range w.hot.classes {
		tally(&d.away.classes, c, n)
	}
	for c := range w.hot.dying {
		tally(&d.away.dying, c, n)
	}
	for s := range w.hot.sets {
		tally(&d.away.sets, s, n)
	}
}

// tally adds to a count, and forgets what comes to nothing.
func tally[K comparable](m *map[K]int, k K, n int) {
	if *m == nil {
		*m = map[K]int{}
	}
	if (*m)[k] += n; (*m)[k] == 0 {
		delete(*m, k)
	}
}

// recent is what packets on their way may have looked up that former changes led
// away from.
func (d *Dataplane) recent() hot {
	out := hot{map[table.ClassID]bool{}, map[table.SetID]bool{}, map[table.ClassID]bool{}}
	for c := range d.away.classes {
		out.classes[c] = true
	}
	for c := range d.away.dying {
		out.dying[c] = true
	}
	for s := range d.away.sets {
		out.sets[s] = true
	}
	return out
}

// free waits until no work is left that the next change must not overtake.
func (d *Dataplane) free(next *table.Delta) {
	classes := next != nil && len(next.Hosts)+len(next.OldNets)+len(next.NewNets) > 0
	for d.blocking > 0 || classes && (d.leaving > 0 || d.recent().revives(next)) {
		d.wanted.Add(-1) // what it waits for must not wait for it
		d.changed.Broadcast()
		d.changed.Wait()
		d.wanted.Add(1)
	}
}

// settled waits until no work is left and returns the error of what failed since
// it was last asked.
func (d *Dataplane) settled() error {
	for d.running {
		d.changed.Wait()
	}
	for d.failed == nil && d.retell(atOnce) {
	}
	err := d.failed
	d.failed = nil
	return err
}
