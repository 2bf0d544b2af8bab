package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tierwall/tierwall/agent/dns"
	"github.com/tierwall/tierwall/report"
)

// Server is the way to `tierwall server`.
type Server struct {
	// ConfigMap is the object, as NAMESPACE/NAME, in which the server that takes
	// reports says where it is and what to trust for it. It is followed: with it,
	// URL, CAFile and Name are not needed.
	ConfigMap string
	// URL is where it takes reports, https://HOST:PORT; empty for nowhere.
	URL string
	// CAFile is what to trust for it, in PEM; Name is the name in its
	// certificate if that is not the URL's.
	CAFile, Name string
	// TokenFile holds the token to show, of a service account that may report,
	// for report.Audience.
	TokenFile string
}

// reporter tells the server what is in the kernel. Its methods may be called on
// nil, which tells nobody.
type reporter struct {
	node     string
	token    string // file
	client   *http.Client
	log      *slog.Logger
	metrics  *metrics
	instance string

	mu sync.Mutex
	// all are the policies that apply here; come and gone is what the server
	// has not heard of yet.
	all, come, gone map[string]bool
	versions        map[string]string
	// cuts are what policies cut that the node needs; told is closed when the
	// server has heard of them.
	cuts  map[string]string
	told  chan struct{}
	drift uint64
	// warning is what is wrong though the kernel is in step.
	warning  string
	err      string
	since    *time.Time
	enforces bool
	wake     chan struct{}
	// ahead is where to report to from now on; nil if that has not changed.
	ahead *receiver
	// names knows what was learned of domain names; nil if nobody learns.
	names  *dns.Learner
	turned chan struct{}

	// of run alone
	to       receiver
	sequence uint64
	full     bool
	pace     time.Duration
	failing  bool
}

// receiver is where reports go.
type receiver struct {
	url, name string
	// trusted returns what to trust there, in PEM; nothing means what this machine
	// trusts.
	trusted func() ([]byte, error)
}

func (s Server) receiver() (receiver, error) {
	w := receiver{url: s.URL, name: s.Name, trusted: func() ([]byte, error) {
		if s.CAFile == "" {
			return nil, nil
		}
		return os.ReadFile(s.CAFile)
	}}
	return w, w.check()
}

// check returns an error if the URL is of no use.
func (w receiver) check() error {
	u, err := url.Parse(w.url)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("server: %q is not of the form https://HOST:PORT", w.url)
	}
	return nil
}

// newReporter returns one that knows the way, or is told it later.
func newReporter(o Options, m *metrics) (*reporter, error) {
	r := &reporter{
		node: o.Node, token: o.Server.TokenFile, log: o.Log, metrics: m, instance: rand.Text(), full: true,
		all: map[string]bool{}, come: map[string]bool{}, gone: map[string]bool{}, wake: make(chan struct{}, 1), turned: make(chan struct{}, 1),
	}
	if o.Server.ConfigMap != "" {
		return r, nil
	}
	var err error
	r.to, err = o.Server.receiver()
	return r, err
}

// turn says where to report to from now on.
func (r *reporter) turn(w receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead = &w
	select {
	case r.turned <- struct{}{}:
	default:
	}
}

// turnNow takes the turn that is due. Who is met there has heard nothing yet.
func (r *reporter) turnNow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ahead == nil {
		return
	}
	r.to, r.ahead, r.full = *r.ahead, nil, true
	if r.client != nil {
		r.client.CloseIdleConnections()
		r.client = nil
	}
}

// inStep takes over the news, which are in the kernel now.
func (r *reporter) inStep(n *news) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range n.touched {
		name := p.String()
		if n.policies[p] > 0 {
			r.all[name], r.come[name] = true, true
			delete(r.gone, name)
		} else {
			delete(r.all, name)
			delete(r.come, name)
			r.gone[name] = true
		}
	}
	worth := n.told || len(n.touched) > 0 || r.err != "" || !r.enforces
	clear(n.touched)
	n.told = false
	r.versions = maps.Clone(n.versions)
	r.err, r.since, r.enforces = "", nil, true
	if worth {
		r.stir()
	}
}

// behind says that the kernel could not be changed.
func (r *reporter) behind(err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil {
		now := time.Now().UTC()
		r.since = &now
	}
	if r.err != err.Error() {
		r.err = err.Error()
		r.stir()
	}
}

// warn says what is wrong with the node though the kernel is in step; nothing if
// all is well.
func (r *reporter) warn(what string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.warning != what {
		r.warning = what
		r.stir()
	}
}

// drifted counts a change of the kernel's tables by somebody else.
func (r *reporter) drifted() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drift++
	r.stir()
}

// cutting says which needs of the node policies cut. It returns a channel that
// is closed when the server has heard of it, nil if there is none to hear.
func (r *reporter) cutting(cuts map[string]string) <-chan struct{} {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cuts = cuts
	r.stir()
	if !r.enforces { // the first report is still to come
		return nil
	}
	if r.told != nil {
		close(r.told)
	}
	r.told = make(chan struct{})
	return r.told
}

// heard says that the server has taken a report with just these cuts.
func (r *reporter) heard(cuts map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told != nil && maps.Equal(r.cuts, cuts) {
		close(r.told)
		r.told = nil
	}
}

