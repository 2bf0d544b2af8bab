package flows

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// retain deletes segments that are too old or too many. The open one stays.
func (s *Store) retain() {
	total := int64(0)
	for _, g := range s.segments {
		total += g.size
	}
	oldest := s.now().Add(-s.options.MaxAge)
	n := 0
	for ; n < len(s.segments)-1; n++ {
		g := s.segments[n]
		if total <= s.options.MaxBytes-s.segmentSize && (g.records > 0 && g.last.After(oldest)) {
			break
		}
		total -= g.size
	}
	s.drop(n)
}

// drop deletes the oldest segments, with what was lost in their time.
func (s *Store) drop(n int) {
	if n == 0 {
		return
	}
	if n == len(s.segments) {
		s.end()
	}
	for _, g := range s.segments[:n] {
		if err := os.Remove(g.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.options.Log.Warn("flows that are too old stay", "file", g.path, "error", err)
		}
		s.metrics.deleted.Add(float64(g.records))
	}
	s.segments = slices.Clone(s.segments[n:])
	if len(s.segments) == 0 {
		s.lost = nil
		return
	}
	first := s.segments[0].first
	s.lost = slices.DeleteFunc(s.lost, func(l lostAt) bool { return l.at.Before(first) })
}

// damaged takes a segment out that could not be read, as it was when it was looked
// at: everything else goes on.
func (s *Store) damaged(g *segment, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.segments, func(have *segment) bool { return have.number == g.number })
	if i < 0 {
		return // another reader was first, or it was deleted
	}
	if i == len(s.segments)-1 {
		s.end()
	}
	s.segments = slices.Delete(slices.Clone(s.segments), i, i+1)
	if err := s.putAside(g, why); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.options.Log.Error("flows that cannot be read stay where they are", "file", g.path, "error", err)
	}
}

// mend puts right what could not be read of a segment: a cut end, as a crash
// leaves it, is cut off; anything else is moved aside. The segment has size 0 if
// nothing is left of it.
func (s *Store) mend(g *segment, err error) error {
	var t *torn
	switch {
	case err == nil:
		info, err := os.Stat(g.path)
		if err != nil {
			return err
		}
		g.size = info.Size()
		return nil
	case !errors.As(err, &t):
		return err
	case errors.Is(t.why, errCut) && t.at > 0:
		s.options.Log.Warn("the last flows that were written are missing", "file", g.path, "error", err)
		g.size = t.at
		return os.Truncate(g.path, t.at)
	}
	g.size = 0
	return s.putAside(g, err)
}

// putAside moves a segment aside that cannot be read.
func (s *Store) putAside(g *segment, why error) error {
	aside := g.path + asideSuffix
	s.options.Log.Error("flows cannot be read; they are moved aside", "file", g.path, "to", aside, "error", why)
	s.metrics.damaged.Inc()
	s.dropAside()
	return os.Rename(g.path, aside)
}

// dropAside deletes what was moved aside before: one is enough to look at.
func (s *Store) dropAside() {
	old, _ := filepath.Glob(filepath.Join(s.options.Dir, "*"+asideSuffix))
	for _, path := range old {
		_ = os.Remove(path)
	}
}
