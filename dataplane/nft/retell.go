package nft

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tierwall/tierwall/table"
)

// A set that takes another's place leaves elements as they are for which the
// kernel does the same for another reason. What they say in their comments follows
// when nothing has changed for a while, a few at a time: it is for people, and a
// policy that comes and goes again has changed nothing in the end.

const (
	// quiet is how long nothing must have changed.
	quiet = 300 * time.Millisecond
	// atOnce is how many elements are told anew while the next change waits: half a
	// millisecond.
	atOnce = 64
)

// outdate notes that elements do not say any more why they are there.
func (s *state) outdate(h heir) {
	base := s.base(h.now.ID)
	for _, e := range slices.Concat(h.gone, h.come) {
		delete(s.outdated[base], e.Class)
	}
	if len(h.stale) == 0 {
		return
	}
	if s.outdated[base] == nil {
		s.outdated[base] = map[table.ClassID]bool{}
	}
	for _, class := range h.stale {
		s.outdated[base][class] = true
	}
}

// retell writes the comments of up to n elements anew, and reports whether any
// are left.
func (d *Dataplane) retell(n int) (more bool) {
	s := d.now
	if s == nil {
		return false
	}
	holders := map[table.SetID]*table.Set{}
	if len(s.outdated) > 0 {
		for id, set := range s.tables.Sets {
			holders[s.base(id)] = set
		}
	}
	var b batch
	for _, base := range slices.Sorted(maps.Keys(s.outdated)) {
		set := holders[base]
		var gone, come []element
		for c := range s.outdated[base] {
			if n--; n < 0 {
				break
			}
			delete(s.outdated[base], c)
			if set == nil {
				continue
			}
			if row := s.tables.Rows[set.Rows[c]]; row != nil {
				gone, come = append(gone, element{key: class(c)}), append(come, s.rowElement(set, c, row))
			}
		}
		if len(come) > 0 {
			b.glue(func() {
				b.deleteElements(s.rows(set.ID), gone)
				b.addElements(s.rows(set.ID), come)
			})
		}
		if len(s.outdated[base]) == 0 {
			delete(s.outdated, base)
		}
	}
	if err := d.socket.commit(context.Background(), &b, uncut); err != nil {
		d.lose(err)
		return false
	}
	return len(s.outdated) > 0
}

// whenQuiet retells after a pause in which nothing changes. The lock is held.
func (d *Dataplane) whenQuiet() {
	d.changes++
	if d.now == nil || len(d.now.outdated) == 0 || d.listening {
		return
	}
	d.listening = true
	time.AfterFunc(quiet, d.retellQuiet)
}

func (d *Dataplane) retellQuiet() {
	d.Lock()
	defer d.Unlock()
	d.listening = false
	if d.changes != d.seen {
		d.seen = d.changes
		d.listening = true
		time.AfterFunc(quiet, d.retellQuiet)
		return
	}
	for d.changes == d.seen && d.retell(atOnce) {
		d.yield()
	}
	if d.changes != d.seen {
		d.whenQuiet()
	}
}
