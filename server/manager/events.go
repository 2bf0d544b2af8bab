package manager

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	eventsEvery  = 200 * time.Millisecond // at most
	commentEvery = 15 * time.Second
)

// Events implements ServerInterface. Kinds that the user may not read are not
// told: that something of them changed is knowledge too.
func (m *Manager) Events(w http.ResponseWriter, r *http.Request) {
	s := sessionIn(r)
	changes, stop := m.store.listen()
	defer stop()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	e := &events{manager: m, session: s, w: w, out: http.NewResponseController(w), kinds: map[string]bool{}}
	e.send("change") // so that the client knows that it is connected, and as of when
	_, why := m.store.asOf()
	e.flipped = why != "" // what is already so when it connects is told as well
	tick, comment := time.NewTicker(eventsEvery), time.NewTicker(commentEvery)
	defer tick.Stop()
	defer comment.Stop()
	for e.err == nil {
		select {
		case <-r.Context().Done():
			return
		case c := <-changes:
			e.note(c)
		case <-tick.C:
			e.flush(r)
		case <-comment.C:
			e.write(": \n\n")
		}
	}
}

type events struct {
	manager *Manager
	session *session
	w       http.ResponseWriter
	out     *http.ResponseController
	kinds   map[string]bool
	flipped bool
	err     error
}

func (e *events) note(c change) {
	if c.kind == "" {
		e.flipped = true
		return
	}
	e.kinds[c.kind] = true
}

// flush sends what has come since the last time.
func (e *events) flush(r *http.Request) {
	if e.manager.sessionOf(r) == nil {
		e.send("session")
		e.err = errUnauthenticated
		return
	}
	if e.flipped {
		e.flipped = false
		if _, why := e.manager.store.asOf(); why != "" {
			e.send("away")
		} else {
			e.send("back")
		}
	}
	if len(e.kinds) == 0 {
		return
	}
	if v, err := e.manager.viewOf(r.Context(), e.session); err == nil {
		for k := range e.kinds {
			if see := v.rights[k]; !see.all && len(see.namespaces) == 0 {
				delete(e.kinds, k)
			}
		}
	}
	if len(e.kinds) > 0 {
		e.send("change")
	}
}

func (e *events) send(name string) {
	at, why := e.manager.store.asOf()
	data := Event{Version: e.manager.store.now().version, AsOf: at.UTC(), Kinds: []string{}, Reason: text(why)}
	for k := range e.kinds {
		data.Kinds = append(data.Kinds, k)
	}
	slices.Sort(data.Kinds)
	clear(e.kinds)
	b, err := json.Marshal(data)
	if err != nil {
		e.err = err
		return
	}
	e.write(fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", name, data.Version, b))
}

func (e *events) write(text string) {
	if _, err := e.w.Write([]byte(text)); err != nil {
		e.err = err
		return
	}
	if err := e.out.Flush(); err != nil {
		e.err = err
	}
}
