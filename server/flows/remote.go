package flows

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tierwall/tierwall/flow"
)

// Remote reads flows from another server, over HTTP, with the token of whoever
// asks. What he may see the other one finds out: the access that is passed is
// not looked at.
type Remote struct {
	Client *http.Client
	// URL is where the other server is, https://HOST:PORT.
	URL string
	// Token is shown to it.
	Token string
}

var _ flow.Reader = Remote{}

// Page implements flow.Reader.
func (r Remote) Page(ctx context.Context, _ flow.Access, f flow.Filter) (page flow.Page, err error) {
	return page, r.get(ctx, "", f, &page)
}

// Together implements flow.Reader.
func (r Remote) Together(ctx context.Context, _ flow.Access, f flow.Filter) (list []flow.Record, err error) {
	return list, r.get(ctx, "/together", f, &list)
}

// Counts implements flow.Reader.
func (r Remote) Counts(ctx context.Context, _ flow.Access, f flow.Filter) (list []flow.Count, err error) {
	return list, r.get(ctx, "/stats", f, &list)
}

// Follow implements flow.Reader. The channel is closed too when the other server
// ends, or does not answer.
func (r Remote) Follow(ctx context.Context, _ flow.Access, f flow.Filter) <-chan flow.Event {
	out := make(chan flow.Event, waiting)
	go func() {
		defer close(out)
		v := f.Values()
		v.Set("follow", "1")
		body, err := r.ask(ctx, "", v)
		if err != nil {
			return
		}
		defer func() { _ = body.Close() }()
		_ = flow.ReadEvents(body, func(e flow.Event) error {
			select {
			case out <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return out
}

func (r Remote) get(ctx context.Context, path string, f flow.Filter, to any) error {
	body, err := r.ask(ctx, path, f.Values())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(to); err != nil {
		return fmt.Errorf("answer of the server at %s: %w", r.URL, err)
	}
	return nil
}

func (r Remote) ask(ctx context.Context, path string, v url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+flow.Path+path+"?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.Token)
	resp, err := r.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("server that has the flows: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return nil, fmt.Errorf("the server at %s says %d: %s", r.URL, resp.StatusCode, strings.TrimSpace(string(text)))
}
