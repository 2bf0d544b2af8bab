package flows

import (
	"maps"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

const (
	// keepFor is how long the meaning of a number is kept after nothing leads to
	// it any more: an event takes milliseconds to get here.
	keepFor = time.Minute
	// lately is how long what held before a change may explain a denial.
	lately = 5 * time.Second
	// ownClasses are the classes of a dataplane's own, which the tables do not
	// know.
	ownClasses table.ClassID = 1 << 30
)

// Book knows what the numbers stand for that the kernel notes at connections,
// and what the tables say and said a moment ago. The zero value is not ready:
// use NewBook. It may be used by several at once.
type Book struct {
	mu    sync.Mutex
	sets  map[table.SetID]*page
	rows  map[table.RowID]*table.Row
	ends  map[verdict.EndpointID]was[*table.Endpoint]
	pods  map[netip.Addr]verdict.EndpointID
	hosts map[netip.Addr]was[table.ClassID]
	nets  was[[]table.Net]
	// owners are the host endpoints that have a set.
	owners map[table.SetID]verdict.EndpointID
	// leaving is what is forgotten some time after, oldest first.
	leaving []leaving
	now     func() time.Time
}

// was is something with what it was before a change.
type was[T any] struct {
	now, before T
	at          time.Time // of the change; zero for never
}

// page is a set. Its rows are those of the set as it came, until one of them goes.
type page struct {
	set  *table.Set
	rows map[table.ClassID]table.RowID
	own  bool // rows are nobody else's
	// next is the set of endpoints that left this one; 0 for none. Where a
	// dataplane gives it the former's place, a packet on its way may have noted the
	// former and met the new one's row.
	next table.SetID
}

// leaving is a part of the book that nothing leads to since a time.
type leaving struct {
	at      time.Time
	sets    []table.SetID
	rows    []table.RowID
	entries []table.Entry
	pods    []netip.Addr
	hosts   []netip.Addr
	ends    []verdict.EndpointID
}

// NewBook returns one that knows nothing.
func NewBook() *Book {
	return &Book{
		sets: map[table.SetID]*page{}, rows: map[table.RowID]*table.Row{}, ends: map[verdict.EndpointID]was[*table.Endpoint]{},
		pods: map[netip.Addr]verdict.EndpointID{}, hosts: map[netip.Addr]was[table.ClassID]{}, owners: map[table.SetID]verdict.EndpointID{}, now: time.Now,
	}
}

// Take learns a change of the tables. It comes before the kernel is changed.
func (b *Book) Take(d *table.Delta) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	out := leaving{at: now, sets: d.OldSets, rows: d.OldRows, entries: d.OldEntries}
	for _, r := range d.NewRows {
		b.rows[r.ID] = r
	}
	for _, s := range d.NewSets {
		b.sets[s.ID] = &page{set: s, rows: s.Rows}
	}
	for _, list := range [][]table.Entry{d.NewEntries, d.Entries} {
		for _, e := range list {
			if p := b.sets[e.Set]; p != nil {
				p.put(e)
			}
		}
	}
	for _, h := range d.Hosts {
		w := b.hosts[h.Addr]
		b.hosts[h.Addr] = was[table.ClassID]{h.Class, w.now, now}
		if h.Class == 0 {
			out.hosts = append(out.hosts, h.Addr)
		}
	}
	if len(d.OldNets)+len(d.NewNets) > 0 {
		b.nets = was[[]table.Net]{mergeNets(b.nets.now, d.OldNets, d.NewNets), b.nets.now, now}
	}
	for _, c := range d.Endpoints {
		b.ends[c.ID()] = was[*table.Endpoint]{c.New, c.Old, now}
		if c.New == nil {
			out.ends = append(out.ends, c.ID())
		}
		out.pods = append(out.pods, b.place(c)...)
		b.follow(c)
	}
	b.leaving = append(b.leaving, out)
	b.forget(now)
}

// place notes where an endpoint is, and returns the addresses that it has not
// any more.
func (b *Book) place(c table.EndpointChange) (gone []netip.Addr) {
	if c.ID().Kind == verdict.Host {
		if c.New != nil {
			b.own(c.New.ID, c.New.Spans)
			for _, sides := range c.New.Stages {
				b.own(c.New.ID, sides)
			}
		}
		return nil
	}
	if c.Old != nil {
		for _, s := range c.Old.Spans[verdict.Egress] {
			gone = append(gone, s.From)
		}
	}
	if c.New != nil {
		for _, s := range c.New.Spans[verdict.Egress] {
			b.pods[s.From] = c.New.ID
		}
	}
	return gone
}

