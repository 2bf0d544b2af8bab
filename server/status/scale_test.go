package status

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
)

var (
	scaleNodes    = flag.Int("nodes", 200, "nodes that report")
	scalePolicies = flag.Int("policies", 100, "policies, all of which apply on every node")
)

// agentsURL in the environment makes this program the agents of TestScale.
const agentsURL = "TIERWALL_TEST_AGENTS"

func TestMain(m *testing.M) {
	flag.Parse()
	if url := os.Getenv(agentsURL); url != "" {
		agents(url)
		return
	}
	os.Exit(m.Run())
}

// agents are nodes that report to a server. Each reports in full, and after a
// line with a resource version on the standard input that it has come so far.
func agents(url string) {
	versions := make([]chan string, *scaleNodes)
	applies := make([]string, *scalePolicies)
	for i := range applies {
		applies[i] = fmt.Sprintf("GlobalNetworkPolicy//policy-%d", i)
	}
	for i := range versions {
		versions[i] = make(chan string, 1)
		go func() {
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConns: 1}} //nolint:gosec // a test's own server
			r := report.Report{Node: fmt.Sprintf("node-%d", i), Instance: "i", Full: true, Applies: applies,
				Versions: map[string]string{v3.KindNetworkPolicy: "1", v3.KindGlobalNetworkPolicy: "1"}}
			time.Sleep(time.Duration(rand.Float64() * float64(len(versions)) * float64(pacePerNode)))
			var pace time.Duration
			for {
				r.Sequence++
				pace = tell(client, url, r)
				v := <-versions[i]
				time.Sleep(20*time.Millisecond + time.Duration(rand.Float64()*float64(pace)))
				r.Full, r.Applies, r.Versions = false, nil, map[string]string{v3.KindNetworkPolicy: v, v3.KindGlobalNetworkPolicy: v}
			}
		}()
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		for _, c := range versions {
			c <- in.Text()
		}
	}
}

func tell(client *http.Client, url string, r report.Report) time.Duration {
	body, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	for {
		req, err := http.NewRequest(http.MethodPost, url+report.Path+"?node="+r.Node, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer token-of-"+r.Node)
		resp, err := client.Do(req)
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		var a report.Answer
		err = json.NewDecoder(resp.Body).Decode(&a)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK && err == nil {
			return a.Pace
		}
		time.Sleep(time.Second)
	}
}

// api is as much of an API server as the status needs. Of its policies, one can
// be changed.
type api struct {
	nodes, policies          int
	statuses, lists, reviews atomic.Int64
	listBytes                atomic.Int64
	changed                  chan string // an event for the watch of policies
	mu                       sync.Mutex
	said                     map[string]string // the message of policies' conditions
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	last := parts[len(parts)-1]
	switch {
	case last == "tokenreviews":
		a.reviews.Add(1)
		fmt.Fprint(w, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"audiences":["tierwall-server"],"user":{"username":"agent"}}}`)
	case last == "subjectaccessreviews":
		a.reviews.Add(1)
		fmt.Fprint(w, `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":true}}`)
	case r.Method == http.MethodPatch && last == "status":
		a.statuses.Add(1)
		var p v3.GlobalNetworkPolicy
		if err := json.Unmarshal(body, &p); err == nil && len(p.Status.Conditions) == 1 {
			a.mu.Lock()
			a.said[p.Name] = fmt.Sprintf("%d %s %s", p.Status.Conditions[0].ObservedGeneration, p.Status.Conditions[0].Status, p.Status.Conditions[0].Message)
			a.mu.Unlock()
		}
		fmt.Fprint(w, `{}`)
	case r.Method == http.MethodPatch:
		a.lists.Add(1)
		a.listBytes.Add(int64(len(body)))
		fmt.Fprint(w, `{"kind":"ConfigMap","apiVersion":"v1"}`)
	case r.URL.Query().Get("sendInitialEvents") != "": // then it is listed
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
	case r.URL.Query().Get("watch") != "":
		w.(http.Flusher).Flush()
		for {
			select {
			case <-r.Context().Done():
				return
			case e := <-a.events(last):
				fmt.Fprintln(w, e)
				w.(http.Flusher).Flush()
			}
		}
	default:
		a.list(w, strings.Join(parts[1:len(parts)-1], "/"), last)
	}
}

func (a *api) events(resource string) chan string {
	if resource == "globalnetworkpolicies" {
		return a.changed
	}
	return nil
}

