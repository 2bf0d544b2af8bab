package dns

import (
	"cmp"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/agent/dns/answer"
	"github.com/tierwall/tierwall/agent/dns/book"
	"github.com/tierwall/tierwall/agent/dns/journal"
	"github.com/tierwall/tierwall/agent/dns/live"
	"github.com/tierwall/tierwall/agent/dns/packet"
	"github.com/tierwall/tierwall/agent/dns/query"
	"github.com/tierwall/tierwall/agent/dns/stream"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
)

// Options say what a Learner works with. The zero value keeps nothing on disk.
type Options struct {
	// NetNS is the network namespace to listen in; 0 is that of the process.
	NetNS int
	// Queue and QueryGroup are those of dataplane.DNS.
	Queue, QueryGroup uint16
	// File is the path of the journal; empty for none.
	File string
	// Hold is how long an answer waits at most; 0 is a second.
	Hold time.Duration
	// Settings are the bounds and times of the book.
	Settings book.Settings
	// Metrics takes what is counted; nil for nobody.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Learner learns. Its methods may be called from any goroutine.
type Learner struct {
	Options
	metrics *metrics
	// live tells which of the addresses connections use.
	live func(map[netip.Addr]bool) (map[netip.Addr]bool, error)

	mu      sync.Mutex
	book    *book.Book
	queries *query.Table
	// early are the answers whose query was not heard of yet.
	early   map[query.Asked][]*early
	streams *stream.Table
	journal *journal.Journal
	failing bool // the journal
	// wanted are the patterns that policy speaks of; nil as long as that is not
	// known: then all names are learned, and no answer waits.
	wanted *domain.Index[struct{}]
	// told is what the agent is to be told, by name; wake says that there is some.
	told map[domain.Name]bool
	wake chan struct{}
	// epoch is a number by whose change all that is known is forgotten.
	epoch int
	// held are the answers that wait, by the change that they wait for.
	held map[uint64][]*held
	// full and crowded say that it was said that a bound is met.
	full    bool
	crowded map[domain.Name]bool
	// due wakes who looks for leases that end.
	due     chan struct{}
	reports reports
}

// held is an answer that waits.
type held struct {
	since   time.Time
	release func()
	late    *time.Timer
}

// New returns a learner that knows what an earlier one has written to its file,
// and the names that it knows: they belong in the first tables.
func New(o Options) (*Learner, []*model.Learned, error) {
	o.Hold = cmp.Or(o.Hold, time.Second)
	if o.Settings == (book.Settings{}) {
		o.Settings = book.DefaultSettings()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Learner{
		Options: o, metrics: newMetrics(),
		book: book.New(o.Settings), queries: query.New(), streams: stream.New(),
		told: map[domain.Name]bool{}, wake: make(chan struct{}, 1), due: make(chan struct{}, 1),
		held: map[uint64][]*held{}, early: map[query.Asked][]*early{}, crowded: map[domain.Name]bool{}, reports: newReports(),
	}
	l.live = func(addrs map[netip.Addr]bool) (map[netip.Addr]bool, error) { return live.Of(o.NetNS, addrs) }
	if err := l.load(); err != nil {
		return nil, nil, err
	}
	l.metrics.register(o.Metrics)
	var names []*model.Learned
	for n := range l.book.Names() {
		names = append(names, &model.Learned{Name: n, Addrs: l.book.Addrs(n)})
	}
	l.count()
	return l, names, nil
}

// load reads the journal and begins a new one.
func (l *Learner) load() error {
	if l.File == "" {
		return nil
	}
	j, found, err := journal.Open(l.File)
	if err != nil {
		return err
	}
	left := 0
	for _, one := range found.Leases {
		if !l.book.Restore(book.Lease(one)) {
			left++
		}
	}
	l.journal, l.epoch = j, found.Epoch
	leases, names := l.book.Len()
	l.Log.Info("learned names were read", "file", l.File, "names", names, "addresses", leases, "damaged", found.Damaged, "beyond-bounds", left, "other-version", found.Other)
	l.metrics.damaged.Add(float64(found.Damaged))
	return j.Rewrite(leasesOf(l.book.Leases()))
}

func leasesOf(from iter.Seq[book.Lease]) iter.Seq[journal.Lease] {
	return func(yield func(journal.Lease) bool) {
		for l := range from {
			if !yield(journal.Lease(l)) {
				return
			}
		}
	}
}

// Want says which names policy speaks of. Answers about others teach nothing from
// then on; before, all do, so that an agent which starts misses none.
func (l *Learner) Want(patterns []domain.Pattern) {
	x := domain.NewIndex[struct{}]()
	for _, p := range patterns {
		x.Put(p, struct{}{})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = x
}

func (l *Learner) wants(n domain.Name) (yes bool) {
	if l.wanted == nil {
		return true
	}
	l.wanted.Match(n, func(struct{}) { yes = true })
	return yes
}

// Set changes the bounds and times, and how long an answer waits at most; 0 is a
// second. Another epoch than before, or than that of the file, forgets all that is
// known: it returns the names that have no address any more.
func (l *Learner) Set(s book.Settings, hold time.Duration, epoch int) (forgotten []*model.Learned) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.book.Set(s)
	l.Settings, l.Hold = s, cmp.Or(hold, time.Second)
	if epoch == l.epoch {
		return nil
	}
	l.epoch = epoch
	for lease := range l.book.Leases() {
		l.reports.forget(lease)
	}
	for _, n := range l.book.Clear() {
		forgotten = append(forgotten, &model.Learned{Name: n})
	}
	l.written(l.journal.Reset(epoch))
	l.count()
	return forgotten
}

// Asked notes a query.
func (l *Learner) Asked(raw []byte) {
	s, err := packet.Parse(raw)
	if err != nil || s.TCP {
		return
	}
	q, err := answer.ParseQuestion(s.Payload)
	if err != nil {
		return
	}
	asked := query.Asked{Client: s.From, Server: s.To, Question: q}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries.Put(asked, time.Now())
	for _, e := range l.early[asked] {
		if e.late.Stop() {
			l.wait(l.learn(e.answer, asked.Server.Addr()), e.release)
		}
	}
	delete(l.early, asked)
}

// Answered takes a packet of a trusted server to a local endpoint and lets it go,
// by release, once: at once, or when the kernel knows what it says.
func (l *Learner) Answered(raw []byte, release func()) {
	s, err := packet.Parse(raw)
	switch {
	case err != nil:
		l.metrics.answers.WithLabelValues(malformed).Inc()
		release()
	case s.TCP:
		l.segment(s, release)
	default:
		l.datagram(s, release)
	}
}

// early is an answer whose query was not heard of yet.
type early struct {
	answer  *answer.Answer
	release func()
	late    *time.Timer
}

const (
	// lateQuery is how long the copy of a query is waited for that belongs to an
	// answer. It was sent before the query left; only the goroutine that reads it may
	// be late.
	lateQuery = 50 * time.Millisecond
	// maxEarly is how many answers wait for that at most.
	maxEarly = 4096
)

func (l *Learner) datagram(s packet.Segment, release func()) {
	a, err := answer.Parse(s.Payload)
	if err != nil {
		l.metrics.answers.WithLabelValues(malformed).Inc()
		release()
		return
	}
	asked := query.Asked{Client: s.To, Server: s.From, Question: a.Question}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.concerns(a) || l.queries.Has(asked, time.Now()):
		l.wait(l.learn(a, s.From.Addr()), release)
	case len(l.early) < maxEarly:
		e := &early{answer: a, release: release}
		e.late = time.AfterFunc(lateQuery, func() { l.forget(asked, e) })
		l.early[asked] = append(l.early[asked], e)
	default:
		l.metrics.answers.WithLabelValues(unasked).Inc()
		release()
	}
}

// concerns reports whether an answer gives an address to a name that is wanted.
func (l *Learner) concerns(a *answer.Answer) bool {
	return slices.ContainsFunc(a.Gives, func(g answer.Given) bool { return l.wants(g.Name) })
}

// forget lets an answer go for which nobody asked.
func (l *Learner) forget(asked query.Asked, e *early) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.early[asked] = slices.DeleteFunc(l.early[asked], func(o *early) bool { return o == e }); len(l.early[asked]) == 0 {
		delete(l.early, asked)
	}
	l.metrics.answers.WithLabelValues(unasked).Inc()
	e.release()
}

