package agent

import "github.com/tierwall/tierwall/model"

// Learning is what who listens to DNS has to say: which addresses names have
// from now on.
type Learning struct {
	// Names are those about which something changed, each with all addresses
	// that it has now; one without addresses is forgotten.
	Names []*model.Learned
	// Done is called from the agent's loop, which it must not hold up, once the
	// kernel knows all of it, or has nothing to know: an answer that was held
	// back can go on. nil if nobody waits. It is not called while the kernel
	// cannot be changed, and called late if it then can.
	Done func()
}

// changes are the changes to the world.
func (l *Learning) changes() []model.Change {
	all := make([]model.Change, 0, len(l.Names))
	for _, n := range l.Names {
		if len(n.Addrs) == 0 {
			all = append(all, model.Delete(n.Key()))
			continue
		}
		all = append(all, model.Put(n))
	}
	return all
}

// learn takes what was learned into the tables, all of it at once: many answers
// that come together are one change of the kernel.
func (a *agent) learn(all []Learning) {
	var changes []model.Change
	for i := range all {
		changes = append(changes, all[i].changes()...)
		if all[i].Done != nil {
			a.learned = append(a.learned, all[i].Done)
		}
	}
	if len(a.waiting) > 0 {
		a.held = append(a.held, changes...)
		return
	}
	a.compile(append(a.held, changes...))
	a.held = nil
}

// known tells those who wait that the kernel knows.
func (a *agent) known() {
	for _, done := range a.learned {
		done()
	}
	a.learned = nil
}
