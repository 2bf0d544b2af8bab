package status

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/report"
)

// clock is a time that the test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

type boardWorld struct {
	*board
	*testing.T
	clock *clock
	seqs  map[string]uint64
}

func newWorld(t *testing.T, nodes ...string) *boardWorld {
	c := &clock{at: time.Unix(1_700_000_000, 0)}
	w := &boardWorld{newBoard(c.now), t, c, map[string]uint64{}}
	names := map[string]bool{}
	for _, n := range nodes {
		names[n] = true
	}
	w.putNodes(names)
	w.age()
	return w
}

const key = "GlobalNetworkPolicy//p"

func (w *boardWorld) policy(generation int64, version string) {
	w.putPolicy("GlobalNetworkPolicy", &metav1.ObjectMeta{Name: "p", UID: "u", Generation: generation, ResourceVersion: version}, nil)
}

func (w *boardWorld) report(node, version string, full bool, applies, gone []string) {
	w.Helper()
	w.seqs[node]++
	r := report.Report{Node: node, Instance: "i", Sequence: w.seqs[node], Full: full, Applies: applies, Gone: gone,
		Versions: map[string]string{"GlobalNetworkPolicy": version}}
	if !w.take(r) {
		w.Errorf("report %d of %s does not follow", r.Sequence, node)
	}
	w.age()
}

func (w *boardWorld) want(what, status, reason, message string) {
	w.Helper()
	c := w.wanted(key, w.policies[key], w.roll(w.policies[key].kind))
	if string(c.Status) != status || c.Reason != reason || c.Message != message || c.ObservedGeneration != w.policies[key].generation {
		w.Errorf("%s: %s %s %q (generation %d), want %s %s %q", what, c.Status, c.Reason, c.Message, c.ObservedGeneration, status, reason, message)
	}
}

// TestProgrammed: n of m nodes, from the first word to the last.
func TestProgrammed(t *testing.T) {
	w := newWorld(t, "n1", "n2")
	w.policy(1, "10")
	w.want("nobody has reported", "False", reasonSilent, "0 of 0 nodes; nothing is heard of n1, n2")
	w.report("n1", "10", true, []string{key}, nil)
	w.report("n2", "9", true, nil, nil)
	w.want("one has it", "False", reasonPending, "1 of 1 nodes; 1 of 2 have not told yet")
	w.report("n2", "10", false, []string{key}, nil)
	w.want("both", "True", reasonProgrammed, "2 of 2 nodes")

	w.policy(1, "12") // a status was written
	w.want("the same generation", "True", reasonProgrammed, "2 of 2 nodes")
	w.policy(2, "13")
	w.want("another generation", "False", reasonPending, "0 of 2 nodes; 2 of 2 have not told yet")
	w.report("n1", "13", false, nil, []string{key})
	w.report("n2", "14", false, nil, nil)
	w.want("it left one", "True", reasonProgrammed, "1 of 1 nodes")
	w.report("n2", "14", false, nil, []string{key})
	w.want("and the other", "True", reasonNoNode, "0 of 0 nodes")

	w.clock.at = w.clock.at.Add(silentAfter + time.Second)
	w.report("n1", "14", false, nil, nil)
	w.want("what is silent had it", "True", reasonNoNode, "0 of 0 nodes")
	w.policy(3, "15")
	w.report("n1", "15", false, []string{key}, nil)
	w.want("what is silent has not", "False", reasonSilent, "1 of 1 nodes; nothing is heard of n2")
	w.putNodes(map[string]bool{"n1": true})
	w.want("it is gone", "True", reasonProgrammed, "1 of 1 nodes")

	w.policies = map[string]*policy{}
	w.policy(1, "3") // a restored world, with lower versions
	w.report("n1", "4", true, []string{key}, nil)
	w.want("an older world", "True", reasonProgrammed, "1 of 1 nodes")
}

