package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// bench is a controller with a clock of its own, and no API server.
type bench struct {
	*controller
	t     *testing.T
	clock time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.controller = newController(nil, slog.New(slog.DiscardHandler))
	b.now = func() time.Time { return b.clock }
	for _, k := range kinds() {
		b.take(event{listed: k.name})
	}
	for _, builtin := range v3.BuiltinTiers() {
		tier := builtin.DeepCopy()
		tier.Status.Conditions = []metav1.Condition{condition(v3.KindTier, 0, nil)}
		b.take(event{put: []metav1.Object{tier}})
	}
	return b
}

// has tells the controller of an object with a generation.
func (b *bench) has(text string, generation int64) metav1.Object {
	b.t.Helper()
	o := object(b.t, text)
	o.SetUID(types.UID(o.GetName()))
	o.SetGeneration(generation)
	b.take(event{put: []metav1.Object{o}})
	return o
}

// writes settles and says what is to be written.
func (b *bench) writes(want ...string) []job {
	b.t.Helper()
	due, _ := b.settle()
	var got []string
	for _, j := range due {
		switch {
		case j.release:
			got = append(got, fmt.Sprintf("%s: release %v", j.object, j.finalizers))
		case j.condition == nil:
			got = append(got, fmt.Sprintf("%s: keep %v", j.object, j.finalizers))
		default:
			got = append(got, fmt.Sprintf("%s: %s %s %d", j.object, j.condition.Status, j.condition.Reason, j.condition.ObservedGeneration))
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("writes %q, want %q", got, want)
	}
	return due
}

// worked tells the controller that all of it worked.
func (b *bench) worked(jobs []job) {
	for _, j := range jobs {
		b.finish(done{j, nil})
	}
}

func TestNothingBeforeAllIsListed(t *testing.T) {
	c := newController(nil, slog.New(slog.DiscardHandler))
	c.take(event{put: []metav1.Object{object(t, "{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {tier: later}}")}})
	if due, again := c.settle(); len(due) > 0 || again > 0 {
		t.Errorf("%v %s: the tier may not have been listed yet", due, again)
	}
}

func TestConditions(t *testing.T) {
	b := newBench(t)
	b.writes()
	b.has("{kind: GlobalNetworkPolicy, metadata: {name: p}}", 1)
	first := b.writes("GlobalNetworkPolicy//p: True Accepted 1")
	b.writes() // under way
	b.worked(first)
	b.writes() // done, although the API has not told yet
	if at := first[0].condition.LastTransitionTime.Time; !at.Equal(b.clock) {
		t.Errorf("since %s", at)
	}

	b.clock = b.clock.Add(time.Hour)
	p := b.has("{kind: GlobalNetworkPolicy, metadata: {name: p}}", 2).(*v3.GlobalNetworkPolicy)
	p.Status.Conditions = []metav1.Condition{*first[0].condition}
	b.take(event{put: []metav1.Object{p}})
	second := b.writes("GlobalNetworkPolicy//p: True Accepted 2")
	if at := second[0].condition.LastTransitionTime.Time; !at.Equal(first[0].condition.LastTransitionTime.Time) {
		t.Errorf("it has been true since then, not since %s", at)
	}
	b.worked(second)

	b.has("{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {tier: later}}", 3)
	b.worked(b.writes("GlobalNetworkPolicy//p: False TierMissing 3"))
	b.has("{kind: StagedNetworkPolicy, metadata: {name: s, namespace: blue}, spec: {tier: later, selector: has(a)}}", 1)
	staged := b.writes("StagedNetworkPolicy/blue/s: False TierMissing 1")
	if len(staged) == 1 && !strings.Contains(staged[0].condition.Message, `Tier "later" does not exist`) {
		t.Error(staged[0].condition.Message)
	}
	b.worked(staged)
	b.has("{kind: Tier, metadata: {name: later, finalizers: [projectcalico.org/tier-controller]}}", 1)
	due, _ := b.settle()
	var names []string
	for _, j := range due {
		names = append(names, j.object)
		if j.condition == nil || j.condition.Reason == "TierMissing" {
			t.Errorf("%+v", j)
		}
	}
	if got := strings.Join(names, " "); got != "GlobalNetworkPolicy//p StagedNetworkPolicy/blue/s Tier//later" {
		t.Errorf("a tier that comes: %s", got)
	}
}

// TestGone: what is deleted is forgotten, by an event and by a list.
func TestGone(t *testing.T) {
	b := newBench(t)
	b.has("{kind: Profile, metadata: {name: open}}", 1)
	b.has("{kind: HostEndpoint, metadata: {name: h}, spec: {node: n1, interfaceName: eth0, profiles: [open]}}", 1)
	b.worked(b.writes("HostEndpoint//h: True Accepted 1", "Profile//open: True Accepted 1"))
	b.take(event{gone: []string{"Profile//open"}})
	b.worked(b.writes("HostEndpoint//h: False ProfileMissing 1"))
	b.has("{kind: Profile, metadata: {name: open}}", 1)
	b.worked(b.writes("HostEndpoint//h: True Accepted 1", "Profile//open: True Accepted 1"))
	b.take(event{listed: "Profile"})
	b.worked(b.writes("HostEndpoint//h: False ProfileMissing 1"))
}

// TestRetry: a write that did not work is tried again after a while, one that
// came too late is not.
func TestRetry(t *testing.T) {
	b := newBench(t)
	b.has("{kind: GlobalNetworkSet, metadata: {name: s}}", 1)
	j := b.writes("GlobalNetworkSet//s: True Accepted 1")[0]
	b.finish(done{j, errors.New("no connection")})
	if due, again := b.settle(); len(due) > 0 || again != retryAfter {
		t.Errorf("%v, again in %s", due, again)
	}
	b.clock = b.clock.Add(retryAfter)
	j = b.writes("GlobalNetworkSet//s: True Accepted 1")[0]
	b.finish(done{j, apierrors.NewConflict(v3.Resource("globalnetworksets"), "s", nil)})
	b.writes("GlobalNetworkSet//s: True Accepted 1") // the object as it is now still has none

	other := object(t, "{kind: GlobalNetworkSet, metadata: {name: s}}")
	other.SetUID("another")
	other.SetGeneration(1)
	b.take(event{put: []metav1.Object{other}})
	next := b.writes("GlobalNetworkSet//s: True Accepted 1")[0]
	b.finish(done{j, nil}) // of the former object
	if b.entries["GlobalNetworkSet//s"].have != nil || !b.entries["GlobalNetworkSet//s"].busy {
		t.Error("the write on the former object counts for this one")
	}
	b.worked([]job{next})
	b.writes()
}

// TestTierFinalizer: added where it is missing, taken off an empty tier that is
// being deleted, after the grace.
func TestTierFinalizer(t *testing.T) {
	const going = "deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [other, projectcalico.org/tier-controller]"
	b := newBench(t)
	b.has("{kind: Tier, metadata: {name: t, finalizers: [other]}}", 1)
	b.worked(b.writes("Tier//t: keep [other projectcalico.org/tier-controller]"))
	b.has("{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {tier: t}}", 1)
	b.has("{kind: Tier, metadata: {name: t, "+going+"}}", 2)
	due := b.writes("GlobalNetworkPolicy//p: True Accepted 1", "Tier//t: False Deleting 2")
	if m := due[1].condition.Message; m != "the tier is being deleted and waits for the policies that are in it: GlobalNetworkPolicy//p" {
		t.Error(m)
	}
	b.worked(due)
	b.clock = b.clock.Add(time.Minute)
	b.writes()
	b.take(event{gone: []string{"GlobalNetworkPolicy//p"}})
	release := b.writes("Tier//t: release [other]")
	b.finish(done{release[0], errStillUsed{[]string{"NetworkPolicy/a/b"}}})
	b.writes()

	b = newBench(t)
	b.has("{kind: Tier, metadata: {name: t, "+going+"}}", 2)
	if due, again := b.settle(); len(due) > 0 || again != grace {
		t.Errorf("%v, again in %s", due, again)
	}
	b.clock = b.clock.Add(grace)
	b.writes("Tier//t: release [other]")
}

// TestLoop runs the loop with a slow API server behind it: every object gets its
// condition once.
func TestLoop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	written := map[string]int{}
	c := newController(func(_ context.Context, j job) error {
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if written[j.object]++; written[j.object] == 1 && strings.HasSuffix(j.object, "0") {
			return apierrors.NewConflict(v3.Resource("globalnetworksets"), j.name, nil)
		}
		return nil
	}, slog.New(slog.DiscardHandler))
	events := make(chan event)
	go c.run(ctx, events)
	for _, k := range kinds() {
		events <- event{listed: k.name}
	}
	const n = 50
	for i := range n {
		events <- event{put: []metav1.Object{object(t, fmt.Sprintf("{kind: GlobalNetworkSet, metadata: {name: s%d, uid: u%d}}", i, i))}}
	}
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		total := 0
		for _, times := range written {
			total += times
		}
		mu.Unlock()
		if total == n+n/10 {
			break
		}
	}
	time.Sleep(3 * settleAfter)
	mu.Lock()
	defer mu.Unlock()
	for i := range n {
		want := 1
		if i%10 == 0 {
			want = 2
		}
		if got := written[fmt.Sprintf("GlobalNetworkSet//s%d", i)]; got != want {
			t.Errorf("s%d is written %d times, want %d", i, got, want)
		}
	}
}