func (r *reporter) stir() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// gather is how long changes are gathered at least, so that those of one
// kubectl apply are one report.
const gather = 20 * time.Millisecond

// run reports until the context ends: after changes, when another server takes
// reports, and now and then.
func (r *reporter) run(ctx context.Context) {
	heart := time.NewTicker(report.Heartbeat)
	defer heart.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-heart.C:
		case <-r.wake:
			wait(ctx, gather+jitter(r.pace), nil)
		case <-r.turned:
			wait(ctx, jitter(r.pace), nil)
		}
		r.turnNow()
		for backoff := time.Second; ctx.Err() == nil && r.to.url != ""; backoff = min(2*backoff, report.Heartbeat) {
			again, err := r.tell(ctx)
			if err == nil && !again {
				break
			}
			if again {
				continue // at once, in full
			}
			r.say(err)
			if wait(ctx, backoff, r.turned) {
				r.turnNow()
				backoff = time.Second
			}
		}
	}
}

// jitter is a random part of a time.
func jitter(d time.Duration) time.Duration { return time.Duration(mathrand.Float64() * float64(d)) }

// wait waits for a time, for the end of the context or for a sign, which it
// reports.
func wait(ctx context.Context, d time.Duration, sign <-chan struct{}) bool {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	case <-sign:
		return true
	}
	return false
}

// say logs the first of a row of failures: nothing that is enforced depends on
// the server.
func (r *reporter) say(err error) {
	r.metrics.reports.WithLabelValues(outcomeFailed).Inc()
	if !r.failing {
		r.log.Warn("the server does not take this node's report; policy is enforced all the same, and its status is old", "server", r.to.url, "error", err)
	}
	r.failing = true
}

// next is the report that is due; false if nothing is enforced yet.
func (r *reporter) next() (report.Report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := report.Report{
		Node: r.node, Instance: r.instance, Sequence: r.sequence + 1, Full: r.full,
		Versions: r.versions, Error: r.err, Behind: r.since, Drift: r.drift, Cuts: r.cuts,
	}
	if r.full {
		out.Applies = slices.Sorted(maps.Keys(r.all))
	} else {
		out.Applies, out.Gone = slices.Sorted(maps.Keys(r.come)), slices.Sorted(maps.Keys(r.gone))
	}
	if r.names != nil {
		out.Learned, out.Forgotten, out.Unreported = r.names.Report(r.full)
		out.Warning = r.names.Status()
	}
	if r.warning != "" {
		out.Warning = strings.TrimSuffix(r.warning+"; "+out.Warning, "; ")
	}
	clear(r.come)
	clear(r.gone)
	return out, r.enforces || r.err != ""
}

// tell sends one report. It returns true if the server wants a full one.
func (r *reporter) tell(ctx context.Context) (again bool, err error) {
	out, due := r.next()
	if !due {
		return false, nil
	}
	defer func() {
		if err != nil || again {
			r.full = true // the server may or may not have it
		}
	}()
	body, err := json.Marshal(out)
	if err != nil {
		return false, err
	}
	answer, status, err := r.post(ctx, report.Path, body)
	if err != nil {
		return false, err
	}
	if status == http.StatusConflict && !out.Full {
		return true, nil
	}
	if status != http.StatusOK {
		return false, fmt.Errorf("%d %s: %s", status, http.StatusText(status), strings.TrimSpace(string(answer)))
	}
	var a report.Answer
	if err := json.Unmarshal(answer, &a); err != nil {
		return false, fmt.Errorf("answer: %w", err)
	}
	r.heard(out.Cuts)
	r.sequence, r.full, r.pace = out.Sequence, false, a.Pace
	r.metrics.reports.WithLabelValues(outcomeOK).Inc()
	if r.failing {
		r.log.Info("the server takes reports again")
	}
	r.failing = false
	return false, nil
}

// post sends a body to a path of the server. It may be called by several at once.
func (r *reporter) post(ctx context.Context, path string, body []byte) (answer []byte, status int, err error) {
	client, base, err := r.way()
	if err != nil {
		return nil, 0, err
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(base, "/")+path+"?node="+url.QueryEscape(r.node), bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	// read each time: the kubelet, and whoever runs the server, replace them
	token, err := os.ReadFile(r.token)
	if err != nil {
		return nil, 0, fmt.Errorf("token: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := client.Do(req)
	if err != nil {
		r.leave(client)
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return answer, resp.StatusCode, err
}

// way returns a client for the server and where that is.
func (r *reporter) way() (*http.Client, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to.url == "" {
		return nil, "", errors.New("it is not known yet where the server is")
	}
	if r.client == nil {
		var err error
		if r.client, err = r.dial(); err != nil {
			return nil, "", err
		}
	}
	return r.client, r.to.url, nil
}

// leave drops a client; the next trusts the CA as it is then.
func (r *reporter) leave(client *http.Client) {
	client.CloseIdleConnections()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == client {
		r.client = nil
	}
}

func (r *reporter) dial() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.to.name}
	text, err := r.to.trusted()
	if err != nil {
		return nil, fmt.Errorf("CA of the server: %w", err)
	}
	if len(text) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("CA of the server: it holds no certificate")
		}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, MaxIdleConns: 1, IdleConnTimeout: 2 * report.Heartbeat, ForceAttemptHTTP2: true}}, nil
}