// own notes whose the sets of a host endpoint are.
func (b *Book) own(id verdict.EndpointID, sides [2][]table.Span) {
	for _, spans := range sides {
		for _, s := range spans {
			b.owners[s.Set] = id
		}
	}
}

// follow notes which sets come after those that an endpoint had.
func (b *Book) follow(c table.EndpointChange) {
	if c.Old == nil || c.New == nil {
		return
	}
	for dir, spans := range c.Old.Spans {
		for _, s := range spans {
			if p, next := b.sets[s.Set], c.New.SetFor(verdict.Direction(dir), s.From); p != nil && next != s.Set {
				p.next = next
			}
		}
	}
}

// put gives a class its row.
func (p *page) put(e table.Entry) {
	p.change()
	if e.Row == 0 {
		delete(p.rows, e.Class)
	} else {
		p.rows[e.Class] = e.Row
	}
}

func (p *page) change() {
	if !p.own {
		p.rows, p.own = maps.Clone(p.rows), true
	}
	if p.rows == nil {
		p.rows = map[table.ClassID]table.RowID{}
	}
}

// forget drops what nothing has led to for a while.
func (b *Book) forget(now time.Time) {
	for len(b.leaving) > 0 && now.Sub(b.leaving[0].at) > keepFor {
		out := b.leaving[0]
		b.leaving = b.leaving[1:]
		for _, id := range out.sets {
			delete(b.sets, id)
			delete(b.owners, id)
		}
		for _, id := range out.rows {
			delete(b.rows, id)
		}
		for _, e := range out.entries {
			if p := b.sets[e.Set]; p != nil {
				p.put(table.Entry{Set: e.Set, Class: e.Class})
			}
		}
		for _, a := range out.hosts {
			if b.hosts[a].now == 0 {
				delete(b.hosts, a)
			}
		}
		for _, id := range out.ends {
			if b.ends[id].now == nil {
				delete(b.ends, id)
			}
		}
		for _, a := range out.pods {
			if e := b.ends[b.pods[a]].now; e == nil || e.SetFor(verdict.Egress, a) == 0 {
				delete(b.pods, a)
			}
		}
	}
	if now.Sub(b.nets.at) > lately {
		b.nets.before = nil
	}
}

// Load learns tables as a whole. What was known before is kept for as long as
// the kernel may still say it.
func (b *Book) Load(t *table.Tables) {
	b.Take(table.Diff(b.tables(), t))
}

// tables is what the book takes the present tables to be.
func (b *Book) tables() *table.Tables {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := table.New()
	gone := map[table.SetID]bool{}
	goneRows := map[table.RowID]bool{}
	goneEntries := map[table.Entry]bool{}
	for _, out := range b.leaving {
		for _, id := range out.sets {
			gone[id] = true
		}
		for _, id := range out.rows {
			goneRows[id] = true
		}
		for _, e := range out.entries {
			goneEntries[table.Entry{Set: e.Set, Class: e.Class}] = true
		}
	}
	for id, p := range b.sets {
		if gone[id] {
			continue
		}
		s := *p.set
		s.Rows = maps.Clone(p.rows)
		maps.DeleteFunc(s.Rows, func(c table.ClassID, _ table.RowID) bool { return goneEntries[table.Entry{Set: id, Class: c}] })
		t.Sets[id] = &s
	}
	for id, r := range b.rows {
		if !goneRows[id] {
			t.Rows[id] = r
		}
	}
	for a, c := range b.hosts {
		if c.now != 0 {
			t.Hosts[a] = c.now
		}
	}
	t.Nets = slices.Clone(b.nets.now)
	for id, e := range b.ends {
		if e.now != nil {
			t.Endpoints[id] = e.now
		}
	}
	return t
}

// Noted is what the mark of a connection says.
type Noted struct {
	// Decision is nil if it is not known any more.
	Decision *table.Decision
	// next is what the set says that came after; nil if none did.
	next      *table.Decision
	Direction verdict.Direction
	Stage     verdict.Stage
	// Owner is the host endpoint whose set it is; none for a pod's.
	Owner verdict.EndpointID
}

// Noted returns what the mark in a half of a connection's labels says of its
// first packet. sent is the packet as it was before the destination was
// translated.
func (b *Book) Noted(m dataplane.Mark, half verdict.Direction, p, sent verdict.Packet) Noted {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sets[m.Set]
	if s == nil {
		return Noted{Direction: half}
	}
	if s.set.Stage == verdict.PreDNAT {
		p = sent
	}
	if m.Class >= ownClasses {
		m.Class = b.class(p.Remote(s.set.Direction), false)
	}
	n := Noted{b.decide(s, m.Class, p), nil, s.set.Direction, s.set.Stage, b.owners[m.Set]}
	if next := b.sets[s.next]; next != nil {
		n.next = b.decide(next, m.Class, p)
	}
	return n
}

