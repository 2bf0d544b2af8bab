package flows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// The words of OTLP's logs in JSON (opentelemetry.io/docs/specs/otlp).
type (
	otlpLogs struct {
		ResourceLogs []otlpResource `json:"resourceLogs"`
	}
	otlpResource struct {
		Resource  otlpAttributes `json:"resource"`
		ScopeLogs []otlpScope    `json:"scopeLogs"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope      otlpName     `json:"scope"`
		LogRecords []otlpRecord `json:"logRecords"`
	}
	otlpName struct {
		Name string `json:"name"`
	}
	otlpRecord struct {
		Time       string          `json:"timeUnixNano"`
		Observed   string          `json:"observedTimeUnixNano"`
		Severity   int             `json:"severityNumber"`
		Text       string          `json:"severityText"`
		Body       otlpValue       `json:"body"`
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
	}
)

const (
	severityInfo = 9
	severityWarn = 13
	// exportEvery is how long records gather before they are sent.
	exportEvery = time.Second
	// maxExport is how many are sent at once.
	maxExport = 2000
	// exportWithin is how long the receiver may take.
	exportWithin = 30 * time.Second
)

// Exporter sends each record that comes to a store on as an OTLP log, over HTTP
// in JSON. While its receiver is away it waits, and what comes meanwhile and does
// not fit is missing there; it says how much.
type Exporter struct {
	// URL is where logs are taken: http(s)://HOST:PORT/v1/logs.
	URL string
	// Store has the records.
	Store *Store
	// Client sends them.
	Client *http.Client
}

// Run exports until the context ends.
func (e Exporter) Run(ctx context.Context) {
	events := e.Store.Follow(ctx, flow.Access{All: true}, flow.Filter{})
	tick := time.NewTicker(exportEvery)
	defer tick.Stop()
	var batch []*flow.Record
	for {
		select {
		case event, ok := <-events:
			switch {
			case !ok:
				return
			case event.Record == nil:
				e.Store.options.Log.Warn("flows were not recorded, or not exported", "records", event.Lost.Records, "denied", event.Lost.Denied, "connections", event.Lost.Connections)
				continue
			}
			if batch = append(batch, event.Record); len(batch) < maxExport {
				continue
			}
		case <-tick.C:
		}
		if len(batch) > 0 {
			e.send(ctx, batch)
			batch = batch[:0]
		}
	}
}

// send tries until the receiver has the records or the context ends. What the
// receiver does not understand is dropped.
func (e Exporter) send(ctx context.Context, batch []*flow.Record) {
	body, err := json.Marshal(otlp(batch, time.Now()))
	if err != nil { // nothing in it can fail
		e.Store.options.Log.Error("flows could not be written as OTLP", "error", err)
		return
	}
	said := false
	for backoff := time.Second; ; backoff = min(2*backoff, 30*time.Second) {
		again, err := e.post(ctx, body)
		switch {
		case err == nil:
			e.Store.metrics.exported.Add(float64(len(batch)))
			return
		case ctx.Err() != nil:
			return
		}
		e.Store.metrics.exportTried.Inc()
		if !said {
			e.Store.options.Log.Warn("flows are not exported", "to", e.URL, "error", err, "again", again)
		}
		if said = true; !again {
			e.Store.metrics.exportRefused.Add(float64(len(batch)))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
	}
}

// post reports whether it is worth to try again.
func (e Exporter) post(ctx context.Context, body []byte) (again bool, err error) {
	ctx, stop := context.WithTimeout(ctx, exportWithin)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.Client.Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	switch code := resp.StatusCode; {
	case code < 300:
		return false, nil
	case code == http.StatusTooManyRequests || code >= 500:
		return true, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return false, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
}

// otlp writes records as logs, those of a node together.
func otlp(batch []*flow.Record, now time.Time) otlpLogs {
	byNode := map[string]int{}
	var out otlpLogs
	for _, r := range batch {
		i, ok := byNode[r.Node]
		if !ok {
			i = len(out.ResourceLogs)
			byNode[r.Node] = i
			out.ResourceLogs = append(out.ResourceLogs, otlpResource{
				Resource:  otlpAttributes{attributes("service.name", "tierwall", "k8s.node.name", r.Node)},
				ScopeLogs: []otlpScope{{Scope: otlpName{"tierwall.flows"}}},
			})
		}
		scope := &out.ResourceLogs[i].ScopeLogs[0]
		scope.LogRecords = append(scope.LogRecords, otlpOf(r, now))
	}
	return out
}

func otlpOf(r *flow.Record, now time.Time) otlpRecord {
	out := otlpRecord{
		Time: strconv.FormatInt(r.Last.UnixNano(), 10), Observed: strconv.FormatInt(now.UnixNano(), 10), Severity: severityInfo, Text: "INFO",
		Attributes: attributes(
			"event.name", "tierwall.flow", "tierwall.verdict", r.Verdict.String(), "tierwall.reporter", string(r.Reporter),
			"source.address", r.Source.Address.String(), "destination.address", r.Destination.Address.String(),
			"tierwall.source", r.Source.String(), "tierwall.source.labels", r.Source.Labels,
			"tierwall.destination", r.Destination.String(), "tierwall.destination.labels", r.Destination.Labels,
			"network.transport", strings.ToLower(r.Protocol), "tierwall.icmp", r.ICMP, "tierwall.service", r.Service, "tierwall.newly", r.Newly()),
	}
	if r.Verdict == flow.Verdict(verdict.Deny) {
		out.Severity, out.Text = severityWarn, "WARN"
	}
	for key, n := range map[string]uint64{
		"source.port": uint64(r.SourcePort), "destination.port": uint64(r.Port), "tierwall.connections": r.Connections,
		"tierwall.bytes.out": r.Out.Bytes, "tierwall.bytes.in": r.In.Bytes,
	} {
		if n > 0 {
			out.Attributes = append(out.Attributes, otlpAttribute{key, otlpValue{Int: new(strconv.FormatUint(n, 10))}})
		}
	}
	why := ""
	if d := r.Deciding(); d != nil {
		why = ", " + d.Trace.String()
		out.Attributes = append(out.Attributes, attributes("tierwall.reason", d.Trace.Reason.String())...)
		if s := d.Trace.Deciding(); s != nil {
			policy := ""
			if !s.Policy.IsZero() {
				policy = s.Policy.String()
			}
			out.Attributes = append(out.Attributes, attributes("tierwall.tier", s.Tier, "tierwall.policy", policy)...)
			if s.Rule != verdict.NoRule {
				out.Attributes = append(out.Attributes, otlpAttribute{"tierwall.rule", otlpValue{Int: new(strconv.Itoa(s.Rule))}})
			}
		}
	}
	body := fmt.Sprintf("%s %s -> %s %s/%d%s", r.Verdict, r.Source, r.Destination, strings.ToLower(r.Protocol), r.Port, why)
	out.Body = otlpValue{String: &body}
	return out
}

// attributes makes some of keys and values; empty values are left out.
func attributes(pairs ...string) (list []otlpAttribute) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, otlpAttribute{pairs[i], otlpValue{String: &pairs[i+1]}})
		}
	}
	return list
}
