package nft

import (
	"context"
	"sync"

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
	// blocking counts the work, waiting or at hand, that the next change must
	// not overtake, and leaving that which none may overtake that changes classes.
	blocking, leaving int
	// away counts, by class and set, what waiting work led packets away from.
	away struct {
		classes, dying map[table.ClassID]int
		sets           map[table.SetID]int
	}
	changed *sync.Cond
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
		grace()
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
	if err := d.socket.commit(context.Background(), w.do, cut); err != nil {
		d.failed = explain(err)
		d.now = nil
		if d.report != nil {
			go d.report(dataplane.Drift{What: d.failed.Error()})
		}
	} else if w.then != nil && !w.then.empty() {
		d.waiting = append(d.waiting, work{do: w.then, blocks: w.blocks, leaves: w.leaves, hot: w.hot})
		return
	}
	d.count(w, -1)
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
		d.changed.Wait()
	}
}

// settled waits until no work is left and returns the error of what failed since
// it was last asked.
func (d *Dataplane) settled() error {
	for d.running {
		d.changed.Wait()
	}
	err := d.failed
	d.failed = nil
	return err
}
