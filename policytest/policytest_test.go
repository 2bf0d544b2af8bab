package policytest_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/policytest"
	"github.com/tierwall/tierwall/verdict"
)

const world = `
apiVersion: tierwall.dev/v1alpha1
kind: PolicyTest
metadata: {name: t}
spec:
  objects:
  - {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: blue, labels: {app: a}}, status: {podIP: 10.0.0.1}}
  - {apiVersion: v1, kind: Pod, metadata: {name: b, namespace: blue, labels: {app: b}}, status: {podIP: 10.0.0.2}}
  - {apiVersion: v1, kind: Pod, metadata: {name: c, namespace: red}, status: {podIP: 10.0.0.3}}
  - {apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: {name: s, namespace: blue, labels: {app: s}}, spec: {nets: [192.0.2.0/24]}}
  - {apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: h}, spec: {node: n, interfaceName: eth0, expectedIPs: [172.16.0.1]}}
  - apiVersion: projectcalico.org/v3
    kind: NetworkPolicy
    metadata: {name: in, namespace: blue}
    spec:
      selector: app == 'b'
      ingress:
      - {action: Allow, protocol: TCP, source: {selector: app == 'a'}}
      - {action: Allow, protocol: UDP}
      - {action: Allow, protocol: SCTP, source: {nets: [10.0.0.0/30, 192.0.2.0/23], notNets: [10.0.0.2/32]}}
      - {action: Allow, protocol: SCTP, source: {namespaceSelector: all()}}
      - {action: Allow, protocol: SCTP, source: {nets: [192.0.2.0/25, 10.0.0.1/32]}}
  - apiVersion: projectcalico.org/v3
    kind: NetworkPolicy
    metadata: {name: out, namespace: red}
    spec:
      egress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]
`

// load reads one test; entries are lines under spec.
func load(t *testing.T, entries string) ([]*policytest.Test, []model.Problem) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(path, []byte(world+entries), 0o644); err != nil {
		t.Fatal(err)
	}
	tests, problems, err := policytest.Load([]string{path}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	return tests, problems
}

// why runs one test with one entry on both engines, and returns what is not as
// expected.
func why(t *testing.T, entries string) []string {
	t.Helper()
	tests, problems := load(t, entries)
	if len(tests) != 1 || len(problems) > 0 {
		t.Fatalf("%d tests, problems %v", len(tests), problems)
	}
	var answers [][]string
	for _, engine := range []func(*model.State) policytest.Engine{policytest.Oracle, policytest.Tables} {
		r := policytest.Run(tests[0], engine(tests[0].State))
		all := slices.Concat(r.Checks, r.Selects)
		if len(all) != 1 {
			t.Fatalf("%d outcomes", len(all))
		}
		if all[0].Pass != (len(all[0].Why) == 0) || r.Pass() != all[0].Pass {
			t.Errorf("pass is %v, of the whole %v, and why is %v", all[0].Pass, r.Pass(), all[0].Why)
		}
		answers = append(answers, all[0].Why)
	}
	if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
		t.Errorf("-oracle +tables\n%s", diff)
	}
	return answers[0]
}

