package flows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tierwall/tierwall/flow"
)

// Options say where a store is and how much it keeps.
type Options struct {
	// Dir is the store's own directory; it is made if it is not there.
	Dir string
	// MaxBytes is how large the store may be, in bytes; 0 means 256 MiB, of some
	// 60 bytes a record.
	MaxBytes int64
	// MaxAge is how old a record may be; 0 means three days.
	MaxAge time.Duration
	// Log takes what there is to say; nil means nothing.
	Log *slog.Logger
}

// maxItems is how many texts, ends and decisions a segment has at most: whoever
// reads it keeps them.
const maxItems = 200_000

// Store keeps flows. It may be used by several at once, but by one process.
type Store struct {
	options     Options
	segmentSize int64
	now         func() time.Time
	pending     atomic.Pointer[func(*flow.Record) *flow.Pending]

	mu     sync.Mutex
	closed bool
	// segments are all, oldest first; the last is open as file, unless that is nil:
	// then the next batch begins another.
	segments []*segment
	file     *os.File
	writer   *writer
	next     uint64 // the next id of a record
	last     map[string]mark
	lost     []lostAt
	follow   map[*follower]bool
	stats    Stats
	metrics  *metrics
	// since is when agents were first told to send their flows here; zero if that
	// is not known.
	since time.Time
}

// mark is the last batch of an agent.
type mark struct {
	instance string
	sequence uint64
}

// lostAt is what was lost until a time.
type lostAt struct {
	flow.Loss
	at time.Time
}

// Stats are what a store counts.
type Stats struct {
	// Records were taken, Repeated batches were there already, and Failed could
	// not be written.
	Records, Repeated, Failed uint64
	// Bytes and Segments are what there is.
	Bytes    int64
	Segments int
}

// ErrAgain says that a batch was taken before.
var ErrAgain = errors.New("the batch was taken already")

// Open opens a store. What cannot be read of it is moved aside, and said; it is
// an error only if the directory cannot be written.
func Open(o Options) (*Store, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxAge == 0 {
		o.MaxAge = 72 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		options: o, segmentSize: max(64<<10, min(8<<20, o.MaxBytes/8)), now: time.Now, next: 1,
		last: map[string]mark{}, follow: map[*follower]bool{},
	}
	s.metrics = newMetrics(s)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("store of flows: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("store of flows: %w", err)
	}
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("store of flows: %w", err)
	}
	s.retain()
	return s, nil
}

// Ask has the store ask what would be of each flow that comes, if everything
// staged were enforced; nil is the answer where that is what was.
func (s *Store) Ask(pending func(*flow.Record) *flow.Pending) { s.pending.Store(&pending) }

// load finds the segments that are there.
func (s *Store) load() error {
	list, err := os.ReadDir(s.options.Dir)
	if err != nil {
		return err
	}
	for _, f := range list {
		number, ok := segmentNumber(f.Name())
		if !ok {
			continue
		}
		g := &segment{number: number, path: segmentPath(s.options.Dir, number)}
		err := g.read(sink{
			record: func(r *flow.Record) bool {
				g.note(r.Last)
				s.next = max(s.next, r.ID+1)
				return true
			},
			loss:  func(l flow.Loss, at time.Time) { s.lost = append(s.lost, lostAt{l, at}) },
			batch: func(node, instance string, sequence uint64) { s.last[node] = mark{instance, sequence} },
		})
		if err = s.mend(g, err); err != nil {
			return err
		}
		if g.size > 0 {
			s.segments = append(s.segments, g)
		}
	}
	return nil
}

