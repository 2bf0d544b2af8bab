package book

import (
	"container/heap"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tierwall/tierwall/agent/dns/answer"
	"github.com/tierwall/tierwall/domain"
)

// Settings say what counts, and how long.
type Settings struct {
	// Floor is the shortest time for which a lease counts, Extra what it counts
	// longer than its TTL, and Ceiling the longest time.
	Floor, Extra, Ceiling time.Duration
	// MaxPerName is how many addresses a name may have. A new one beyond that takes
	// the place of the one that would end first.
	MaxPerName int
	// Max is how many leases there may be in all. New ones beyond that are refused.
	Max int
	// NoPrivate refuses addresses of private networks, which a name out on the
	// Internet has no business to have.
	NoPrivate bool
}

// DefaultSettings are those that hold if nothing is said.
func DefaultSettings() Settings {
	return Settings{Floor: 30 * time.Second, Ceiling: 24 * time.Hour, MaxPerName: 1024, Max: 250_000}
}

// Lease says that a name has an address.
type Lease struct {
	Name domain.Name
	Addr netip.Addr
	// Via is the name at the end of the chain of CNAMEs whose record it was; empty
	// if it was the name's own.
	Via domain.Name
	// Server is who said so last, at Seen.
	Server  netip.Addr
	Seen    time.Time
	Expires time.Time
}

// lease is a Lease with what the book needs to keep it.
type lease struct {
	Lease
	// due is when to look at it next: at its end, or some time after that if a
	// connection lives.
	due   time.Time
	index int // in the heap
	// since is the number of the change that brought it.
	since uint64
}

// Book keeps leases. It is not safe for concurrent use.
type Book struct {
	settings Settings
	names    map[domain.Name]map[netip.Addr]*lease
	due      byDue
	// change is the number of the last change that brought a new lease, and known
	// the last of which the kernel knows.
	change, known uint64
	full          bool
}

// New returns an empty book.
func New(s Settings) *Book {
	return &Book{settings: s, names: map[domain.Name]map[netip.Addr]*lease{}}
}

// Set changes the settings; leases that there are keep their time.
func (b *Book) Set(s Settings) { b.settings = s }

// Outcome is what came of an answer.
type Outcome struct {
	// Changed are the names that have other addresses than before.
	Changed []domain.Name
	// Kept are the leases that are new or count longer now, and Gone those that
	// had to make room.
	Kept, Gone []Lease
	// Change is the number of the change of which the kernel must know before all
	// that the answer gives is open; 0 if it knows already.
	Change uint64
	// Same counts leases that there were already.
	Same int
	// Refused counts addresses that no name may have, Crowded those that took the
	// place of others of their name, and Full those for which there is no room.
	Refused, Crowded, Full int

	// numbered says that Change is this answer's own.
	numbered bool
}

// Learn takes what an answer of a server gives. Only names that wanted says yes to
// are kept.
func (b *Book) Learn(gives []answer.Given, server netip.Addr, wanted func(domain.Name) bool, now time.Time) (o Outcome) {
	for _, g := range gives {
		if !wanted(g.Name) {
			continue
		}
		if !b.allowed(g.Addr) {
			o.Refused++
			continue
		}
		ttl := min(max(g.TTL+b.settings.Extra, b.settings.Floor), b.settings.Ceiling)
		b.put(Lease{Name: g.Name, Addr: g.Addr, Via: g.Via, Server: server, Seen: now, Expires: now.Add(ttl)}, &o)
	}
	slices.Sort(o.Changed)
	o.Changed = slices.Compact(o.Changed)
	return o
}

// put renews a lease or makes one.
func (b *Book) put(n Lease, o *Outcome) {
	if l := b.names[n.Name][n.Addr]; l != nil {
		o.Same++
		if l.since > b.known {
			o.Change = max(o.Change, l.since)
		}
		l.Seen, l.Server, l.Via = n.Seen, n.Server, n.Via
		if n.Expires.After(l.Expires) {
			l.Expires, l.due = n.Expires, n.Expires
			heap.Fix(&b.due, l.index)
			o.Kept = append(o.Kept, l.Lease)
		}
		return
	}
	if b.full = len(b.due) >= b.settings.Max; b.full {
		o.Full++
		return
	}
	addrs := b.names[n.Name]
	if addrs == nil {
		addrs = map[netip.Addr]*lease{}
		b.names[n.Name] = addrs
	}
	if len(addrs) >= b.settings.MaxPerName {
		first := soonest(addrs)
		o.Gone = append(o.Gone, first.Lease)
		o.Crowded++
		b.remove(first)
	}
	if !o.numbered {
		b.change++
		o.Change, o.numbered = b.change, true
	}
	l := &lease{Lease: n, due: n.Expires, since: b.change}
	b.names[n.Name] = addrs // remove may have taken the last
	addrs[n.Addr] = l
	heap.Push(&b.due, l)
	o.Changed = append(o.Changed, n.Name)
	o.Kept = append(o.Kept, n)
}

