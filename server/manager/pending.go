package manager

import (
	"sync"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/replay"
)

// pending decides flows as if everything staged were enforced. It follows the
// state off the way of flows, and never spends more than a tenth of its time on
// that.
type pending struct {
	mu sync.Mutex
	// version is that of the state by which replayer decides; nil if nothing is
	// staged in it. 0 is none yet.
	version  int64
	replayer *replay.Replayer
	building bool
	next     time.Time
}

// buildEvery is how often a state that changes all the time is taken anew.
const buildEvery = time.Second

// of returns what would be of a flow; nil if that is what was, or not known.
func (p *pending) of(f *flow.Record, version int64, state func() (*model.State, int64)) *flow.Pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version != version && !p.building && !time.Now().Before(p.next) {
		p.building = true
		go p.build(state)
	}
	if p.replayer == nil {
		return nil
	}
	return p.replayer.Pending(f)
}

func (p *pending) build(state func() (*model.State, int64)) {
	began := time.Now()
	s, version := state()
	var r *replay.Replayer
	if len(s.Staged) > 0 {
		r = replay.Staged(s)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version, p.replayer, p.building = version, r, false
	p.next = time.Now().Add(max(buildEvery, 10*time.Since(began)))
}

// Pending returns what would be of a flow if everything staged were enforced, as
// of a second ago or so; nil if that is what was, or if it is not known. It is
// for the store of flows, and may be called by several at once.
func (m *Manager) Pending(f *flow.Record) *flow.Pending {
	return m.pending.of(f, m.store.at(), func() (*model.State, int64) {
		snap := m.store.now()
		return snap.state, snap.version
	})
}