func TestChecks(t *testing.T) {
	tests := []struct {
		check string
		want  []string
	}{
		{"from: blue/a, to: blue/b, expect: allow", nil},
		{"from: blue/a, to: blue/b, expect: deny", []string{"the connection is allowed, expected denied"}},
		{"from: blue/a, to: blue/b, port: \"80\", expect: allow, direction: ingress, tier: default, policy: NetworkPolicy/blue/in, rule: 0, reason: rule", nil},
		{"from: blue/a, to: blue/b, expect: allow, rule: 1", []string{"rule is 0, expected 1"}},
		{"from: blue/a, to: blue/b, expect: allow, tier: other", []string{`tier is "default", expected "other"`}},
		{"from: blue/a, to: blue/b, expect: allow, policy: NetworkPolicy/red/out", []string{`policy is "NetworkPolicy/blue/in", expected "NetworkPolicy/red/out"`}},
		{"from: blue/a, to: blue/b, expect: allow, policy: NetworkPolicy/blue/nope", []string{"there is no policy NetworkPolicy/blue/nope", `policy is "NetworkPolicy/blue/in", expected "NetworkPolicy/blue/nope"`}},
		{"from: blue/a, to: blue/b, expect: allow, stage: normal", nil},
		{"from: blue/a, to: blue/b, expect: allow, direction: ingress, stage: forward", []string{`stage is "normal", expected "forward"`}},
		{"from: blue/a, to: blue/b, expect: allow, reason: failsafe", []string{`reason is "rule", expected "failsafe"`}},
		{"from: blue/a, to: blue/b, expect: allow, direction: egress, reason: no policy applies", nil},
		{"from: blue/a, to: blue/b, expect: allow, direction: egress, reason: no policy applies, rule: 0", []string{"rule is none, expected 0"}},
		{"from: blue/a, to: blue/b, expect: allow, direction: egress, tier: default", []string{`tier is "", expected "default"`}},
		{"from: red/c, to: blue/b, expect: deny, direction: ingress, tier: default, policy: NetworkPolicy/blue/in, reason: tier default", nil},
		{"from: red/c, to: blue/b, expect: deny, policy: NetworkPolicy/red/out", []string{"the policies that applied are NetworkPolicy/blue/in, expected NetworkPolicy/red/out among them"}},
		{"from: red/c, to: blue/b, expect: deny, rule: 0", []string{"rule is none, expected 0"}},
		{"from: red/c, to: blue/b, expect: deny, direction: egress, policy: NetworkPolicy/red/out, rule: 0, reason: rule", nil},
		{"from: red/c, to: blue/b, port: tcp/81, expect: deny, policy: NetworkPolicy/red/out, reason: tier default", nil},
		{"from: red/c, to: blue/b, port: tcp/81, expect: deny, direction: ingress", []string{"ingress was not reached: egress denied"}},
		{"from: blue/a, to: blue/b, expect: allow, reason: no policy applies", nil}, // either side, where both allow
		{"from: blue/x, to: blue/b, expect: deny", []string{`no pod is called "blue/x" (pods that are finished, that have no address or that share their node's network are not endpoints)`}},
		{"from: \"hep:x\", to: blue/b, expect: deny", []string{`no host endpoint is called "x"`}},
		{"from: 192.0.2.1, to: 192.0.2.2, expect: allow", []string{"neither 192.0.2.1 nor 192.0.2.2 is policed, so nothing is checked"}},
		{"from: blue/a, to: www.example.com, expect: deny", []string{"no address of the domain name is known: www.example.com"}},
		{"from: 192.0.2.1, to: \"hep:h\", expect: deny, reason: host default", nil},
		{"from: 192.0.2.1, to: blue/a, port: icmp/8, expect: allow, reason: not an endpoint", nil},
	}
	for _, test := range tests {
		t.Run(test.check, func(t *testing.T) {
			if diff := cmp.Diff(test.want, why(t, "  checks:\n  - {"+test.check+"}\n")); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSelects(t *testing.T) {
	const none = ": write NAMESPACE/POD, hep:NAME, networkset:NAMESPACE/NAME, globalnetworkset:NAME, domain:DOMAIN or anything"
	tests := []struct {
		entry string
		want  []string
	}{
		{"policy: NetworkPolicy/blue/in, endpoints: [blue/b]", nil},
		{"policy: NetworkPolicy/blue/in, endpoints: [blue/a]", []string{"not matched, though expected: blue/a", "matched, though not expected: blue/b"}},
		{"policy: NetworkPolicy/blue/in, endpoints: []", []string{"matched, though not expected: blue/b"}},
		{"policy: NetworkPolicy/blue/in, endpoints: [blue/b, blue/z]", []string{"there is no blue/z" + none}},
		{"policy: NetworkPolicy/blue/nope, endpoints: []", []string{"there is no policy NetworkPolicy/blue/nope"}},
		{"policy: NetworkPolicy/blue/in, rule: ingress/0, peers: [blue/a]", nil},
		{"policy: NetworkPolicy/blue/in, rule: ingress/0, peers: [anything]", []string{"not matched, though expected: anything", "matched, though not expected: blue/a"}},
		{"policy: NetworkPolicy/blue/in, rule: ingress/1, peers: [anything]", nil},
		{"policy: NetworkPolicy/blue/in, rule: ingress/1, peers: [blue/a]", []string{"not matched, though expected: blue/a", "matched, though not expected: anything"}},
		{"policy: NetworkPolicy/blue/in, rule: ingress/2, peers: [blue/a, red/c, \"networkset:blue/s\"]", nil},
		{"policy: NetworkPolicy/blue/in, rule: ingress/3, peers: [blue/a, blue/b, red/c, \"networkset:blue/s\"]", nil},
		{"policy: NetworkPolicy/blue/in, rule: ingress/4, peers: [blue/a]", nil}, // the set is not whole in the net
		{"policy: NetworkPolicy/blue/in, rule: ingress/5, peers: []", []string{"NetworkPolicy/blue/in has no rule ingress/5"}},
		{"policy: NetworkPolicy/blue/in, rule: egress/0, peers: []", []string{"NetworkPolicy/blue/in has no rule egress/0"}},
		{"policy: NetworkPolicy/red/out, rule: egress/0, peers: [anything]", nil},
	}
	for _, test := range tests {
		t.Run(test.entry, func(t *testing.T) {
			if diff := cmp.Diff(test.want, why(t, "  selects:\n  - {"+test.entry+"}\n")); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestUnreadable holds that what is not understood in a test is a problem, and
// that the test is not run without it.
func TestUnreadable(t *testing.T) {
	tests := []struct{ entries, code, path string }{
		{"  checkz: []\n", "unknown-field", "spec.checkz"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expects: allow, expect: allow}\n", "unknown-field", "spec.checks[0].expects"},
		{"  checks:\n  - {from: blue/a, to: blue/b}\n", "field-missing", "spec.checks[0].expect"},
		{"  checks:\n  - {from: blue/a, expect: allow}\n", "field-missing", "spec.checks[0].to"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allowed}\n", "value-invalid", "spec.checks[0].expect"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allow, direction: in}\n", "value-invalid", "spec.checks[0].direction"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allow, reason: because}\n", "value-invalid", "spec.checks[0].reason"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allow, stage: prednat}\n", "value-invalid", "spec.checks[0].stage"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allow, policy: blue/in}\n", "value-invalid", "spec.checks[0].policy"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allow, port: http}\n", "port-invalid", "spec.checks[0].port"},
		{"  checks:\n  - {from: blue/a, to: blue/b, expect: allow, rule: first}\n", "wrong-type", "spec.checks[0].rule"},
		{"  selects:\n  - {policy: NetworkPolicy/blue/in}\n", "field-missing", "spec.selects[0]"},
		{"  selects:\n  - {policy: NetworkPolicy/blue/in, peers: []}\n", "value-invalid", "spec.selects[0].rule"},
		{"  selects:\n  - {policy: NetworkPolicy/blue/in, rule: ingress/x, peers: []}\n", "value-invalid", "spec.selects[0].rule"},
		{"  selects:\n  - {policy: NetworkPolicy/blue/in, rule: ingress/0, endpoints: []}\n", "value-invalid", "spec.selects[0]"},
		{"  learned:\n  - {name: '*.example.com', addresses: [192.0.2.1]}\n", "value-invalid", "spec.learned[0].name"},
		{"  learned:\n  - {name: www.example.com}\n", "field-missing", "spec.learned[0].addresses"},
		{"  learned:\n  - {name: www.example.com, addresses: [192.0.2.0/24]}\n", "value-invalid", "spec.learned[0].addresses[0]"},
		{"  selects:\n  - {policy: in, endpoints: []}\n", "value-invalid", "spec.selects[0].policy"},
	}
	for _, test := range tests {
		loaded, problems := load(t, test.entries)
		if len(problems) != 1 || problems[0].Code != test.code || problems[0].Path != test.path || problems[0].Line == 0 {
			t.Errorf("%q: problems %v, want %s at %s", test.entries, problems, test.code, test.path)
		}
		if len(loaded) != 0 {
			t.Errorf("%q: the test is run all the same", test.entries)
		}
	}
}

func TestNothingChecked(t *testing.T) {
	tests, _ := load(t, "")
	if r := policytest.Run(tests[0], policytest.Oracle(tests[0].State)); r.Pass() || r.Count() != 0 {
		t.Errorf("a test without checks passes: %+v", r)
	}
}

func TestResources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIP: 10.0.0."
	test := func(more string) string {
		return "apiVersion: tierwall.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: t}\nspec:\n  resources: [../world, ../one.yaml]\n" + more
	}
	write("world/pod.yaml", pod+"1}\n")
	write("world/other.yaml", "apiVersion: apps/v1\nkind: Deployment\n")
	write("one.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n")
	write("tests/t.yaml", test("  objects:\n  - {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {podIP: 10.0.0.9}}\n"))
	tests, problems, err := policytest.Load([]string{filepath.Join(dir, "tests")}, nil)
	if err != nil || len(tests) != 1 || len(problems) != 0 {
		t.Fatalf("%v, %v, %v", tests, problems, err)
	}
	if n := len(tests[0].State.Endpoints); n != 2 || len(tests[0].Objects) != 2 || len(tests[0].Problems) != 0 {
		t.Errorf("%d endpoints, %d objects, problems %v", n, len(tests[0].Objects), tests[0].Problems)
	}
	a := tests[0].State.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "default", Name: "a"}]
	if a == nil || a.Addrs[0].String() != "10.0.0.9" {
		t.Errorf("the object in place did not replace the resource: %+v", a)
	}
	write("one.yaml", "a: b: c\n")
	if _, _, err := policytest.Load([]string{filepath.Join(dir, "tests")}, nil); !errors.Is(err, policytest.ErrUnreadable) {
		t.Errorf("a resource that is not YAML gives %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "one.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := policytest.Load([]string{filepath.Join(dir, "tests")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing resource gives %v", err)
	}
}
