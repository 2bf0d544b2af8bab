package managertest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/verdict"
)

// teller tells the server of flows, as an agent does.
type teller struct {
	w       *world
	token   string
	client  *http.Client
	address string
	said    uint64
}

const tellingNode = "telling-node"

func (w *world) teller(t *testing.T) *teller {
	t.Helper()
	if _, err := w.core.CoreV1().Nodes().Create(w.ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: tellingNode}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := w.plane.IssueReportToken(w.ctx, path, tellingNode); err != nil {
		t.Fatal(err)
	}
	address, ca := w.plane.Reports()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the server has no authority")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &teller{w: w, token: string(must(os.ReadFile(path))), client: &http.Client{Transport: transport}, address: address}
}

func (n *teller) tell(t *testing.T, records ...flow.Record) {
	t.Helper()
	n.said++
	body := must(json.Marshal(flow.Batch{Node: tellingNode, Instance: "one", Sequence: n.said, Sent: time.Now(), Records: records}))
	r := must(http.NewRequestWithContext(n.w.ctx, http.MethodPost, "https://"+n.address+flow.Path+"?node="+tellingNode, bytes.NewReader(body)))
	r.Header.Set("Authorization", "Bearer "+n.token)
	answer, err := n.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("the server says %s to flows", answer.Status)
	}
}

// seen is a connection between two pods of the world, as the destination's node
// tells of it.
func seen(from, to string, allowed bool) flow.Record {
	end := func(ref string) flow.End {
		ns, name, _ := strings.Cut(ref, "/")
		address := "10.0." + map[string]string{"blue": "0", "red": "1"}[ns] + "." + map[string]string{"fe": "1", "be": "2"}[name]
		return flow.End{Kind: flow.Pod, Namespace: ns, Name: name, Labels: "app=" + name, Address: netip.MustParseAddr(address)}
	}
	v, action := verdict.Deny, verdict.ActionDeny
	if allowed {
		v, action = verdict.Allow, verdict.ActionAllow
	}
	id := verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "guard"}
	return flow.Record{Reporter: flow.ByDestination, Start: time.Now(), Last: time.Now(), Source: end(from), Destination: end(to), Protocol: "TCP", Port: 8080,
		Verdict: flow.Verdict(v), Connections: 1, Ingress: &flow.Decision{Endpoint: to, Trace: verdict.Trace{Verdict: v, Reason: verdict.ByRule,
			Steps: []verdict.Step{{Tier: "default", Policy: id, Rule: 1, Action: action}}}}}
}

// shown are the flows of a page, as SOURCE DESTINATION VERDICT POLICY.
func (b *browser) shown(query string) []string {
	b.t.Helper()
	var list struct{ Records []json.RawMessage }
	b.want(http.StatusOK, b.do("GET", "/api/v1/flows"+query, nil, &list))
	var all []string
	for _, raw := range list.Records {
		all = append(all, line(b.t, raw))
	}
	slices.Sort(all)
	return all
}