// allowed is Decision for a packet that was let through: if the mark says that it
// was not, it met the next set in the place of the one that it noted.
func (n Noted) allowed() *table.Decision {
	if n.Decision != nil && n.Decision.Verdict == verdict.Deny && n.next != nil && n.next.Verdict == verdict.Allow {
		return n.next
	}
	return n.Decision
}

func (b *Book) decide(s *page, c table.ClassID, p verdict.Packet) *table.Decision {
	id, ok := s.rows[c]
	if !ok {
		id = s.set.Default[table.Family(p.Src)]
	}
	if r := b.rows[id]; r != nil {
		return s.set.Ends.Full(r.Decide(p.Protocol, p.SrcPort, p.DstPort))
	}
	return nil
}

// class is that of an address now or, if anything of it changed lately, before.
func (b *Book) class(a netip.Addr, before bool) table.ClassID {
	h, ok := b.hosts[a]
	c := h.now
	if before && ok && b.now().Sub(h.at) < lately {
		c = h.before
	}
	if c != 0 {
		return c
	}
	nets := b.nets.now
	if before && b.nets.before != nil {
		nets = b.nets.before
	}
	i := sort.Search(len(nets), func(i int) bool { return nets[i].To.Compare(a) >= 0 })
	if i < len(nets) && nets[i].From.Compare(a) <= 0 {
		return nets[i].Class
	}
	return table.Other(a)
}

// Lookup returns the decision for a packet at an endpoint as the tables are; nil
// if they have none.
func (b *Book) Lookup(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet) *table.Decision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lookup(b.ends[id].now, stage, d, p, false)
}

func (b *Book) lookup(e *table.Endpoint, stage verdict.Stage, d verdict.Direction, p verdict.Packet, before bool) *table.Decision {
	if e == nil {
		return nil
	}
	set := e.SetFor(d, p.Local(d))
	if stage != verdict.Normal {
		if spans := e.Stages[stage][d]; len(spans) > 0 {
			set = (&table.Endpoint{Spans: [2][]table.Span{spans, spans}}).SetFor(d, p.Local(d))
		} else {
			set = 0
		}
	}
	if s := b.sets[set]; s != nil {
		return b.decide(s, b.class(p.Remote(d), before), p)
	}
	return nil
}

// Denied returns the decision by which a packet was denied at an endpoint: as
// the tables are or, within seconds of a change, as they were; nil if neither
// denies.
func (b *Book) Denied(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet) *table.Decision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(stop{id, stage, d}, p, func(found *table.Decision) bool { return found.Verdict == verdict.Deny })
}

// Logs returns, in the same way, the decision for a packet in which a rule logs
// that names finds, and the rule; nil for none.
func (b *Book) Logs(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet, names func(verdict.Step) bool) (*table.Decision, *verdict.Step) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.find(stop{id, stage, d}, p, func(found *table.Decision) bool { return logStep(found, names) != nil })
	return found, logStep(found, names)
}

// find returns the decision for a packet that is such, as the tables are or were
// lately; nil for none.
func (b *Book) find(s stop, p verdict.Packet, such func(*table.Decision) bool) *table.Decision {
	w, ok := b.ends[s.id]
	if !ok {
		return nil
	}
	list := []*table.Endpoint{w.now}
	if b.now().Sub(w.at) < lately {
		list = append(list, w.before)
	}
	for _, e := range list {
		for _, before := range []bool{false, true} {
			if found := b.lookup(e, s.stage, s.direction, p, before); found != nil && such(found) {
				return found
			}
		}
	}
	return nil
}

// PodAt returns the pod of this node that has an address, or had it a moment ago.
func (b *Book) PodAt(a netip.Addr) (verdict.EndpointID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, ok := b.pods[a]
	return id, ok
}

// mergeNets takes ranges out of a sorted list and puts others in.
func mergeNets(list, gone, come []table.Net) []table.Net {
	out := make([]table.Net, 0, max(0, len(list)+len(come)-len(gone)))
	left := map[table.Net]bool{}
	for _, n := range gone {
		left[n] = true
	}
	for _, n := range list {
		if !left[n] {
			out = append(out, n)
		}
	}
	out = append(out, come...)
	slices.SortFunc(out, func(a, b table.Net) int { return a.From.Compare(b.From) })
	return out
}
