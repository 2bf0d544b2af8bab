package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/flow"
)

// maxBody is how large a batch may be, in bytes.
const maxBody = 16 << 20

// alive is how often a follower hears that the connection is.
const alive = 15 * time.Second

// Handler serves the HTTP of package flow. check says whether the bearer of a
// token may report for a node; code is the status for its errors. Who reads is
// reviewed by the client.
func (s *Store) Handler(client kubernetes.Interface, check func(ctx context.Context, token, node string) error, code func(error) int) http.Handler {
	r := &readers{client: client, now: s.now, known: map[string]known{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+flow.Path, func(w http.ResponseWriter, in *http.Request) {
		token, _ := strings.CutPrefix(in.Header.Get("Authorization"), "Bearer ")
		if err := check(in.Context(), token, in.URL.Query().Get("node")); err != nil {
			http.Error(w, err.Error(), code(err))
			return
		}
		s.take(w, in)
	})
	mux.HandleFunc("GET "+flow.Path, func(w http.ResponseWriter, in *http.Request) {
		a, f, ok := r.question(w, in)
		switch {
		case !ok:
		case in.URL.Query().Get("follow") != "":
			s.serveFollow(w, in, a, f)
		default:
			page, err := s.Page(in.Context(), a, f)
			answer(w, page, err)
		}
	})
	mux.HandleFunc("GET "+flow.Path+"/stats", func(w http.ResponseWriter, in *http.Request) {
		if a, f, ok := r.question(w, in); ok {
			counts, err := s.Counts(in.Context(), a, f)
			answer(w, counts, err)
		}
	})
	mux.HandleFunc("GET "+flow.Path+"/together", func(w http.ResponseWriter, in *http.Request) {
		if a, f, ok := r.question(w, in); ok {
			list, err := s.Together(in.Context(), a, f)
			answer(w, list, err)
		}
	})
	return mux
}

// take takes a batch of an agent that may report.
func (s *Store) take(w http.ResponseWriter, in *http.Request) {
	var b flow.Batch
	if err := json.NewDecoder(http.MaxBytesReader(w, in.Body, maxBody)).Decode(&b); err != nil {
		http.Error(w, "the batch cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	if b.Node == "" || b.Node != in.URL.Query().Get("node") || b.Instance == "" || b.Sequence == 0 {
		http.Error(w, "the batch does not say which one it is, or of which node", http.StatusBadRequest)
		return
	}
	for i := range b.Records {
		b.Records[i].Node = b.Node // nobody speaks for another
	}
	switch err := s.Put(b); {
	case errors.Is(err, ErrAgain):
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// question reads what is asked and what the asker may see. It reports false if
// it has answered already.
func (r *readers) question(w http.ResponseWriter, in *http.Request) (flow.Access, flow.Filter, bool) {
	f, err := flow.ParseFilter(in.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return flow.Access{}, f, false
	}
	a, err := r.access(in.Context(), in, f.Namespaces)
	if err != nil {
		status := http.StatusServiceUnavailable
		switch {
		case errors.Is(err, errWho):
			status = http.StatusUnauthorized
		case errors.Is(err, errForbidden):
			status = http.StatusForbidden
		}
		http.Error(w, err.Error(), status)
		return a, f, false
	}
	return a, f, true
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// serveFollow sends events until the reader goes.
func (s *Store) serveFollow(w http.ResponseWriter, in *http.Request, a flow.Access, f flow.Filter) {
	out := http.NewResponseController(w)
	if err := errors.Join(out.SetWriteDeadline(time.Time{}), out.SetReadDeadline(time.Time{})); err != nil {
		http.Error(w, "this connection cannot be followed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	events := s.Follow(in.Context(), a, f)
	beat := time.NewTicker(alive)
	defer beat.Stop()
	_, err := fmt.Fprint(w, ": following\n\n")
	for err == nil {
		if err = out.Flush(); err != nil {
			return
		}
		select {
		case <-beat.C:
			_, err = fmt.Fprint(w, ": alive\n\n")
		case e, ok := <-events:
			if !ok {
				return
			}
			err = e.Write(w)
			for n := len(events); n > 0 && err == nil; n-- {
				if e, ok = <-events; !ok {
					return
				}
				err = e.Write(w)
			}
		}
	}
}
