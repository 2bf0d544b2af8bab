package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/test/scale"
)

// managerGoal is how long a list may take, in seconds; a preview may take 1 s.
const managerGoal = 0.2

// asked is a request that is measured.
type asked struct {
	name, method, path string
	body               any
	goal               float64
}

const widePolicy = `apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: tier-00.wide}
spec:
  tier: tier-00
  order: 1
  selector: app == 'app-04'
  types: [Ingress]
  ingress:
  - {action: Deny, source: {selector: app == 'app-07'}}
`

// requests are measured for each size and user; the first answers lists of
// everything, as the pages ask for it.
func requests() []asked {
	return []asked{
		{"board", "GET", "/board", nil, managerGoal},
		{"board/filter", "GET", "/board?q=policy-00", nil, managerGoal},
		{"policies", "GET", "/policies?limit=100&sort=-endpoints", nil, managerGoal},
		{"endpoints", "GET", "/endpoints?limit=100", nil, managerGoal},
		{"endpoints/filter", "GET", "/endpoints?limit=100&q=app-03+team-00&sort=-name", nil, managerGoal},
		{"endpoints/selector", "GET", "/endpoints?limit=100&selector=app+%3D%3D+'app-03'+%26%26+version+!%3D+'1'", nil, managerGoal},
		{"cluster", "GET", "/cluster", nil, managerGoal},
		{"labels", "GET", "/labels", nil, managerGoal},
		{"namespaces", "GET", "/namespaces?limit=100", nil, managerGoal},
		{"networksets", "GET", "/networksets?limit=100", nil, managerGoal},
		{"endpoint", "GET", "/endpoint?ref=team-000/app-01-00001", nil, managerGoal},
		{"draft", "POST", "/draft", manager.DraftQuery{Yaml: widePolicy}, managerGoal},
		{"explain", "POST", "/explain", manager.ExplainQuery{From: "team-000/app-01-00001", To: "team-000/app-03-00003"}, managerGoal},
		{"preview", "POST", "/preview", manager.PreviewQuery{Yaml: new(widePolicy)}, 1},
	}
}

// answers measures what the Manager takes for an answer, from the request to the
// last byte, over HTTP: each twice, in a state that it has answered from before
// and right after a pod has changed ("changed"); the latter also for a user who
// sees ten namespaces ("member").
func answers(w scale.World) benchmark {
	name := func(a asked, variant string) string {
		return fmt.Sprintf("manager/%s/%d%s", a.name, w.Endpoints, variant)
	}
	var names []string
	for _, a := range requests() {
		names = append(names, name(a, ""), name(a, "/changed"), name(a, "/member/changed"))
	}
	return benchmark{names: names, run: func(pattern *regexp.Regexp) ([]figure, error) {
		api := newStubAPI(w.Objects())
		defer api.close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m, err := manager.Start(ctx, manager.Options{Config: api.config()})
		if err != nil {
			return nil, err
		}
		defer func() { _ = m.Close() }()
		if err := m.Ready(ctx); err != nil {
			return nil, err
		}
		admin, err := newVisitor(ctx, m.URL(), "admin")
		if err != nil {
			return nil, err
		}
		member, err := newVisitor(ctx, m.URL(), "member")
		if err != nil {
			return nil, err
		}
		var figures []figure
		add := func(v *visitor, a asked, variant string, change func() error) error {
			if !pattern.MatchString(name(a, variant)) {
				return nil
			}
			t, err := v.time(a, change)
			figures = append(figures, figure{name(a, variant), t, "s", "goal", a.goal})
			return err
		}
		n := 0
		change := func() error {
			n++
			return admin.after(func() {
				api.touch("/api/v1/pods", 7, func(o *unstructured.Unstructured) {
					o.SetLabels(map[string]string{"app": "app-01", "changed": strconv.Itoa(n)})
				})
			})
		}
		for _, a := range requests() {
			if err := add(admin, a, "", nil); err != nil {
				return nil, err
			}
			if err := add(admin, a, "/changed", change); err != nil {
				return nil, err
			}
			if err := add(member, a, "/member/changed", change); err != nil {
				return nil, err
			}
		}
		return figures, nil
	}}
}

// visitor is a user who has logged in, and hears of changes.
type visitor struct {
	base, csrf string
	http       *http.Client
	events     *bufio.Scanner
}

func newVisitor(ctx context.Context, base, token string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{base: base + "/api/v1", http: &http.Client{Jar: jar}}
	var s manager.Session
	if _, err := v.ask("POST", "/session", manager.Login{Token: token}, &s); err != nil {
		return nil, err
	}
	v.csrf = s.CsrfToken
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/events", nil)
	if err != nil {
		return nil, err
	}
	stream, err := v.http.Do(r) //nolint:bodyclose // it is read as long as the viewer lives, and ends with the context
	if err != nil {
		return nil, err
	}
	v.events = bufio.NewScanner(stream.Body)
	return v, v.change() // the first says that the stream is there
}

// change waits for the next event.
func (v *visitor) change() error {
	for v.events.Scan() {
		if strings.HasPrefix(v.events.Text(), "event: change") {
			return nil
		}
	}
	return fmt.Errorf("no more events: %w", v.events.Err())
}

// after makes a change and returns when the Manager has heard of it.
func (v *visitor) after(change func()) error {
	change()
	return v.change()
}

func (v *visitor) ask(method, path string, in, out any) (size int, err error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequest(method, v.base+path, body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-CSRF-Token", v.csrf)
	resp, err := v.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, b)
	case out != nil:
		err = json.Unmarshal(b, out)
	}
	return len(b), err
}

// time returns the median of a few answers, each after a change if there is one.
func (v *visitor) time(a asked, change func() error) (float64, error) {
	var times []float64
	for i := range 6 {
		if change != nil {
			if err := change(); err != nil {
				return 0, err
			}
		}
		began := time.Now()
		size, err := v.ask(a.method, a.path, a.body, nil)
		if err != nil {
			return 0, err
		}
		if size < 100 {
			return 0, fmt.Errorf("%s answers %d bytes", a.path, size)
		}
		if i > 0 { // the first warms up
			times = append(times, time.Since(began).Seconds())
		}
	}
	return median(times), nil
}