// segment takes a part of a connection. Nobody outside of it can say anything in
// it: what conntrack lets pass fits its sequence numbers, so its questions need not
// be known.
func (l *Learner) segment(s packet.Segment, release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.streams.Take(s, time.Now())
	if r.Lost {
		l.metrics.answers.WithLabelValues(unfollowed).Inc()
	}
	change := uint64(0)
	for _, m := range r.Messages {
		a, err := answer.Parse(m)
		if err != nil {
			l.metrics.answers.WithLabelValues(malformed).Inc()
			continue
		}
		change = max(change, l.learn(a, s.From.Addr()))
	}
	if r.Repeated && len(l.held) > 0 {
		change = l.book.Change() // what it repeats may be what waits
	}
	l.wait(change, release)
}

// learn takes an answer into the book and the journal, and returns the change for
// which it has to wait, 0 for none.
func (l *Learner) learn(a *answer.Answer, server netip.Addr) uint64 {
	if len(a.Gives) == 0 {
		l.metrics.answers.WithLabelValues(nothing).Inc()
		return 0
	}
	o := l.book.Learn(a.Gives, server, l.wants, time.Now())
	o.Full += a.Ignored
	l.written(l.journal.Append(each(o.Kept), each(o.Gone)))
	l.tidy()
	for _, lease := range o.Gone {
		l.reports.forget(lease)
	}
	for _, lease := range o.Kept {
		l.reports.keep(lease)
	}
	l.bounds(o, a)
	l.tell(o.Changed)
	if len(o.Changed) > 0 || o.Full > 0 {
		l.count()
		signal(l.due)
	}
	switch {
	case len(o.Changed) > 0:
		l.metrics.answers.WithLabelValues(learned).Inc()
	case o.Same > 0:
		l.metrics.answers.WithLabelValues(renewed).Inc()
	default:
		l.metrics.answers.WithLabelValues(nothing).Inc()
	}
	return o.Change
}

