package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// TestLimits holds, for each thing that is limited, that the limit is taken and
// one more is a problem, with its place and a remedy. What cannot be looked at
// whole denies.
func TestLimits(t *testing.T) {
	nets := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
		}
		return all
	}
	names := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("n%d", i))
		}
		return all
	}
	ports := func(n int) []v3.Port { return slices.Repeat([]v3.Port{{Name: "http"}}, n) }
	source := func(e v3.EntityRule) []v3.Rule { return []v3.Rule{{Action: v3.Allow, Source: e}} }
	http := func(h v3.HTTPMatch) []v3.Rule { return []v3.Rule{{Action: v3.Allow, HTTP: &h}} }
	tests := []struct {
		path  string
		most  int
		rules func(n int) []v3.Rule
	}{
		{"", 1024, func(n int) []v3.Rule { return slices.Repeat([]v3.Rule{{Action: v3.Allow}}, n) }},
		{"[0].source.nets", 256, func(n int) []v3.Rule { return source(v3.EntityRule{Nets: nets(n)}) }},
		{"[0].source.notNets", 256, func(n int) []v3.Rule { return source(v3.EntityRule{NotNets: nets(n)}) }},
		{"[0].source.ports", 50, func(n int) []v3.Rule { return source(v3.EntityRule{Ports: ports(n)}) }},
		{"[0].source.notPorts", 50, func(n int) []v3.Rule { return source(v3.EntityRule{NotPorts: ports(n)}) }},
		{"[0].source.serviceAccounts.names", 1024, func(n int) []v3.Rule {
			return source(v3.EntityRule{ServiceAccounts: &v3.ServiceAccountMatch{Names: names(n)}})
		}},
		{"[0].http.methods", 20, func(n int) []v3.Rule { return http(v3.HTTPMatch{Methods: names(n)}) }},
		{"[0].http.headers", 20, func(n int) []v3.Rule { return http(v3.HTTPMatch{Headers: make([]v3.HTTPHeader, n)}) }},
		{"[0].http.paths", 20, func(n int) []v3.Rule {
			return http(v3.HTTPMatch{Paths: slices.Repeat([]v3.HTTPPath{{Exact: "/"}}, n)})
		}},
	}
	for _, test := range tests {
		if _, p := limited(test.rules(test.most)); len(p) != 0 {
			t.Errorf("%s with %d: %v", test.path, test.most, p)
		}
		for _, n := range []int{test.most + 1, 200_000} {
			policy, p := limited(test.rules(n))
			if len(p) != 1 || p[0].Code != "too-long" || p[0].Path != "spec.ingress"+test.path || p[0].Hint == "" ||
				!strings.HasPrefix(p[0].Message, fmt.Sprint(n)) || !strings.Contains(p[0].Message, fmt.Sprintf("at most %d ", test.most)) {
				t.Errorf("%s with %d: %v", test.path, n, p)
			}
			if policy.Invalid != [2]bool{true, false} {
				t.Errorf("%s with %d: invalid %v", test.path, n, policy.Invalid)
			}
		}
	}
}

// limited translates ingress rules and leaves out what is said of HTTP.
func limited(ingress []v3.Rule) (*model.Policy, []model.Problem) {
	p := &v3.NetworkPolicy{}
	p.Namespace, p.Name = "blue", "p"
	p.Spec.Ingress = ingress
	o, problems := translate.Object(p)
	problems = slices.DeleteFunc(problems, func(p model.Problem) bool { return p.Code == "http-not-seen" })
	policy := o.(*model.Policy)
	if len(policy.Rules[verdict.Ingress]) > 1024 {
		problems = append(problems, model.Problem{Message: "more rules than are allowed"})
	}
	return policy, problems
}

// TestRepeatedNets holds that a net that is there twice is said once, and that
// the rule keeps its meaning.
func TestRepeatedNets(t *testing.T) {
	policy, p := limited([]v3.Rule{{Action: v3.Allow, Source: v3.EntityRule{NotNets: []string{"10.0.0.0/8", "::/1", "10.0.0.0/8", "10.0.0.0/8"}}}})
	repeated := slices.IndexFunc(p, func(p model.Problem) bool { return p.Code == "item-repeated" })
	if repeated < 0 || p[repeated].Path != "spec.ingress[0].source.notNets[2]" || policy.Invalid != [2]bool{} {
		t.Errorf("%v, invalid %v", p, policy.Invalid)
	}
}

// TestEmptySet holds that a set that holds nothing is warned of, and one whose
// nets cannot be read is not, since that is said already.
func TestEmptySet(t *testing.T) {
	for _, test := range []struct {
		spec v3.NetworkSetSpec
		want string
	}{
		{v3.NetworkSetSpec{}, "set-empty true"},
		{v3.NetworkSetSpec{Nets: []string{"x"}}, "net-syntax false"},
		{v3.NetworkSetSpec{AllowedEgressDomains: []string{"a.*"}}, "domain-syntax false"},
	} {
		set := &v3.GlobalNetworkSet{Spec: test.spec}
		set.Name = "s"
		_, p := translate.Object(set)
		if len(p) != 1 || fmt.Sprint(p[0].Code, " ", p[0].Warning) != test.want || p[0].Hint == "" {
			t.Errorf("%+v: %v", test.spec, p)
		}
	}
}
