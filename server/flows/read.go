package flows

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tierwall/tierwall/flow"
)

var _ flow.Reader = (*Store)(nil)

// snapshot returns the segments as they are, oldest first: what is in them by
// now does not change.
func (s *Store) snapshot() ([]segment, flow.Loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]segment, 0, len(s.segments))
	for _, g := range s.segments {
		list = append(list, *g)
	}
	var lost flow.Loss
	for _, l := range s.lost {
		lost.Add(l.Loss)
	}
	return list, lost
}

// skips reports whether no record of a segment can match.
func (s *segment) skips(f flow.Filter) bool {
	return s.records == 0 || !f.Since.IsZero() && s.last.Before(f.Since) || !f.Until.IsZero() && !s.first.Before(f.Until)
}

// read reads a segment; one that was deleted meanwhile has nothing. One that is
// damaged has what is before the damage, and is moved aside.
func (s *Store) read(g *segment, to sink) error {
	err := g.read(to)
	var t *torn
	switch {
	case os.IsNotExist(err):
		return nil
	case errors.As(err, &t):
		s.damaged(g, err)
		return nil
	}
	return err
}

// Page implements flow.Reader.
func (s *Store) Page(ctx context.Context, a flow.Access, f flow.Filter) (flow.Page, error) {
	defer s.metrics.asked(queryPage, time.Now())
	limit := min(cmp.Or(f.Limit, flow.DefaultLimit), flow.MaxLimit)
	list, lost := s.snapshot()
	page := flow.Page{Records: []flow.Record{}, Oldest: oldestOf(list), Since: s.leadsSince()}
	if a.All {
		page.Lost = lost
	}
	for i := len(list) - 1; i >= 0 && len(page.Records) <= limit; i-- {
		g := &list[i]
		if g.skips(f) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return page, err
		}
		room := limit + 1 - len(page.Records)
		var found []flow.Record
		err := s.read(g, sink{record: func(r *flow.Record) bool {
			if a.Sees(r) && f.Matches(r) {
				found = append(found, *r)
				if len(found) >= 2*room {
					found = slices.Delete(found, 0, len(found)-room)
				}
			}
			return true
		}})
		if err != nil {
			s.options.Log.Error("some flows could not be read", "file", g.path, "error", err)
		}
		slices.Reverse(found)
		page.Records = append(page.Records, found[:min(len(found), room)]...)
	}
	if len(page.Records) > limit {
		page.Records = page.Records[:limit]
		page.Next = page.Records[limit-1].ID
	}
	return page, nil
}

// All gives every record that matches, oldest first, without the filter's limit;
// an error ends it. A record is overwritten when the next one comes.
func (s *Store) All(ctx context.Context, a flow.Access, f flow.Filter) iter.Seq2[*flow.Record, error] {
	return func(yield func(*flow.Record, error) bool) {
		list, _ := s.snapshot()
		for i := range list {
			if list[i].skips(f) {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			more := true
			err := s.read(&list[i], sink{record: func(r *flow.Record) bool {
				if a.Sees(r) && f.Matches(r) {
					more = yield(r, nil)
				}
				return more
			}})
			if err != nil && more {
				more = yield(nil, err)
			}
			if !more {
				return
			}
		}
	}
}

// follower is one who waits for records.
type follower struct {
	access flow.Access
	filter flow.Filter
	out    chan flow.Event
	once   sync.Once
	missed uint64
}

// waiting is how many records may wait for a follower.
const waiting = 4096

func (f *follower) stop() { f.once.Do(func() { close(f.out) }) }

// offer hands over what the follower is to see. It never waits: what does not
// fit is counted, and told of with what comes next. It returns how many did not.
func (f *follower) offer(records []flow.Record, lost flow.Loss) (missed uint64) {
	lost.Records += f.missed
	if f.access.All || f.missed > 0 {
		if lost.Any() {
			select {
			case f.out <- flow.Event{Lost: lost}:
				f.missed = 0
			default:
			}
		}
	}
	for i := range records {
		r := records[i]
		if !f.access.Sees(&r) || !f.filter.Matches(&r) {
			continue
		}
		select {
		case f.out <- flow.Event{Record: &r}:
		default:
			f.missed++
			missed++
		}
	}
	return missed
}

// Follow implements flow.Reader.
func (s *Store) Follow(ctx context.Context, a flow.Access, f flow.Filter) <-chan flow.Event {
	f.Before = 0
	w := &follower{access: a, filter: f, out: make(chan flow.Event, waiting)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		w.stop()
		return w.out
	}
	s.follow[w] = true
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.follow, w)
		w.stop()
	})
	return w.out
}

// togetherKey is what records have in common that are put together.
type togetherKey struct {
	source, destination flow.End
	protocol, icmp      string
	port                uint16
	verdict             flow.Verdict
	reporter            flow.Reporter
	newly               string
}

// maxTogether is how many different ones are kept apart; the rest is left out.
const maxTogether = 1 << 20

// Together implements flow.Reader.
func (s *Store) Together(ctx context.Context, a flow.Access, f flow.Filter) ([]flow.Record, error) {
	defer s.metrics.asked(queryTogether, time.Now())
	index := map[togetherKey]int{}
	list := []flow.Record{}
	for r, err := range s.All(ctx, a, f) {
		if err != nil {
			return nil, err
		}
		if r.Logged != nil {
			continue // its connection has a record of its own
		}
		k := togetherKey{r.Source, r.Destination, r.Protocol, r.ICMP, r.Port, r.Verdict, r.Reporter, r.Newly()}
		i, ok := index[k]
		if !ok {
			if len(list) >= maxTogether {
				continue
			}
			index[k] = len(list)
			list = append(list, *r)
			continue
		}
		sum := list[i]
		now := *r
		now.Connections += sum.Connections
		now.Out.Add(sum.Out)
		now.In.Add(sum.In)
		if now.SourcePort != sum.SourcePort {
			now.SourcePort = 0
		}
		if sum.Start.Before(now.Start) {
			now.Start = sum.Start
		}
		list[i] = now
	}
	return list, nil
}
