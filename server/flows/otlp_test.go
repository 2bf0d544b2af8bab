package flows

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// TestExport: each record arrives as a log with what decided, also when the
// receiver was away; what it does not understand holds nothing up.
func TestExport(t *testing.T) {
	f := open(t, t.TempDir())
	got := make(chan otlpLogs, 10)
	var status atomic.Int32
	status.Store(http.StatusServiceUnavailable)
	var tried atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		tried.Add(1)
		var l otlpLogs
		if err := json.NewDecoder(in.Body).Decode(&l); err != nil || in.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v %v", err, in.Header)
		}
		code := int(status.Load())
		w.WriteHeader(code)
		if code == http.StatusOK {
			got <- l
		}
	}))
	defer receiver.Close()
	done := make(chan struct{})
	go func() {
		Exporter{URL: receiver.URL + "/v1/logs", Store: f.Store, Client: receiver.Client()}.Run(t.Context())
		close(done)
	}()
	for { // until it follows
		f.mu.Lock()
		n := len(f.follow)
		f.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	denied := sample()
	denied.Verdict, denied.Egress = flow.Verdict(verdict.Deny), denied.Pending.Egress
	f.put(sample(), denied)
	for tried.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	status.Store(http.StatusOK)
	logs := <-got
	if len(logs.ResourceLogs) != 1 {
		t.Fatalf("%+v", logs)
	}
	list := logs.ResourceLogs[0].ScopeLogs[0].LogRecords
	value := func(r otlpRecord, key string) string {
		for _, a := range r.Attributes {
			if a.Key == key {
				if a.Value.Int != nil {
					return *a.Value.Int
				}
				return *a.Value.String
			}
		}
		return ""
	}
	if len(list) != 2 || value(list[0], "tierwall.policy") != "NetworkPolicy/blue/be" || value(list[0], "tierwall.rule") != "2" || value(list[0], "destination.port") != "443" ||
		value(list[0], "tierwall.newly") != "denied" || list[0].Severity != severityInfo || list[1].Severity != severityWarn || value(list[1], "tierwall.reason") != "tier default" || value(list[1], "tierwall.rule") != "" ||
		*list[1].Body.String != "deny blue/fe-1 -> 2001:db8::1 tcp/443, deny: tier default (Deny at the end of tier default)" {
		text, _ := json.MarshalIndent(list, "", " ")
		t.Errorf("%s", text)
	}
	status.Store(http.StatusBadRequest)
	before := tried.Load()
	f.put(sample())
	for tried.Load() == before {
		time.Sleep(time.Millisecond)
	}
	status.Store(http.StatusOK)
	f.put(numbered(9))
	if l := <-got; len(l.ResourceLogs[0].ScopeLogs[0].LogRecords) != 1 {
		t.Errorf("what was not understood came again: %+v", l)
	}
	must(t, f.Close())
	<-done
}

// TestOddNames: whatever agents send as names is in the export as it was.
func TestOddNames(t *testing.T) {
	for _, odd := range []string{"a\"b\\", "a\nb\x00\x1b[2J", "\u2028</script>", "名前 🙂"} {
		r := sample()
		r.Source.Name, r.Source.Labels, r.Node, r.Service = odd, odd, odd, odd
		body, err := json.Marshal(otlp([]*flow.Record{&r}, begin))
		must(t, err)
		var back otlpLogs
		must(t, json.Unmarshal(body, &back))
		log := back.ResourceLogs[0].ScopeLogs[0].LogRecords[0]
		for key, want := range map[string]string{"tierwall.source": "blue/" + odd, "tierwall.source.labels": odd, "tierwall.service": odd} {
			found := false
			for _, a := range log.Attributes {
				found = found || a.Key == key && a.Value.String != nil && *a.Value.String == want
			}
			if !found {
				t.Errorf("%q: no %s in %s", odd, key, body)
			}
		}
		if node := back.ResourceLogs[0].Resource.Attributes[1].Value.String; *node != odd {
			t.Errorf("%q: node %q", odd, *node)
		}
	}
}