// allowed reports whether a name may have an address at all. What stands for the
// machine itself, its link or a group is nothing that policy speaks of by name:
// such an answer is a mistake or an attack (DNS rebinding).
func (b *Book) allowed(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == broadcast {
		return false
	}
	return !b.settings.NoPrivate || !a.IsPrivate() && !shared.Contains(a)
}

var (
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	shared    = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
)

func soonest(addrs map[netip.Addr]*lease) *lease {
	var first *lease
	for _, l := range addrs {
		if first == nil || l.due.Before(first.due) || l.due.Equal(first.due) && l.Addr.Less(first.Addr) {
			first = l
		}
	}
	return first
}

func (b *Book) remove(l *lease) {
	heap.Remove(&b.due, l.index)
	if delete(b.names[l.Name], l.Addr); len(b.names[l.Name]) == 0 {
		delete(b.names, l.Name)
	}
}

// Known says that the kernel has the changes up to a number.
func (b *Book) Known(change uint64) { b.known = max(b.known, change) }

// Restore puts a lease back that an earlier process had. It counts as known: it
// is in the first tables. Whether its time is over is seen at the next Expire.
// One that is beyond the bounds is left out.
func (b *Book) Restore(l Lease) bool {
	var o Outcome
	if len(b.names[l.Name]) < b.settings.MaxPerName || b.names[l.Name][l.Addr] != nil {
		b.put(l, &o)
	}
	b.known = b.change
	return o.Full == 0 && b.names[l.Name][l.Addr] != nil
}

// Due returns when the next lease is to be looked at; false if there is none.
func (b *Book) Due() (time.Time, bool) {
	if len(b.due) == 0 {
		return time.Time{}, false
	}
	return b.due[0].due, true
}

// Ending returns the addresses of the leases that end now unless a connection
// lives. Expire then takes what is known of them.
func (b *Book) Ending(now time.Time) map[netip.Addr]bool {
	addrs := map[netip.Addr]bool{}
	var walk func(i int)
	walk = func(i int) {
		if i < len(b.due) && !b.due[i].due.After(now) {
			addrs[b.due[i].Addr] = true
			walk(2*i + 1)
			walk(2*i + 2)
		}
	}
	walk(0)
	return addrs
}

// Expire ends the leases whose time is over and whose address no connection uses.
// Those that one uses are looked at again after a pause, which is not 0. It returns the names
// that changed and the leases that ended.
func (b *Book) Expire(now time.Time, live map[netip.Addr]bool, pause time.Duration) (changed []domain.Name, gone []Lease) {
	for len(b.due) > 0 && !b.due[0].due.After(now) {
		l := b.due[0]
		if live[l.Addr] {
			l.due = now.Add(pause)
			heap.Fix(&b.due, 0)
			continue
		}
		b.remove(l)
		gone = append(gone, l.Lease)
		changed = append(changed, l.Name)
	}
	b.full = b.full && len(b.due) >= b.settings.Max
	slices.Sort(changed)
	return slices.Compact(changed), gone
}

// Addrs returns the addresses that a name has now, sorted.
func (b *Book) Addrs(n domain.Name) []netip.Addr {
	return slices.SortedFunc(maps.Keys(b.names[n]), netip.Addr.Compare)
}

// Names yields all names, in no order.
func (b *Book) Names() iter.Seq[domain.Name] { return maps.Keys(b.names) }

// Leases yields all leases, in no order.
func (b *Book) Leases() iter.Seq[Lease] {
	return func(yield func(Lease) bool) {
		for _, l := range b.due {
			if !yield(l.Lease) {
				return
			}
		}
	}
}

// Len returns how many leases and names there are.
func (b *Book) Len() (leases, names int) { return len(b.due), len(b.names) }

// Full reports whether the last new lease was refused since there are too many.
func (b *Book) Full() bool { return b.full }

// byDue is a heap of leases, the next to be looked at first.
type byDue []*lease

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *byDue) Push(x any) {
	l := x.(*lease)
	l.index = len(*h)
	*h = append(*h, l)
}
func (h *byDue) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return l
}

// Knows reports whether the kernel has the changes up to a number.
func (b *Book) Knows(change uint64) bool { return change <= b.known }

// Change returns the number of the last change.
func (b *Book) Change() uint64 { return b.change }

// Clear forgets all and returns the names that there were.
func (b *Book) Clear() []domain.Name {
	names := slices.Collect(maps.Keys(b.names))
	b.names, b.due, b.full = map[domain.Name]map[netip.Addr]*lease{}, nil, false
	return names
}
