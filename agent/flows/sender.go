package flows

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tierwall/tierwall/flow"
)

const (
	// maxQueue is how much may wait for the server, in bytes.
	maxQueue = 16 << 20
	// maxBatch is how many records one batch has.
	maxBatch = 2000
	// maxBackoff is the longest time between two tries.
	maxBackoff = 30 * time.Second
)

// Post sends a body to a path of the server, with what is due of authentication.
type Post func(ctx context.Context, path string, body []byte) (answer []byte, status int, err error)

// Sender brings records to the server, in their order. While it is away they
// wait; when there are too many, the oldest go, and are counted.
type Sender struct {
	node, instance string
	post           Post
	log            *slog.Logger

	mu       sync.Mutex
	queue    []batch
	size     int
	sequence uint64
	lost     flow.Loss // that no batch tells yet
	dropped  uint64
	sent     uint64
	wake     chan struct{}
}

// batch is one that waits.
type batch struct {
	body    []byte
	records int
	lost    flow.Loss
}

// NewSender returns a sender for a node.
func NewSender(node string, post Post, log *slog.Logger) *Sender {
	return &Sender{node: node, instance: rand.Text(), post: post, log: log, wake: make(chan struct{}, 1)}
}

// Put has records sent.
func (s *Sender) Put(records []flow.Record, lost flow.Loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost.Add(lost)
	for len(records) > 0 || s.lost.Any() {
		n := min(len(records), maxBatch)
		s.sequence++
		out := flow.Batch{Node: s.node, Instance: s.instance, Sequence: s.sequence, Sent: time.Now().UTC(), Records: records[:n], Lost: s.lost}
		body, err := json.Marshal(out)
		if err != nil { // nothing in it can fail
			s.log.Error("flows could not be written", "error", err)
			return
		}
		s.queue = append(s.queue, batch{body, n, s.lost})
		s.size += len(body)
		s.lost, records = flow.Loss{}, records[n:]
	}
	for s.size > maxQueue && len(s.queue) > 1 {
		s.dropped += uint64(s.queue[0].records)
		s.lost.Add(s.queue[0].lost)
		s.lost.Records += uint64(s.queue[0].records)
		s.pop()
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Counts returns how many records were sent and dropped, and how much waits, in
// bytes.
func (s *Sender) Counts() (sent, dropped uint64, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.dropped, s.size
}

func (s *Sender) first() (batch, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return batch{}, false
	}
	return s.queue[0], true
}

// done takes a batch out that the server has, unless it was dropped meanwhile.
func (s *Sender) done(b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += uint64(b.records)
	if len(s.queue) > 0 && &s.queue[0].body[0] == &b.body[0] {
		s.pop()
	}
}

// pop takes the first batch out, and lets go of it.
func (s *Sender) pop() {
	s.size -= len(s.queue[0].body)
	s.queue[0] = batch{}
	s.queue = s.queue[1:]
}

// Run sends what waits until the context ends.
func (s *Sender) Run(ctx context.Context) {
	failing := false
	backoff := time.Second
	for ctx.Err() == nil {
		b, ok := s.first()
		if !ok {
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
			continue
		}
		err := s.send(ctx, b)
		if err == nil {
			s.done(b)
			if failing {
				s.log.Info("the server takes flows again")
			}
			failing, backoff = false, time.Second
			continue
		}
		if !failing && ctx.Err() == nil {
			s.log.Warn("the server does not take flows; they wait as long as there is room", "error", err)
		}
		failing = true
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func (s *Sender) send(ctx context.Context, b batch) error {
	answer, status, err := s.post(ctx, flow.Path, b.body)
	switch {
	case err != nil:
		return err
	case status == http.StatusNoContent, status == http.StatusConflict: // it has it, now or since before
		return nil
	case status == http.StatusBadRequest:
		s.log.Error("the server does not understand flows of this agent; they are dropped", "answer", strings.TrimSpace(string(answer)))
		s.mu.Lock()
		s.lost.Records += uint64(b.records)
		s.mu.Unlock()
		return nil
	}
	return fmt.Errorf("%d %s: %s", status, http.StatusText(status), strings.TrimSpace(string(answer)))
}