func line(t *testing.T, raw []byte) string {
	t.Helper()
	var r struct {
		Source, Destination struct{ Namespace, Name string }
		Verdict             string
		Ingress             struct {
			Policy string
			Rule   *int
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return fmt.Sprintf("%s/%s %s/%s %s %s#%d", r.Source.Namespace, r.Source.Name, r.Destination.Namespace, r.Destination.Name, r.Verdict, r.Ingress.Policy, some(r.Ingress.Rule))
}

// flows: each sees those that have an end where he may, as they come, and what
// rules did; what is staged is weighed by who sees all.
func (w *world) flows(t *testing.T) {
	n := w.teller(t)
	n.tell(t, seen("red/fe", "blue/be", false), seen("red/fe", "red/be", true))
	engineer, developer, nobody := w.as(t, "engineer"), w.as(t, "developer"), w.as(t, "nobody")
	const denied, other = "red/fe blue/be deny NetworkPolicy/blue/guard#1", "red/fe red/be allow NetworkPolicy/blue/guard#1"
	for _, c := range []struct {
		who   *browser
		query string
		want  []string
	}{
		{engineer, "", []string{denied, other}}, {engineer, "?verdict=deny", []string{denied}}, {engineer, "?policy=guard&rule=0", nil},
		{developer, "", []string{denied}}, {developer, "?namespace=red", []string{denied}}, {nobody, "", nil},
	} {
		if got := c.who.shown(c.query); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, not %q", c.query, got, c.want)
		}
	}
	var list manager.FlowList
	nobody.want(http.StatusOK, nobody.do("GET", "/api/v1/flows", nil, &list))
	if list.Available || !strings.Contains(some(list.Reason), "get on flows.tierwall.dev") {
		t.Errorf("who may see none is told %v %q", list.Available, some(list.Reason))
	}
	nobody.want(http.StatusNotFound, nobody.do("GET", "/api/v1/flows/follow", nil, nil))
	engineer.want(http.StatusBadRequest, engineer.do("GET", "/api/v1/flows?verdict=maybe", nil, nil))
	var counts manager.FlowCounts
	developer.want(http.StatusOK, developer.do("GET", "/api/v1/flows/counts", nil, &counts))
	if len(counts.Counts) != 1 || counts.Counts[0].Denied != 1 || counts.Counts[0].Allowed != 0 {
		t.Errorf("the developer's counts: %+v", counts.Counts)
	}
	w.flowsFollowed(t, n, developer)
	w.staged(t, n)
}

// flowsFollowed: what comes is told at once, and only what may be seen.
func (w *world) flowsFollowed(t *testing.T, n *teller, developer *browser) {
	r := must(http.NewRequestWithContext(w.ctx, http.MethodGet, developer.base+"/api/v1/flows/follow?verdict=deny", nil))
	stream, err := developer.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	lines := bufio.NewScanner(stream.Body)
	if !lines.Scan() || lines.Text() != ": following" {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	n.tell(t, seen("red/be", "red/fe", false), seen("blue/fe", "blue/be", true), seen("red/be", "blue/fe", false))
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if got := line(t, []byte(data)); got != "red/be blue/fe deny NetworkPolicy/blue/guard#1" {
			t.Errorf("told %s", got)
		}
		return
	}
	t.Fatal("nothing was told", lines.Err())
}

// staged: what a staged policy would cut is told with the flows, and enforcing it
// makes it what is enforced.
func (w *world) staged(t *testing.T, n *teller) {
	admin, developer := w.as(t, "admin"), w.as(t, "developer")
	n.tell(t, seen("red/fe", "blue/fe", true))
	admin.create("apiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\nmetadata: {name: closed, namespace: blue}\nspec: {tier: default, selector: app == 'fe', types: [Ingress], ingress: [{action: Deny, source: {namespaceSelector: color == 'red'}}]}\n")
	var report manager.StagedReport
	w.eventually(t, "what the staged policy would cut", func() bool {
		report = manager.StagedReport{}
		admin.want(http.StatusOK, admin.do("GET", "/api/v1/staged", nil, &report))
		return slices.ContainsFunc(report.Staged, func(p manager.StagedPolicy) bool { return p.Policy == "StagedNetworkPolicy/blue/closed" })
	})
	var cut []string
	for _, c := range report.Denied {
		cut = append(cut, fmt.Sprintf("%s (%d)", c, len(c.Flows)))
	}
	// red/be's was denied when it was seen; as policy is now, it would be allowed
	if want := []string{"red {app=be} to blue {app=fe} on TCP/8080 (1)", "red {app=fe} to blue {app=fe} on TCP/8080 (1)"}; !slices.Equal(cut, want) {
		t.Errorf("newly denied: %q, not %q", cut, want)
	}
	var possible manager.Preview
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/staged/possible", nil, &possible))
	if possible.Denied == 0 || possible.Allowed != 0 || !slices.ContainsFunc(possible.Groups, func(g manager.Group) bool { return slices.Contains(g.Refs, "blue/fe") }) {
		t.Errorf("what could be denied: %+v", possible)
	}
	developer.want(http.StatusOK, developer.do("GET", "/api/v1/staged", nil, &report))
	if report.Flows == nil || report.Flows.Available {
		t.Error("who does not see all is told what enforcing would change")
	}
	decide := manager.StagedDecision{Policy: "StagedNetworkPolicy/blue/closed", Action: manager.Enforce}
	nobody := w.as(t, "nobody")
	nobody.want(http.StatusForbidden, nobody.do("POST", "/api/v1/staged", decide, nil))
	admin.want(http.StatusNoContent, admin.do("POST", "/api/v1/staged", decide, nil))
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=closed", nil, nil))
	admin.want(http.StatusNotFound, admin.do("GET", "/api/v1/objects?kind=StagedNetworkPolicy&namespace=blue&name=closed", nil, nil))
	admin.want(http.StatusNoContent, admin.do("DELETE", "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=closed", nil, nil))
}
