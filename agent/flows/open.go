package flows

import (
	"time"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/flow"
)

const (
	// maxOpen is how many open connections are remembered. The traffic of others
	// is not known.
	maxOpen = 1 << 16
	// maxUpdates is how many records of a window tell of connections that go on:
	// a thousand a second, however many connections are open.
	maxUpdates = 250
	// absences is in how many dumps of the kernel's table one after the other a
	// connection must be missing before it is taken to have ended unheard. In one
	// it may be passed over, or its end may be on the way.
	absences = 2
)

// open is a connection that has not ended.
type open struct {
	key   key
	start int64 // in Unix nanoseconds
	sport uint16
	// window is that in which it counts as going on, dump the last in which it was
	// seen, or could not be.
	window, dump uint32
	// out and in are what records have told of.
	out, in flow.Volume
}

// opened remembers a connection.
func (c *Collector) opened(id uint32, w *counted, k key, sport uint16, now time.Time) {
	if len(c.open) >= maxOpen {
		return
	}
	w.going++
	c.open[id] = &open{key: k, start: now.UnixNano(), sport: sport, window: c.windows, dump: c.dumps + 1}
}

// ended counts what passed in a connection that is over.
func (c *Collector) ended(e *conntrack.Event) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.open[e.ID]
	if !ok {
		return
	}
	delete(c.open, e.ID)
	w := c.tells(o)
	if w == nil {
		return
	}
	w.last = now
	if o.window == c.windows {
		w.going--
	}
	o.tell(w, e)
}

// tells returns the record that tells of an open connection in this window; nil,
// counted as lost, if there is no place.
func (c *Collector) tells(o *open) *counted {
	w := c.window[o.key]
	if w == nil {
		if w = c.begin(o.key, time.Unix(0, o.start)); w != nil {
			w.sport = o.sport
		}
	}
	return w
}

// tell adds what passed in a connection since it was last told of.
func (o *open) tell(w *counted, e *conntrack.Event) {
	out, in := flow.Volume{Packets: e.Out.Packets, Bytes: e.Out.Bytes}, flow.Volume{Packets: e.In.Packets, Bytes: e.In.Bytes}
	w.out.Add(since(out, o.out))
	w.in.Add(since(in, o.in))
	o.out, o.in = out, in
}

// since is what came to an amount; nothing if it has become smaller.
func since(now, before flow.Volume) (v flow.Volume) {
	if now.Packets > before.Packets {
		v.Packets = now.Packets - before.Packets
	}
	if now.Bytes > before.Bytes {
		v.Bytes = now.Bytes - before.Bytes
	}
	return v
}

// Update takes what a dump of the kernel's table says of a connection, which goes
// on: what passed since it was last told of goes into a record, so that all that
// its records say adds up to what the kernel says at its end. It reports false if
// this window tells of enough, and the same is to be asked in the next.
func (c *Collector) Update(e *conntrack.Event) bool {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.open[e.ID]
	if !ok || o.sport != e.Origin.SrcPort && o.sport != 0 {
		return true
	}
	o.dump = c.dumps + 1
	if e.Out.Packets <= o.out.Packets && e.In.Packets <= o.in.Packets {
		return true
	}
	if c.window[o.key] == nil {
		if c.updates >= maxUpdates {
			return false
		}
		c.updates++
	}
	w := c.tells(o)
	if w == nil {
		return true
	}
	w.last = now
	if o.window != c.windows {
		o.window = c.windows
		w.going++
	}
	w.sports = w.sports || w.sport != o.sport
	o.tell(w, e)
	return true
}

// Dumped ends a dump of the kernel's table. Connections that the last dumps did
// not have are forgotten: the kernel dropped the word of their end, and what
// passed in them is not known. It returns how many.
func (c *Collector) Dumped() (gone uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dumps++
	for id, o := range c.open {
		if c.dumps-o.dump >= absences && c.dumps > o.dump {
			delete(c.open, id)
			gone++
		}
	}
	c.lose(flow.Loss{Connections: gone})
	return gone
}

// Open is how many connections are remembered.
func (c *Collector) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