// TestLiveTiers reads policies in pages and by their labels, and takes for no
// tier only what the API server says is none.
func TestLiveTiers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "application/json")
		switch path := strings.TrimPrefix(r.URL.Path, "/apis/projectcalico.org/v3/"); {
		case path == "tiers/there":
			fmt.Fprint(w, `{"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"there"}}`)
		case path == "tiers/none":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		case path == "globalnetworkpolicies" && q.Get("labelSelector") == "projectcalico.org/tier=t" && q.Get("continue") == "":
			fmt.Fprint(w, `{"metadata":{"continue":"c"},"items":[{"metadata":{"name":"a"},"spec":{"tier":"t"}},{"metadata":{"name":"lies"},"spec":{"tier":"u"}}]}`)
		case path == "globalnetworkpolicies" && q.Get("labelSelector") == "projectcalico.org/tier=t":
			fmt.Fprint(w, `{"metadata":{},"items":[{"metadata":{"name":"b"},"spec":{"tier":"t"}}]}`)
		case path == "networkpolicies" && q.Get("labelSelector") == "!projectcalico.org/tier":
			fmt.Fprint(w, `{"metadata":{},"items":[{"metadata":{"name":"c","namespace":"blue"},"spec":{"tier":"t"}},{"metadata":{"name":"d","namespace":"blue"},"spec":{}}]}`)
		case strings.HasSuffix(path, "policies"):
			fmt.Fprint(w, `{"metadata":{},"items":[]}`)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	client, err := typedClient(&rest.Config{Host: server.URL}, v3.GroupVersion, scheme)
	if err != nil {
		t.Fatal(err)
	}
	live := liveTiers{client}
	if tier, err := live.Tier(t.Context(), "there"); err != nil || tier == nil || tier.Name != "there" {
		t.Errorf("%v %v", tier, err)
	}
	if tier, err := live.Tier(t.Context(), "none"); err != nil || tier != nil {
		t.Errorf("%v %v", tier, err)
	}
	if _, err := live.Tier(t.Context(), "broken"); err == nil || !strings.Contains(err.Error(), `tier "broken"`) {
		t.Errorf("%v", err)
	}
	names, err := live.PoliciesIn(t.Context(), "t")
	if got := strings.Join(names, " "); err != nil || got != "NetworkPolicy/blue/c GlobalNetworkPolicy//a GlobalNetworkPolicy//b" {
		t.Errorf("%s %v", got, err)
	}
	if names, err := live.PoliciesIn(t.Context(), "default"); err != nil || strings.Join(names, " ") != "NetworkPolicy/blue/d" {
		t.Errorf("%s %v", names, err)
	}
}
