package manager

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/tierwall/tierwall/flow"
)

// kept is a store of flows that has some records.
type kept []flow.Record

func (s kept) Page(context.Context, flow.Access, flow.Filter) (flow.Page, error) {
	return flow.Page{Oldest: s[0].Last}, nil
}

func (s kept) Together(context.Context, flow.Access, flow.Filter) ([]flow.Record, error) {
	return s, nil
}

func (s kept) All(context.Context, flow.Access, flow.Filter) iter.Seq2[*flow.Record, error] {
	return flow.Each(s)
}

func (s kept) Follow(context.Context, flow.Access, flow.Filter) <-chan flow.Event { return nil }

func (s kept) Counts(context.Context, flow.Access, flow.Filter) ([]flow.Count, error) {
	return nil, nil
}

// TestPreviewFlows: what was seen is decided again as if a text were saved or an
// object deleted, for those who see all; others are told why not.
func TestPreviewFlows(t *testing.T) {
	at := time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)
	end := func(ns, name, addr string) flow.End {
		return flow.End{Kind: flow.Pod, Namespace: ns, Name: name, Address: netip.MustParseAddr(addr)}
	}
	record := func(to flow.End, n uint64) flow.Record {
		return flow.Record{Source: end("red", "fe", "10.0.1.1"), Destination: to, Protocol: "TCP", Port: 80, Connections: n, Reporter: flow.ByDestination, Last: at}
	}
	flows := kept{record(end("blue", "fe", "10.0.0.1"), 3), record(end("blue", "be", "10.0.0.2"), 5), record(end("gone", "x", "10.9.9.9"), 7)}
	draft := func(kind, order, action string) string {
		body, err := json.Marshal(PreviewQuery{Yaml: new("apiVersion: projectcalico.org/v3\nkind: " + kind + "\nmetadata: {name: security.shut}\nspec: {tier: security, order: " + order + ", selector: app == 'fe', types: [Ingress], ingress: [{action: " + action + "}]}")})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	ask := func(r rights, access flow.Access, body string) (out PreviewFlows) {
		g := newGuest(t, r, town()...)
		g.manager.options.Flows = flows
		s := g.manager.sessionOf(&http.Request{Header: http.Header{"Cookie": {g.manager.cookieName() + "=" + g.cookie}}})
		s.own = &own{at: time.Now().Add(time.Hour)}
		s.flows, s.sees = access, s.own
		if code := g.ask("POST", "/preview/flows", body, &out); code != http.StatusOK {
			t.Fatalf("%d for %s", code, body)
		}
		return out
	}
	all := flow.Access{All: true}
	for _, kind := range []string{"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"} {
		out := ask(everything(), all, draft(kind, "0", "Deny"))
		if out.Unavailable != nil || len(out.Denied) != 1 || out.Denied[0].Connections != 3 || len(out.Allowed) != 0 || out.Unchanged != 5 || out.Unknown != 7 || !some(out.Oldest).Equal(at) {
			t.Errorf("%s: %+v", kind, out)
		}
	}
	if out := ask(everything(), all, draft("GlobalNetworkPolicy", "0", "Allow")); len(out.Denied)+len(out.Allowed) != 0 || out.Unchanged != 8 {
		t.Errorf("what is allowed already: %+v", out)
	}
	if out := ask(everything(), all, `{"delete":"NetworkPolicy/blue/be"}`); len(out.Allowed) != 1 || out.Allowed[0].Connections != 5 {
		t.Errorf("deleted: %+v", out)
	}
	if out := ask(everything(), all, draft("GlobalNetworkPolicy", "0", "Open")); out.Unavailable == nil {
		t.Errorf("refused: %+v", out)
	}
	if out := ask(everything(), flow.Access{Namespaces: []string{"red"}}, draft("GlobalNetworkPolicy", "0", "Deny")); out.Unavailable == nil || len(out.Denied) > 0 {
		t.Errorf("some flows only: %+v", out)
	}
	some := everything()
	some["Pod"] = readable{namespaces: []string{"red"}}
	if out := ask(some, all, draft("GlobalNetworkPolicy", "0", "Deny")); out.Unavailable == nil || len(out.Denied) > 0 {
		t.Errorf("some pods only: %+v", out)
	}
}