// TestFollows: a report that does not follow on the last is not taken.
func TestFollows(t *testing.T) {
	for _, row := range []struct {
		name string
		r    report.Report
		want bool
	}{
		{"the next", report.Report{Node: "n", Instance: "i", Sequence: 4}, true},
		{"one is missing", report.Report{Node: "n", Instance: "i", Sequence: 5}, false},
		{"again", report.Report{Node: "n", Instance: "i", Sequence: 3}, false},
		{"another start", report.Report{Node: "n", Instance: "j", Sequence: 4}, false},
		{"another start, in full", report.Report{Node: "n", Instance: "j", Sequence: 1, Full: true}, true},
		{"another node", report.Report{Node: "m", Instance: "i", Sequence: 1}, false},
	} {
		w := newWorld(t)
		w.take(report.Report{Node: "n", Instance: "i", Sequence: 3, Full: true})
		if got := w.take(row.r); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// TestDue: what is done is written at once, what is under way after a while and
// then now and then, and what stands is not written again.
func TestDue(t *testing.T) {
	w := newWorld(t, "n1")
	w.report("n1", "9", true, nil, nil)
	w.policy(1, "10")
	due := func(what string, want int) {
		t.Helper()
		if got := w.due(); len(got) != want {
			t.Errorf("%s: %d writes, want %d", what, len(got), want)
		}
	}
	due("just begun", 0)
	w.clock.at = w.clock.at.Add(patience)
	due("slow", 1)
	due("written", 0)
	w.report("n1", "10", false, []string{key}, nil)
	due("done", 1)
	due("stands", 0)
	w.take(report.Report{Node: "n1", Instance: "i", Sequence: 3, Cuts: map[string]string{key: "rule 2 cuts the API server"}})
	list := w.due()
	if len(list) != 1 || list[0].condition.Reason != reasonCuts || !strings.Contains(list[0].condition.Message, "node n1: rule 2 cuts the API server") {
		t.Errorf("a cut: %+v", list)
	}
}

// TestHandler: who may report, and what of.
func TestHandler(t *testing.T) {
	check := func(_ context.Context, token, node string) error {
		switch {
		case token != "good":
			return errNoToken
		case node != "n":
			return errForbidden
		}
		return nil
	}
	h := handler(check, func(_ context.Context, r report.Report) (bool, time.Duration) { return r.Full, time.Second })
	for _, row := range []struct {
		name, token, query, body string
		want                     int
	}{
		{"good", "good", "n", `{"node":"n","instance":"i","sequence":1,"full":true}`, 200},
		{"does not follow", "good", "n", `{"node":"n","instance":"i","sequence":2}`, 409},
		{"no token", "", "n", `{}`, 401},
		{"another node", "good", "m", `{"node":"m","instance":"i","sequence":1,"full":true}`, 403},
		{"one node's right, another's report", "good", "n", `{"node":"m","instance":"i","sequence":1,"full":true}`, 400},
		{"not JSON", "good", "n", `{`, 400},
		{"no sequence", "good", "n", `{"node":"n","instance":"i"}`, 400},
	} {
		r := httptest.NewRequest(http.MethodPost, report.Path+"?node="+row.query, strings.NewReader(row.body))
		r.Header.Set("Authorization", "Bearer "+row.token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != row.want {
			t.Errorf("%s: %d, want %d: %s", row.name, w.Code, row.want, w.Body)
		}
	}
}

// TestManyUnderWay: where much is under way, little of it is written, and all of
// what is done.
func TestManyUnderWay(t *testing.T) {
	w := newWorld(t, "n1")
	w.report("n1", "9", true, nil, nil)
	for i := range 1000 {
		w.putPolicy("GlobalNetworkPolicy", &metav1.ObjectMeta{Name: strconv.Itoa(i), UID: "u", Generation: 1, ResourceVersion: "10"}, nil)
	}
	wrote := 0
	for range 100 {
		w.clock.at = w.clock.at.Add(100 * time.Millisecond)
		wrote += len(w.due())
	}
	if wrote == 0 || wrote > int(9*time.Second/progressPace)+progressBatch {
		t.Errorf("%d writes of what is under way in 10 s", wrote)
	}
	w.report("n1", "10", false, nil, nil)
	if got := len(w.due()); got != 1000 {
		t.Errorf("%d writes of what is done, want 1000", got)
	}
}
