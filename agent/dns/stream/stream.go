// Package stream puts the messages of DNS over TCP together from the segments of
// servers, which may come in any order, twice, or not at all. It never holds
// anything up: who uses it lets a segment pass unless it completes a message.
package stream

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/tierwall/tierwall/agent/dns/packet"
)

// Bounds. A connection beyond them is not followed any more.
const (
	// MaxConnections is how many are followed at once.
	MaxConnections = 1024
	// maxBuffered is how much is kept of one connection: the largest message, and
	// as much that came too early.
	maxBuffered = 2 << 16
	// idle is after what time a connection is forgotten of which nothing came.
	idle = 30 * time.Second
)

// Flow is a connection, seen from the server.
type Flow struct {
	Server, Client netip.AddrPort
}

// Table follows connections. It is not safe for concurrent use.
type Table struct {
	flows map[Flow]*flow
	swept time.Time
}

type flow struct {
	next  uint32
	data  []byte            // from next - len(data) on, without a gap
	early map[uint32][]byte // what came before its time, by sequence
	size  int
	seen  time.Time
	// lost says that the connection is not followed any more.
	lost bool
}

// New returns an empty table.
func New() *Table { return &Table{flows: map[Flow]*flow{}} }

// Len returns how many connections are followed.
func (t *Table) Len() int { return len(t.flows) }

// Result is what became of a segment.
type Result struct {
	// Messages are those that it completed.
	Messages [][]byte
	// Repeated says that it carries nothing that was not there before.
	Repeated bool
	// Lost says that from here on the connection is not followed: its beginning
	// was not seen, it went beyond the bounds, or there are too many.
	Lost bool
}

// Take takes a segment of a server.
func (t *Table) Take(s packet.Segment, now time.Time) Result {
	t.sweep(now)
	key := Flow{s.From, s.To}
	f := t.flows[key]
	switch {
	case s.Reset:
		delete(t.flows, key)
		return Result{}
	case s.Start && f != nil && f.next == s.Sequence && len(f.data) == 0:
		return Result{Repeated: true}
	case s.Start:
		if f == nil && len(t.flows) >= MaxConnections {
			return Result{Lost: true}
		}
		f = &flow{next: s.Sequence, early: map[uint32][]byte{}, seen: now}
		t.flows[key] = f
	case f == nil:
		return Result{Lost: len(s.Payload) > 0}
	}
	f.seen = now
	if f.lost || len(s.Payload) == 0 {
		if s.End {
			delete(t.flows, key)
		}
		return Result{}
	}
	r := f.take(s)
	if s.End && len(f.early) == 0 {
		delete(t.flows, key)
	}
	return r
}

func (f *flow) take(s packet.Segment) Result {
	ahead := int32(s.Sequence - f.next)
	if ahead <= 0 && int32(s.Sequence+uint32(len(s.Payload))-f.next) <= 0 {
		return Result{Repeated: true}
	}
	if ahead > 0 {
		if was := len(f.early[s.Sequence]); was < len(s.Payload) {
			f.early[s.Sequence] = append([]byte(nil), s.Payload...)
			f.size += len(s.Payload) - was
		}
	} else {
		f.append(s.Payload[-ahead:])
		for f.fill() {
		}
	}
	r := Result{Messages: f.messages()}
	if f.size+len(f.data) > maxBuffered {
		*f = flow{lost: true, seen: f.seen}
		r.Lost = true
	}
	return r
}

func (f *flow) append(b []byte) {
	f.data = append(f.data, b...)
	f.next += uint32(len(b))
}

// fill appends a segment that came early and whose time has come.
func (f *flow) fill() bool {
	for sequence, b := range f.early {
		ahead := int32(sequence - f.next)
		if ahead > 0 {
			continue
		}
		delete(f.early, sequence)
		f.size -= len(b)
		if -int(ahead) < len(b) {
			f.append(b[-ahead:])
		}
		return true
	}
	return false
}

// messages takes out what is complete. Each has its length before it.
func (f *flow) messages() (list [][]byte) {
	for len(f.data) >= 2 {
		length := int(binary.BigEndian.Uint16(f.data))
		if len(f.data) < 2+length {
			break
		}
		list = append(list, f.data[2:2+length:2+length])
		f.data = f.data[2+length:]
	}
	if len(f.data) == 0 {
		f.data = nil
	}
	return list
}

// sweep forgets connections that have fallen silent.
func (t *Table) sweep(now time.Time) {
	if now.Sub(t.swept) < idle/2 {
		return
	}
	t.swept = now
	for key, f := range t.flows {
		if now.Sub(f.seen) > idle {
			delete(t.flows, key)
		}
	}
}
