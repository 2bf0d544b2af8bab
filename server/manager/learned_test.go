package manager

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/report"
)

func lease(name, expires string, addrs ...string) report.Domain {
	at, _ := time.Parse(time.TimeOnly, expires)
	d := report.Domain{Name: name}
	for _, a := range addrs {
		d.Addresses = append(d.Addresses, report.DomainAddress{Addr: netip.MustParseAddr(a), Expires: at, Nodes: []string{"n"}, NodeCount: 1})
	}
	return d
}

// TestLearn: what nodes told becomes part of the state; news of times alone leaves
// the state as it was; what they do not tell any more goes.
func TestLearn(t *testing.T) {
	s := &store{log: slog.New(slog.DiscardHandler), state: model.NewState(), engine: compile.New(compile.Options{})}
	steps := []struct {
		names   []report.Domain
		want    string
		version int64
	}{
		{[]report.Domain{lease("a.b", "01:00:00", "192.0.2.2", "192.0.2.1"), lease("c", "01:00:00", "192.0.2.1")}, "a.b [192.0.2.1 192.0.2.2] c [192.0.2.1]", 1},
		{[]report.Domain{lease("a.b", "02:00:00", "192.0.2.2", "192.0.2.1"), lease("c", "01:00:00", "192.0.2.1")}, "a.b [192.0.2.1 192.0.2.2] c [192.0.2.1]", 1},
		{[]report.Domain{lease("a.b", "02:00:00", "192.0.2.1")}, "a.b [192.0.2.1]", 2},
		{[]report.Domain{lease("not a name", "02:00:00", "192.0.2.1"), lease("empty", "01:00:00")}, "", 3},
	}
	for i, step := range steps {
		s.learn(report.Domains{Names: step.names})
		var got []string
		for _, n := range []domain.Name{"a.b", "c", "empty", "not a name"} {
			if l := s.state.Learned[n]; l != nil {
				got = append(got, fmt.Sprint(n, " ", l.Addrs))
			}
		}
		if text := strings.Join(got, " "); text != step.want || s.version != step.version {
			t.Errorf("step %d: %s, version %d; want %s, %d", i, text, s.version, step.want, step.version)
		}
	}
}

// TestPublished: the object that the server writes is read, and one that cannot be
// read leaves what was known.
func TestPublished(t *testing.T) {
	s := &store{log: slog.New(slog.DiscardHandler), state: model.NewState(), engine: compile.New(compile.Options{})}
	object := func(text string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{report.DomainsKey: text}}}
	}
	sink := s.textSink(report.DomainsConfigMap, report.DomainsKey, s.learnText)
	for _, text := range []string{`{"names":[{"name":"a.b","addresses":[{"addr":"192.0.2.1","seen":"2026-01-01T00:00:00Z","expires":"2026-01-01T00:00:00Z","nodes":["n"],"nodeCount":1}]}],"leftOut":3}`, "{"} {
		if err := sink.Replace([]any{object(text)}, ""); err != nil {
			t.Fatal(err)
		}
		if k := s.names(); len(k.names) != 1 || k.leftOut != 3 || len(s.state.Learned) != 1 {
			t.Errorf("after %s: %+v", text, k)
		}
	}
	if err := sink.Replace(nil, ""); err != nil || len(s.names().names) != 0 || len(s.state.Learned) != 0 {
		t.Errorf("after it is gone: %v, %+v", err, s.names())
	}
}

// TestSetDomains: a set's page shows the names that each of its domains stands
// for, in order, so many; and none to those who do not see everything.
func TestSetDomains(t *testing.T) {
	s := &store{log: slog.New(slog.DiscardHandler), state: model.NewState(), engine: compile.New(compile.Options{})}
	var names []report.Domain
	for i := range maxNames + 5 {
		names = append(names, lease(fmt.Sprintf("n%03d.wild.test", i), "01:00:00", "192.0.2.1"))
	}
	s.learn(report.Domains{Names: append(names, lease("exact.test", "01:00:00", "192.0.2.2"), lease("other", "01:00:00", "192.0.2.3")), LeftOut: 2})
	set := &model.NetworkSet{Name: "s", Domains: []domain.Pattern{domain.MustParsePattern("*.wild.test"), domain.MustParsePattern("exact.test"), domain.MustParsePattern("unknown.test")}}
	v := &view{store: s, rights: everything()}
	got := v.setDomains(set)
	if len(got) != 3 || len(got[0].Names) != maxNames || got[0].More != 5 || got[0].Names[0].Name != "n000.wild.test" {
		t.Errorf("%d domains, the first with %d and %d more", len(got), len(got[0].Names), got[0].More)
	}
	if len(got[1].Names) != 1 || got[1].Names[0].Addresses[0].Address != "192.0.2.2" || len(got[2].Names) != 0 || v.names().leftOut != 2 {
		t.Errorf("%+v", got[1:])
	}
	v.rights = only("blue")
	if got := v.setDomains(set); len(got) != 3 || len(got[0].Names)+len(got[1].Names) != 0 || got[0].More != 0 {
		t.Errorf("who does not see everything sees %+v", got)
	}
}

// TestCatchUp: changes that nobody asks about do not pile up.
func TestCatchUp(t *testing.T) {
	s := &store{log: slog.New(slog.DiscardHandler), state: model.NewState(), engine: compile.New(compile.Options{}), tablesOf: -1}
	for i := range maxQueue + 1 {
		s.learn(report.Domains{Names: []report.Domain{lease("a", "01:00:00", fmt.Sprintf("10.0.%d.%d", i/256, i%256))}})
	}
	if s.catchUp(); len(s.queue) != 0 {
		t.Errorf("%d changes wait", len(s.queue))
	}
}
