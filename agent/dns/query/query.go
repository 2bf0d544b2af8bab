// Package query remembers what was asked, so that an answer which nobody asked
// for, or which bears another number or question than was asked, is known as
// such.
package query

import (
	"net/netip"
	"time"

	"github.com/tierwall/tierwall/agent/dns/answer"
)

const (
	// keep is how long an answer may take. Clients ask again, with a number of
	// their own, after five seconds.
	keep = 30 * time.Second
	// Max is how many questions are remembered; what is asked beyond them takes
	// the place of the oldest.
	Max = 1 << 16
)

// Asked is a question, who asked it and of whom. The addresses are those that
// the answer bears in the same place of the kernel.
type Asked struct {
	Client, Server netip.AddrPort
	answer.Question
}

// Table holds the questions of the last half minute. It is not safe for
// concurrent use.
type Table struct {
	until map[Asked]time.Time
	// order is a ring of all that are in the map, the oldest at first.
	order       []Asked
	first, size int
}

// New returns an empty table.
func New() *Table { return &Table{until: map[Asked]time.Time{}, order: make([]Asked, 64)} }

// Put notes a question.
func (t *Table) Put(a Asked, now time.Time) {
	_, known := t.until[a]
	t.until[a] = now.Add(keep)
	if known {
		return
	}
	for t.size > 0 && (t.size >= Max || !now.Before(t.until[t.order[t.first]])) {
		delete(t.until, t.order[t.first])
		t.first = (t.first + 1) % len(t.order)
		t.size--
	}
	if t.size == len(t.order) {
		t.grow()
	}
	t.order[(t.first+t.size)%len(t.order)] = a
	t.size++
}

func (t *Table) grow() {
	larger := make([]Asked, min(2*len(t.order), Max))
	n := copy(larger, t.order[t.first:])
	copy(larger[n:], t.order[:t.first])
	t.order, t.first = larger, 0
}

// Has reports whether the question was asked. It stays: a client that asked
// twice gets two answers.
func (t *Table) Has(a Asked, now time.Time) bool {
	until, ok := t.until[a]
	return ok && now.Before(until)
}

// Len returns how many questions are remembered.
func (t *Table) Len() int { return t.size }
