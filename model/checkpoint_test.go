package model_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// met writes checkpoints as "h1 preDNAT ingress, blue/a normal egress".
func met(s model.Side) string {
	var all []string
	for _, c := range s.Checkpoints {
		all = append(all, fmt.Sprintf("%s %s %s", c.Endpoint.ID.Name, c.Stage, c.Direction))
	}
	return strings.Join(all, ", ")
}

// TestCheckpoints says, for every combination of ends, what the first packet
// meets (semantics.md section 11). Of lan, n1 has a host endpoint by address, n2
// one for all interfaces, n3 none.
func TestCheckpoints(t *testing.T) {
	const (
		a, c       = "a normal egress", "c normal ingress"
		intoH1     = "h1 untracked ingress, h1 preDNAT ingress, h1 normal ingress"
		intoH2     = "h2 untracked ingress, h2 preDNAT ingress, h2 normal ingress"
		throughH1  = "h1 untracked ingress, h1 preDNAT ingress, h1 forward ingress, "
		throughH2  = "h2 untracked ingress, h2 preDNAT ingress, h2 forward ingress, "
		outOfH1    = "h1 untracked egress, h1 normal egress"
		leavingN1  = a + ", h1 forward egress"
		leavingN2  = "h2 preDNAT ingress, c normal egress, h2 forward egress"
		beforeDNAT = "h2 preDNAT ingress"
	)
	s := lan()
	s.Apply(model.Put(podAt("red", "d", "n2", "10.0.1.2")), model.Put(podAt("red", "e", "n3", "10.0.3.1")))
	for _, row := range []struct{ name, from, to, egress, ingress string }{
		{"pods on one node", "blue/a", "blue/b", a, "b normal ingress"},
		{"the host endpoint of all interfaces sees what pods send before translation", "red/c", "red/d", "h2 preDNAT ingress, c normal egress", "d normal ingress"},
		{"pods of two nodes", "blue/a", "red/c", leavingN1, throughH2 + c},
		{"and the other way", "red/c", "blue/a", leavingN2, throughH1 + "a normal ingress"},
		{"a node without a host endpoint", "blue/a", "red/e", leavingN1, "e normal ingress"},
		{"a pod and the outside", "blue/a", "8.8.8.8", leavingN1, ""},
		{"the outside and a pod", "8.8.8.8", "blue/a", "", throughH1 + "a normal ingress"},
		{"the outside and a host", "8.8.8.8", "node:n1", "", intoH1},
		{"a host and the outside", "node:n1", "8.8.8.8", outOfH1, ""},
		{"hosts", "node:n1", "node:n2", outOfH1, intoH2},
		{"a host and a pod elsewhere", "node:n1", "red/c", outOfH1, throughH2 + c},
		{"a pod and a host elsewhere", "blue/a", "node:n2", leavingN1, intoH2},
		{"a pod and its own host", "red/c", "node:n2", "c normal egress", beforeDNAT},
		{"and where the host endpoint has an interface", "blue/a", "node:n1", a, ""},
		{"a host and its own pod", "node:n1", "blue/a", "", ""},
		{"a host and itself", "node:n1", "node:n1", "", ""},
		{"a pod and itself", "red/c", "red/c", "", ""},
		{"pods of no node meet no host", "red/lost", "red/lost-too", "lost normal egress", "lost-too normal ingress"},
		{"IPv6, which the host endpoint does not expect", "2001:db8::1", "fd00::1", "", "a normal ingress"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := s.Connect(row.from, row.to)
			if err != nil {
				t.Fatal(err)
			}
			if got := met(c.Egress); got != row.egress {
				t.Errorf("egress\n got %s\nwant %s", got, row.egress)
			}
			if got := met(c.Ingress); got != row.ingress {
				t.Errorf("ingress\n got %s\nwant %s", got, row.ingress)
			}
		})
	}
}

// TestUplink: where a node's address is not known, the lowest host endpoint that
// expects one stands for it.
func TestUplink(t *testing.T) {
	for _, row := range []struct {
		name string
		heps []*model.Endpoint
		want string
	}{
		{"none", nil, ""},
		{"by what it expects", []*model.Endpoint{hostAt("z", "n", "eth1", "10.9.0.2"), hostAt("a", "n", "*", ""), hostAt("y", "n", "", "10.9.0.1")}, "y"},
		{"by interface", []*model.Endpoint{hostAt("z", "n", "eth1", ""), hostAt("a", "n", "*", "")}, "z"},
		{"all interfaces", []*model.Endpoint{hostAt("b", "n", "*", "10.9.0.1"), hostAt("a", "n", "*", "")}, "a"},
		{"another node", []*model.Endpoint{hostAt("a", "m", "*", "")}, ""},
	} {
		s := model.NewState()
		s.Apply(model.Put(podAt("blue", "p", "n", "10.0.0.1")))
		for _, h := range row.heps {
			s.Apply(model.Put(h))
		}
		c, err := s.Connect("8.8.8.8", "blue/p")
		if err != nil {
			t.Fatal(err)
		}
		want := "p normal ingress"
		if h := row.want; h != "" {
			want = fmt.Sprintf("%s untracked ingress, %s preDNAT ingress, %s forward ingress, %s", h, h, h, want)
		}
		if got := met(c.Ingress); got != want {
			t.Errorf("%s: got %s, want %s", row.name, got, want)
		}
	}
}

// TestEverywhere: what pods send is seen before translation by the host endpoint
// of all interfaces alone, the lowest of several, whichever governs others.
func TestEverywhere(t *testing.T) {
	s := lan()
	for _, h := range []*model.Endpoint{hostAt("b-all", "n1", "*", ""), hostAt("c-all", "n1", "*", ""), hostAt("a-one", "n1", "eth1", "")} {
		s.Apply(model.Put(h))
	}
	for to, want := range map[string][2]string{
		"node:n1": {"a normal egress", "b-all preDNAT ingress"},
		"8.8.8.8": {"b-all preDNAT ingress, a normal egress, h1 forward egress", ""},
		"blue/b":  {"b-all preDNAT ingress, a normal egress", "b normal ingress"},
	} {
		c, err := s.Connect("blue/a", to)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{met(c.Egress), met(c.Ingress)}; got != want {
			t.Errorf("to %s: got %q, want %q", to, got, want)
		}
	}
}

// TestSkips: an early Allow is for the same host endpoint and direction alone.
func TestSkips(t *testing.T) {
	h, other := hostAt("h", "n", "*", ""), hostAt("o", "n", "eth0", "")
	at := func(e *model.Endpoint, s verdict.Stage, d verdict.Direction) model.Checkpoint {
		return model.Checkpoint{Endpoint: e, Stage: s, Direction: d}
	}
	early := at(h, verdict.Untracked, verdict.Ingress)
	for _, row := range []struct {
		by, later model.Checkpoint
		want      bool
	}{
		{early, at(h, verdict.PreDNAT, verdict.Ingress), true},
		{early, at(h, verdict.Normal, verdict.Ingress), true},
		{early, at(h, verdict.Forward, verdict.Ingress), true},
		{early, at(h, verdict.Forward, verdict.Egress), false},
		{early, at(other, verdict.Normal, verdict.Ingress), false},
		{at(h, verdict.Forward, verdict.Ingress), at(h, verdict.Normal, verdict.Ingress), false},
	} {
		if got := row.by.Skips(row.later); got != row.want {
			t.Errorf("%+v skips %+v: %v", row.by, row.later, got)
		}
	}
}