// begin starts a segment.
func (s *Store) begin() error {
	s.end()
	number := uint64(1)
	if n := len(s.segments); n > 0 {
		number = s.segments[n-1].number + 1
	}
	g := &segment{number: number, path: segmentPath(s.options.Dir, number)}
	file, err := os.OpenFile(g.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(magic); err != nil {
		return errors.Join(err, file.Close(), os.Remove(g.path))
	}
	g.size = int64(len(magic))
	s.file, s.writer, s.segments = file, newWriter(), append(s.segments, g)
	return nil
}

// end closes the open segment, if there is one.
func (s *Store) end() {
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.writer = nil, nil
}

// LeadsSince says from when on agents send their flows to this server, where there
// may be several.
func (s *Store) LeadsSince(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = at
}

// Put takes a batch. The error is ErrAgain for one that is there already;
// otherwise it is one of writing, and the agent is to try again.
func (s *Store) Put(b flow.Batch) error {
	if pending := s.pending.Load(); pending != nil {
		for i := range b.Records {
			if b.Records[i].Logged == nil { // of the rule's event nothing would be otherwise
				b.Records[i].Pending = (*pending)(&b.Records[i])
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.metrics.received.Add(float64(len(b.Records)))
	if m := s.last[b.Node]; m.instance == b.Instance && b.Sequence <= m.sequence {
		s.stats.Repeated++
		s.metrics.repeated.Inc()
		return ErrAgain
	}
	now := s.now()
	if err := s.write(&b, now); err != nil {
		s.stats.Failed++
		s.metrics.failed.Inc()
		s.options.Log.Error("flows cannot be stored; agents keep them for a while. Policy is enforced all the same", "error", err)
		return fmt.Errorf("store of flows: %w", err)
	}
	s.last[b.Node] = mark{b.Instance, b.Sequence}
	s.stats.Records += uint64(len(b.Records))
	s.metrics.took(&b, now)
	for f := range s.follow {
		s.metrics.missed.Add(float64(f.offer(b.Records, b.Lost)))
	}
	return nil
}

// write appends a batch as one frame. Where there is no room, the older half of
// the segments make it, or, if that is not enough, all of them; after any other
// failure it is tried once more, with another file.
func (s *Store) write(b *flow.Batch, now time.Time) error {
	err := s.append(b, now)
	if err == nil {
		return nil
	}
	if !full(err) {
		return s.append(b, now)
	}
	for _, share := range []int{2, 1} {
		n := len(s.segments) / share
		s.options.Log.Warn("there is no room for flows; the oldest make some", "files", n, "error", err)
		s.drop(n)
		if err = s.append(b, now); !full(err) {
			return err
		}
	}
	return err
}

// full reports whether an error is for want of room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// append writes to the open segment. After an error that is closed: what its
// writer takes for written is not.
func (s *Store) append(b *flow.Batch, now time.Time) error {
	if s.file == nil || s.open().size > s.segmentSize || s.writer.items() > maxItems {
		if err := s.begin(); err != nil {
			return err
		}
		s.retain()
	}
	g, w := s.open(), s.writer
	next, lost, err := w.all(b, s.next, now)
	if err != nil {
		s.end()
		return err
	}
	if _, err := s.file.Write(frame(w.b)); err != nil {
		_ = s.file.Truncate(g.size)
		s.end()
		return err
	}
	g.size += int64(frameHeader + len(w.b))
	s.next = next
	for i := range b.Records {
		g.note(b.Records[i].Last)
	}
	if lost.Any() {
		s.lost = append(s.lost, lostAt{lost, now})
	}
	return nil
}

// open is the segment that is written to.
func (s *Store) open() *segment { return s.segments[len(s.segments)-1] }

// Run deletes what is too old, until the context ends; then it closes the store.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = s.Close()
			return
		case <-tick.C:
			s.mu.Lock()
			if !s.closed {
				s.retain()
			}
			s.mu.Unlock()
		}
	}
}

// Stats returns what the store has counted.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	for _, g := range s.segments {
		out.Bytes += g.size
	}
	out.Segments = len(s.segments)
	return out
}

// Close ends the store and all followers.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for f := range s.follow {
		f.stop()
	}
	s.end()
	return nil
}