// tidy writes the journal anew when most of it says nothing any more. Others go on
// meanwhile.
func (l *Learner) tidy() {
	leases, _ := l.book.Len()
	if !l.journal.Overgrown(leases) {
		return
	}
	all := slices.Collect(leasesOf(l.book.Leases()))
	draft := l.journal.Begin()
	go func() {
		draft.Write(slices.Values(all))
		l.mu.Lock()
		defer l.mu.Unlock()
		l.written(l.journal.Replace(draft))
	}()
}

func each(list []book.Lease) iter.Seq[journal.Lease] {
	return func(yield func(journal.Lease) bool) {
		for _, l := range list {
			if !yield(journal.Lease(l)) {
				return
			}
		}
	}
}

// bounds counts and says what was not learned.
func (l *Learner) bounds(o book.Outcome, a *answer.Answer) {
	l.metrics.refused.WithLabelValues(refusedAddress).Add(float64(o.Refused))
	l.metrics.refused.WithLabelValues(refusedName).Add(float64(o.Crowded))
	l.metrics.refused.WithLabelValues(refusedAll).Add(float64(o.Full))
	if o.Full > 0 && !l.full {
		l.full = true
		leases, names := l.book.Len()
		l.Log.Error("too many addresses of names are known: new ones are NOT learned, and policy by name denies them until others end", "addresses", leases, "names", names, "question", a.Name)
	}
	if o.Crowded > 0 {
		name := o.Gone[0].Name
		if !l.crowded[name] && len(l.crowded) < 1000 {
			l.crowded[name] = true
			l.Log.Warn("a name has more addresses than are kept: the oldest ones are forgotten", "name", string(name), "bound", l.Settings.MaxPerName)
		}
	}
}

// written says when the journal fails, and when it works again.
func (l *Learner) written(err error) {
	if err != nil {
		l.metrics.fileErrors.Inc()
	}
	if (err != nil) == l.failing {
		return
	}
	if l.failing = err != nil; l.failing {
		l.Log.Error("what is learned is not kept on disk: a restart of the agent will forget it", "error", err)
		return
	}
	l.Log.Info("what is learned is kept on disk again")
}

func (l *Learner) count() {
	leases, names := l.book.Len()
	l.metrics.addresses.Set(float64(leases))
	l.metrics.names.Set(float64(names))
	l.full = l.full && l.book.Full()
	full := 0.0
	if l.book.Full() {
		full = 1
	}
	l.metrics.full.Set(full)
}

// wait lets an answer go when the kernel knows a change, or after the deadline.
func (l *Learner) wait(change uint64, release func()) {
	if change == 0 || l.wanted == nil || l.book.Knows(change) {
		release()
		return
	}
	h := &held{since: time.Now(), release: sync.OnceFunc(release)}
	h.late = time.AfterFunc(l.Hold, func() {
		l.metrics.late.Inc()
		h.release()
	})
	l.held[change] = append(l.held[change], h)
	signal(l.wake)
}

// tell notes names of which the agent must hear.
func (l *Learner) tell(names []domain.Name) {
	for _, n := range names {
		l.told[n] = true
	}
	if len(names) > 0 {
		signal(l.wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// News says that there is something to hear: whoever receives from it calls Next.
func (l *Learner) News() <-chan struct{} { return l.wake }

// Next returns the names that changed since it was last called, each with all the
// addresses that it has now, none for one that is forgotten. The caller calls known
// when the kernel has them. There is one caller, who keeps the order.
func (l *Learner) Next() (names []*model.Learned, known func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.told {
		names = append(names, &model.Learned{Name: n, Addrs: l.book.Addrs(n)})
	}
	clear(l.told)
	change := l.book.Change()
	return names, func() { l.known(change) }
}

// known lets all answers go that wait for changes up to one.
func (l *Learner) known(change uint64) {
	var free []*held
	l.mu.Lock()
	l.book.Known(change)
	for c, list := range l.held {
		if c <= change {
			free = append(free, list...)
			delete(l.held, c)
		}
	}
	l.mu.Unlock()
	for _, h := range free {
		if h.late.Stop() {
			l.metrics.held.Observe(time.Since(h.since).Seconds())
			h.release()
		}
	}
}

// Status says in words what is wrong, empty if nothing is.
func (l *Learner) Status() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong()
}

func (l *Learner) wrong() string {
	switch leases, names := l.book.Len(); {
	case l.book.Full():
		return fmt.Sprintf("%d addresses of domain names are known, of %d names: more are not learned, and policy by name denies them", leases, names)
	case l.failing:
		return "what is learned of domain names is not kept on disk"
	}
	return ""
}