func (a *api) list(w io.Writer, version, resource string) {
	kind, n := "NodeList", 0
	var item func(int) string
	switch resource {
	case "nodes":
		n, item = a.nodes, func(i int) string {
			return fmt.Sprintf(`{"metadata":{"name":"node-%d","uid":"n%d","resourceVersion":"1"}}`, i, i)
		}
	case "globalnetworkpolicies":
		kind, n, item = "GlobalNetworkPolicyList", a.policies, func(i int) string { return policyJSON(i, 1, 1) }
	default:
		kind = "NetworkPolicyList"
	}
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[%s]}`, kind, version, strings.Join(items, ","))
}

func policyJSON(i int, generation, version int64) string {
	return fmt.Sprintf(`{"kind":"GlobalNetworkPolicy","apiVersion":%q,"metadata":{"name":"policy-%d","uid":"p%d","generation":%d,"resourceVersion":"%d"},"spec":{"selector":"all()"}}`,
		v3.GroupVersion.String(), i, i, generation, version)
}

// says waits until the condition of a policy says something.
func (a *api) says(t *testing.T, policy, want string) {
	t.Helper()
	limit := time.Now().Add(2 * time.Minute)
	for {
		a.mu.Lock()
		got := a.said[policy]
		a.mu.Unlock()
		if got == want {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %q, want %q", policy, got, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestScale: a change that concerns every node is one write, or two if it takes
// long. With -nodes 5000 -policies 1000 it is the measurement of
// docs/design/008-status.md.
func TestScale(t *testing.T) {
	a := &api{nodes: *scaleNodes, policies: *scalePolicies, changed: make(chan string), said: map[string]string{}}
	server := httptest.NewServer(a)
	defer server.Close()
	s := New(Options{Core: kubernetes.NewForConfigOrDie(&rest.Config{Host: server.URL, QPS: -1}), Policies: policiesAt(t, server.URL), Namespace: "ns", Log: slog.New(slog.DiscardHandler)})
	reports := httptest.NewTLSServer(s.Handler())
	defer reports.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { s.Run(ctx) })

	began, cpu := time.Now(), cpuTime()
	child := exec.Command(os.Args[0], "-nodes", strconv.Itoa(*scaleNodes), "-policies", strconv.Itoa(*scalePolicies))
	child.Env = append(os.Environ(), agentsURL+"="+reports.URL)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = child.Wait()
	}()
	all := fmt.Sprintf("True %d of %d nodes", *scaleNodes, *scaleNodes)
	for i := range *scalePolicies {
		a.says(t, fmt.Sprintf("policy-%d", i), "1 "+all)
	}
	peak := resident("VmHWM:")
	debug.FreeOSMemory()
	t.Logf("%d nodes, %d policies: all known after %.1f s and %.1f s of CPU; %d writes of status, %d of the list (%d kB), %d reviews; %d MB resident, %d at most",
		*scaleNodes, *scalePolicies, time.Since(began).Seconds(), cpuTime()-cpu, a.statuses.Load(), a.lists.Load(), a.listBytes.Load()/1000, a.reviews.Load(), resident("VmRSS:"), peak)

	for change := range int64(3) {
		statuses, lists, began, cpu := a.statuses.Load(), a.lists.Load(), time.Now(), cpuTime()
		version := 100 + change
		a.changed <- fmt.Sprintf(`{"type":"MODIFIED","object":%s}`, policyJSON(0, 2+change, version))
		fmt.Fprintln(in, version)
		a.says(t, "policy-0", fmt.Sprintf("%d %s", 2+change, all))
		wrote := a.statuses.Load() - statuses
		t.Logf("a change of one: known everywhere after %.2f s and %.2f s of CPU; %d writes of status, %d of the list",
			time.Since(began).Seconds(), cpuTime()-cpu, wrote, a.lists.Load()-lists)
		if wrote > 3 {
			t.Errorf("%d writes for one change", wrote)
		}
	}
}

func policiesAt(t *testing.T, host string) rest.Interface {
	t.Helper()
	scheme := apiruntime.NewScheme()
	if err := v3.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	client, err := rest.RESTClientFor(&rest.Config{Host: host, APIPath: "/apis", QPS: -1, ContentConfig: rest.ContentConfig{
		GroupVersion: &v3.GroupVersion, NegotiatedSerializer: serializer.NewCodecFactory(scheme).WithoutConversion(), ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// cpuTime is what this process has used, in seconds.
func cpuTime() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// resident is this process's memory, in MB.
func resident(which string) int {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, which); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n / 1024
		}
	}
	return 0
}
