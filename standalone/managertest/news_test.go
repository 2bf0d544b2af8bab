package managertest

import (
	"bufio"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// news tells those who wait that the Manager has told of something: all of its
// state changes with an event.
type news struct {
	mu   sync.Mutex
	wake chan struct{}
}

// next is closed with the next event.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wake == nil {
		n.wake = make(chan struct{})
	}
	return n.wake
}

func (n *news) came() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wake != nil {
		close(n.wake)
		n.wake = nil
	}
}

// follow listens to the Manager's events, as the administrator, until the world
// ends.
func (w *world) follow(t *testing.T) {
	t.Helper()
	admin := w.as(t, "admin")
	r, err := http.NewRequestWithContext(w.ctx, "GET", admin.base+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := admin.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "event: ") {
				w.news.came()
			}
		}
	}()
}

// eventually waits for what the watch brings: it asks again with each event.
func (w *world) eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		next := w.news.next() // before it is asked: nothing is missed
		if f() {
			return
		}
		select {
		case <-next:
		case <-limit:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}
