package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// grants is a cluster whose rights are lines "verb resource namespace name", of
// which each part can be *.
type grants struct {
	lines []string
	err   error
	mu    sync.Mutex
	asked map[string]int
}

func (g *grants) Tiers(context.Context) ([]string, error) {
	return []string{"security", "default"}, nil
}
func (g *grants) Namespaces(context.Context) ([]string, error) { return []string{"red", "blue"}, nil }

func (g *grants) Review(_ context.Context, s authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	a := s.ResourceAttributes
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[strings.Join([]string{a.Verb, a.Resource, a.Namespace, a.Name}, " ")]++
	if s.User != "u" || !slices.Equal(s.Groups, []string{"g"}) || a.Group != "projectcalico.org" {
		return false, errors.New("asked about somebody else")
	}
	return slices.ContainsFunc(g.lines, func(line string) bool {
		part := strings.Fields(line)
		fits := func(pattern, value string) bool { return pattern == "*" || pattern == value }
		return fits(part[0], a.Verb) && fits(part[1], a.Resource) && fits(part[2], a.Namespace) && fits(part[3], a.Name)
	}), g.err
}

func rightsOf(t *testing.T, lines ...string) (func(tier, kind, verb string) Right, *grants) {
	t.Helper()
	g := &grants{lines: lines, asked: map[string]int{}}
	all, err := Access(t.Context(), g, "u", []string{"g"})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Tier != "default" || all[1].Tier != "security" {
		t.Fatalf("tiers %+v", all)
	}
	for q, times := range g.asked {
		if times > 1 {
			t.Errorf("%q is asked %d times", q, times)
		}
	}
	return func(tier, kind, verb string) Right {
		t.Helper()
		for _, a := range all {
			if i := slices.IndexFunc(a.Rights, func(r Right) bool { return r.Kind == kind && r.Verb == verb }); a.Tier == tier && i >= 0 {
				return a.Rights[i]
			}
		}
		t.Fatalf("nothing about %s %s %s", tier, kind, verb)
		return Right{}
	}, g
}

func TestAccess(t *testing.T) {
	const policies = "networkpolicies"
	for _, row := range []struct {
		name             string
		grants           []string
		tier, kind, verb string
		want             string // "everywhere", namespaces, or what is missing behind a !
	}{
		{"nothing", nil, "security", "NetworkPolicy", "create", "!create on networkpolicies"},
		{"all", []string{"* * * *"}, "security", "NetworkPolicy", "create", "everywhere"},
		{"all, of a global kind", []string{"* * * *"}, "security", "GlobalNetworkPolicy", "delete", "everywhere"},
		{"a kind that is in no other tier", []string{"* * * *"}, "security", "StagedKubernetesNetworkPolicy", "create", "!policies of this kind are always in the tier default"},
		{"only plain", []string{"* networkpolicies * *"}, "security", "NetworkPolicy", "update", `!get on tiers, name "security"`},
		{"plain and the tier", []string{"* networkpolicies * *", "get tiers * security"}, "security", "NetworkPolicy", "update", `!update on tier.networkpolicies, name "security.*"`},
		{"plain and the policies of the tier", []string{"* networkpolicies * *", "update tier.networkpolicies * security.*"}, "security", "NetworkPolicy", "update", `!get on tiers, name "security"`},
		{"the three", []string{"* networkpolicies * *", "get tiers * security", "update tier.networkpolicies * security.*"}, "security", "NetworkPolicy", "update", "everywhere"},
		{"of another verb", []string{"* networkpolicies * *", "get tiers * security", "create tier.networkpolicies * security.*"}, "security", "NetworkPolicy", "update", `!update on tier.networkpolicies, name "security.*"`},
		{"of another tier", []string{"* networkpolicies * *", "get tiers * *", "* tier.networkpolicies * security.*"}, "default", "NetworkPolicy", "update", `!update on tier.networkpolicies, name "default.*"`},
		{"the tier without the plain", []string{"get tiers * security", "* tier.networkpolicies * security.*"}, "security", "NetworkPolicy", "update", "!update on networkpolicies"},
		{"in a namespace", []string{"* networkpolicies blue *", "get tiers * default", "* tier.networkpolicies blue default.*"}, "default", "NetworkPolicy", "patch", "blue !patch on networkpolicies"},
		{"plain everywhere, tier in a namespace", []string{"* networkpolicies * *", "get tiers * default", "* tier.networkpolicies red default.*"}, "default", "NetworkPolicy", "patch", `red !patch on tier.networkpolicies, name "default.*"`},
		{"plain in a namespace, tier everywhere", []string{"* networkpolicies red *", "get tiers * default", "* tier.networkpolicies * default.*"}, "default", "NetworkPolicy", "patch", "red !patch on networkpolicies"},
		{"reads by plain rights", []string{"list networkpolicies * *"}, "security", "NetworkPolicy", "list", "everywhere"},
		{"reads in namespaces", []string{"watch networkpolicies blue *", "watch networkpolicies red *"}, "security", "NetworkPolicy", "watch", "blue red !watch on networkpolicies"},
	} {
		t.Run(row.name, func(t *testing.T) {
			rights, _ := rightsOf(t, row.grants...)
			r := rights(row.tier, row.kind, row.verb)
			got := strings.Join(r.Namespaces, " ")
			if r.Everywhere {
				got = "everywhere"
			}
			if r.Missing != "" {
				got = strings.TrimSpace(got + " !" + r.Missing)
			}
			if got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
	rights, _ := rightsOf(t, "* "+policies+" blue *", "get tiers * default", "* tier.networkpolicies blue default.*")
	if r := rights("default", "NetworkPolicy", "create"); !r.In("blue") || r.In("red") || r.In("") {
		t.Errorf("%+v", r)
	}
}

// TestAccessIsOrdered: all tiers, kinds and verbs, each once and in order.
func TestAccessIsOrdered(t *testing.T) {
	all, err := Access(t.Context(), &grants{asked: map[string]int{}}, "u", []string{"g"})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		var got []string
		for _, r := range a.Rights {
			got = append(got, r.Kind+" "+r.Verb)
		}
		if len(got) != 35 || got[0] != "NetworkPolicy get" || got[7] != "GlobalNetworkPolicy get" || got[34] != "StagedKubernetesNetworkPolicy delete" {
			t.Errorf("%q", got)
		}
	}
}

// TestAccessAsksLittle: who may all is not asked about namespaces, who may
// nothing not about tiers in them.
func TestAccessAsksLittle(t *testing.T) {
	_, g := rightsOf(t, "* * * *")
	most := len(g.asked)
	_, g = rightsOf(t)
	for q := range g.asked {
		part := strings.Split(q, " ")
		if strings.HasPrefix(part[1], "tier.") && part[2] != "" {
			t.Errorf("asked: %s", q)
		}
	}
	if most != 2+5*(7+4*2) || len(g.asked) != most+3*7*2 {
		t.Errorf("%d and %d questions", most, len(g.asked))
	}
}

func TestAccessFails(t *testing.T) {
	g := &grants{err: errors.New("no connection"), asked: map[string]int{}}
	if _, err := Access(t.Context(), g, "u", []string{"g"}); err == nil || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("%v", err)
	}
}
