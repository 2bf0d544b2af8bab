package manifest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// state reads a text to the end and returns the problems as lines without the
// file's name.
func state(t *testing.T, text string) (*model.State, []string) {
	t.Helper()
	docs, problems := manifest.Parse("f.yaml", []byte(text))
	objects, p := manifest.Objects(docs)
	problems = append(problems, p...)
	s, p := manifest.State(objects)
	problems = append(problems, p...)
	model.SortProblems(problems)
	var lines []string
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%d:%d %s %s", p.Line, p.Column, p.Code, p.Path))
	}
	return s, lines
}

func TestProblems(t *testing.T) {
	const np = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p, namespace: blue}\nspec:\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing wrong", np + "  selector: all()\n", nil},
		{"empty text", "", nil},
		{"only comments and marks", "# a\n---\n# b\n...\n---\n", nil},
		{"other kinds are skipped", "apiVersion: apps/v1\nkind: Deployment\nspecc: 1\n", nil},
		{"kinds without a part in verdicts", "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: a}\n", nil},
		{"unknown field", np + "  selectr: all()\n", []string{"5:3 unknown-field spec.selectr"}},
		{"unknown field in a rule", np + "  ingress:\n  - action: Allow\n    sourc: {}\n", []string{"7:5 unknown-field spec.ingress[0].sourc"}},
		{"wrong type", np + "  ingress: Allow\n", []string{"5:12 wrong-type spec.ingress"}},
		{"number in a label", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    app/tier: 1\n", []string{"6:15 wrong-type metadata.labels.app/tier"}},
		{"boolean of YAML 1.1 in a label", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    a: yes\n    b: 'yes'\n", []string{"6:8 wrong-type metadata.labels.a"}},
		{"order is text", np + "  order: \"7\"\n", []string{"5:10 wrong-type spec.order"}},
		{"order is no number of JSON", np + "  order: .inf\n", []string{"5:10 wrong-type spec.order"}},
		{"port is an object", np + "  ingress:\n  - action: Allow\n    protocol: TCP\n    destination:\n      ports: [{a: 1}]\n", []string{"9:15 wrong-type spec.ingress[0].destination.ports[0]"}},
		{"rule is text", np + "  ingress:\n  - Allow\n  - action: Deny\n", []string{"6:5 wrong-type spec.ingress[0]"}},
		{"duplicate key", np + "  order: 1\n  order: 2\n", []string{"6:3 duplicate-key spec.order"}},
		{"unknown kind", "apiVersion: projectcalico.org/v3\nkind: NetworkPolcy\nmetadata: {name: a}\n", []string{"2:7 unknown-kind kind"}},
		{"legacy group", "apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n", []string{"1:13 legacy-api-version apiVersion"}},
		{"no kind", "apiVersion: v1\nmetadata: {name: a}\n", []string{"1:1 yaml-object kind"}},
		{"no name", "apiVersion: v1\nkind: Pod\nmetadata:\n  namespace: a\n", []string{"3:1 name-missing metadata.name"}},
		{"namespace of a cluster's object", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: a, namespace: b}\n", []string{"3:32 namespace-forbidden metadata.namespace"}},
		{"no object", "- a\n- b\n", []string{"1:1 yaml-object "}},
		{"no YAML", "a: b: c\n", []string{"1:1 yaml-syntax "}},
		{"tab", "a:\n\tb: c\n", []string{"2:1 yaml-syntax "}},
		{"the other documents are read", "a: b: c\n---\nkind: x\n---\n\"\n", []string{"1:1 yaml-syntax ", "3:7 yaml-object kind", "5:1 yaml-syntax "}},
		{"duplicate object", np + "---\n" + np, []string{"8:18 duplicate-object metadata.name"}},
		{"selector, plain", np + "  selector: app === 'a'\n", []string{"5:19 selector-syntax spec.selector"}},
		{"selector, double quotes", np + "  selector: \"app === 'a'\"\n", []string{"5:20 selector-syntax spec.selector"}},
		{"selector, double quotes escaped", np + "  selector: \"a == \\\"b\\\" && c\"\n", []string{"5:29 selector-syntax spec.selector"}},
		{"selector, single quotes doubled", np + "  selector: 'a == ''b'' c'\n", []string{"5:25 selector-syntax spec.selector"}},
		{"selector, literal block", np + "  selector: |\n    a == 'b' &&\n    c d\n", []string{"7:7 selector-syntax spec.selector"}},
		{"selector, flow", np + "  ingress: [{action: Allow, source: {selector: 'é == 1'}}]\n", []string{"5:49 selector-syntax spec.ingress[0].source.selector"}},
		{"selector, wide letters", np + "  selector: \"app == 'éü' x\"\n", []string{"5:26 selector-syntax spec.selector"}},
		{"field that is not there", np + "  tier: nowhere\n", []string{"5:9 tier-missing spec.tier"}},
		{"in a list", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: projectcalico.org/v3\n  kind: Tier\n  metadata: {name: a}\n  spec: {ordr: 1}\n", []string{"7:10 unknown-field spec.ordr"}},
		{"in a typed list", "apiVersion: projectcalico.org/v3\nkind: TierList\nitems:\n- metadata: {name: a}\n  spec: {ordr: 1}\n", []string{"5:10 unknown-field spec.ordr"}},
		{"JSON", "{\"apiVersion\": \"projectcalico.org/v3\", \"kind\": \"Tier\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\"order\": \"x\"}}\n", []string{"3:20 wrong-type spec.order"}},
		{"pod address", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus:\n  podIPs: [{ip: 10.0.0}]\n", []string{"5:17 address-syntax status.podIPs[0].ip"}},
		{"anchor that contains itself", "apiVersion: v1\nkind: Pod\nmetadata: &a\n  name: a\n  labels: {x: *a}\n", []string{"3:11 wrong-type metadata.labels.x"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, got := state(t, test.text)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestHints(t *testing.T) {
	const np = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n"
	tests := []struct{ text, want string }{
		{np + "  selectr: a\n", `did you mean "selector"?`},
		{np + "  Selector: a\n", `did you mean "selector"?`},
		{np + "  ingress:\n  - action: Allow\n    ports: [80]\n", "write ports under destination or source"},
		{"apiVersion: projectcalico.org/v3\nkind: Teir\n", `did you mean "Tier"?`},
		{"apiVersion: projectcalico.org/v3\nkind: Pod\n", "write apiVersion: v1"},
		{"apiVersion: projectcalico.org/v1\nkind: Tier\n", "write apiVersion: projectcalico.org/v3"},
		{"a:\n\tb: c\n", "indent with spaces, not tabs, and quote values that begin with @, ` or %"},
	}
	for _, test := range tests {
		docs, problems := manifest.Parse("f", []byte(test.text))
		objects, p := manifest.Objects(docs)
		problems = append(problems, p...)
		_, p = manifest.State(objects)
		problems = append(problems, p...)
		if len(problems) != 1 || problems[0].Hint != test.want {
			t.Errorf("%q: problems %v, want one with the hint %q", test.text, problems, test.want)
		}
	}
}

func TestPosition(t *testing.T) {
	docs, problems := manifest.Parse("f", []byte("# a\n---\nkind: x\nspec:\n  a.b: 1\n  a:\n    b: 2\n  list:\n  - q: 1\n  - [x, y]\n"))
	if len(docs) != 1 || len(problems) != 0 {
		t.Fatalf("documents %v, problems %v", docs, problems)
	}
	for path, want := range map[string][2]int{
		"": {3, 1}, "kind": {3, 7}, "spec": {4, 1}, "spec.a.b": {5, 8}, "spec.list": {8, 3}, "spec.list[0]": {9, 5},
		"spec.list[0].q": {9, 8}, "spec.list[0].r": {9, 5}, "spec.list[1][1]": {10, 9}, "spec.list[7]": {8, 3},
		"spec.nothing.there": {4, 1}, "nothing": {3, 1}, "spec.list[": {8, 3},
	} {
		if line, column := docs[0].Position(path); line != want[0] || column != want[1] {
			t.Errorf("%q is at %d:%d, want %v", path, line, column, want)
		}
	}
}

func TestFailClosed(t *testing.T) {
	const policy = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p, namespace: blue}\nspec:\n"
	both := [2]bool{true, true}
	tests := []struct {
		text             string
		invalid, applies [2]bool
		selects          bool
	}{
		{"  ingress: [{action: Allow}]\n", [2]bool{}, [2]bool{true, false}, true},
		{"  ingress: [{action: Allow, sourc: {}}]\n", [2]bool{true, false}, [2]bool{true, false}, true},
		{"  types: [Egress]\n  egress: [{action: Allow, destination: {nets: {}}}]\n", [2]bool{false, true}, [2]bool{false, true}, true},
		{"  selectr: a\n", both, [2]bool{true, false}, true},
		{"  selector: [a]\n", both, [2]bool{true, false}, false},
		{"  types: Ingress\n", both, both, true},
		{"  ingress: [{action: Allow}, oops]\n", [2]bool{true, false}, [2]bool{true, false}, true},
	}
	for _, test := range tests {
		s, problems := state(t, policy+test.text)
		p := s.Policies[verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "p"}]
		if p == nil {
			t.Errorf("%q: no policy, problems %v", test.text, problems)
			continue
		}
		if p.Invalid != test.invalid || p.Applies != test.applies || (p.Selector != nil) != test.selects {
			t.Errorf("%q: invalid %v, applies %v, selector %v; want %+v", test.text, p.Invalid, p.Applies, p.Selector, test)
		}
	}
}

func TestImplied(t *testing.T) {
	s, problems := state(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {team: x}}\n")
	if problems != nil {
		t.Fatal(problems)
	}
	want := map[string]map[string]string{
		"default": {"kubernetes.io/metadata.name": "default"},
		"blue":    {"kubernetes.io/metadata.name": "blue", "team": "x"},
	}
	got := map[string]map[string]string{}
	for name, ns := range s.Namespaces {
		got[name] = ns.Labels
		if s.ServiceAccounts[model.Key{Kind: model.KindServiceAccount, Namespace: name, Name: "default"}] == nil {
			t.Errorf("namespace %s has no default service account", name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "default", Name: "a"}]; e == nil {
		t.Error("the pod without a namespace is not in default")
	}
}

func pods(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n", n)
	}
	return b.String()
}

func addresses(t *testing.T, text string) map[string]string {
	t.Helper()
	s, problems := state(t, text)
	if problems != nil {
		t.Fatal(problems)
	}
	got := map[string]string{}
	for _, e := range s.SortedEndpoints() {
		got[e.ID.Name] = fmt.Sprint(e.Addrs)
	}
	return got
}

func TestAddresses(t *testing.T) {
	alone := addresses(t, pods("a"))
	if !strings.HasPrefix(alone["a"], "[100.") {
		t.Fatalf("pod a has %s", alone["a"])
	}
	both := addresses(t, pods("b", "a"))
	if both["a"] != alone["a"] || both["b"] == both["a"] {
		t.Errorf("with another pod: %v, alone: %v", both, alone)
	}
	own := strings.Trim(alone["a"], "[]")
	for _, other := range []string{
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: c}\nstatus: {podIP: " + own + "}\n",
		"---\napiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: c}\nspec: {nets: [" + own + "/20]}\n",
		"---\napiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: c}\nspec: {nets: [" + own + "]}\n",
	} {
		if got := addresses(t, pods("a")+other); got["a"] == alone["a"] {
			t.Errorf("pod a has %s, which is written in%s", got["a"], other)
		}
	}
	for _, n := range []string{"0.0.0.0/0", "100.64.0.0/10"} {
		net := "---\napiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: c}\nspec: {nets: [" + n + "]}\n"
		if got := addresses(t, pods("a")+net); got["a"] != alone["a"] {
			t.Errorf("%s: pod a has %s, want %s", n, got["a"], alone["a"])
		}
	}
	none := addresses(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\nstatus: {phase: Failed}\n")
	if len(none) != 0 {
		t.Errorf("pods without a network of their own have addresses: %v", none)
	}
}

func TestAddressesAreDistinct(t *testing.T) {
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	seen := map[string]string{}
	for name, a := range addresses(t, pods(names...)) {
		if other, ok := seen[a]; ok {
			t.Fatalf("%s and %s both have %s", name, other, a)
		}
		seen[a] = name
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "sub/a.yml", "sub/c.json", "sub/d.txt", ".git/e.yaml", "z.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("kind: List\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := manifest.Files([]string{filepath.Join(dir, "z.yaml"), dir, "-", filepath.Join(dir, "sub", "d.txt")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], dir+"/")
	}
	if diff := cmp.Diff([]string{"z.yaml", "b.yaml", "sub/a.yml", "sub/c.json", "-", "sub/d.txt"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := manifest.Files([]string{filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err := manifest.Files([]string{filepath.Join(dir, ".git", "..", "sub2")}); err == nil {
		t.Error("a missing directory is no error")
	}
	empty := t.TempDir()
	if _, err := manifest.Files([]string{empty}); err == nil {
		t.Error("an empty directory is no error")
	}
}

func TestReadStdin(t *testing.T) {
	docs, problems, err := manifest.Read([]string{"-"}, strings.NewReader("kind: A\n---\nkind: B: C\n"))
	if err != nil || len(docs) != 1 || len(problems) != 1 || problems[0].File != "<stdin>" || problems[0].Line != 3 {
		t.Errorf("documents %v, problems %v, error %v", docs, problems, err)
	}
}

// FuzzParse holds that any text gives documents or problems and never a panic,
// and that every problem has a place inside the text.
func FuzzParse(f *testing.F) {
	f.Add("apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  selector: \"a === b\"\n  ingress:\n  - {action: Allow, protocol: 6, source: {nets: [10.0.0.0/8]}}\n")
	f.Add("apiVersion: v1\nkind: List\nitems:\n- &a {apiVersion: v1, kind: Pod, metadata: {name: a, labels: {<<: *a}}}\n")
	f.Add("kind: NetworkPolicyList\napiVersion: networking.k8s.io/v1\nitems: [{metadata: {name: x}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: ::/0}}]}]}}]\n")
	f.Add("apiVersion: v1\nkind: Node\nmetadata:\n  name: |\n    a\nspec: {podCIDRs: [a, !!binary b]}\n...\n%YAML 1.1\n---\n")
	f.Add("{\"apiVersion\": \"tierwall.dev/v1alpha1\", \"kind\": \"PolicyTest\"}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, problems := manifest.Parse("f", []byte(text))
		objects, p := manifest.Objects(docs)
		problems = append(problems, p...)
		s, p := manifest.State(objects)
		problems = append(problems, p...)
		if s == nil {
			t.Fatal("no state")
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.Code == "" || p.Message == "" || p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("problem without a place in the text of %d lines: %+v", lines, p)
			}
		}
	})
}

// TestAliases holds that aliases which multiply are refused in good time.
func TestAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Node\nmetadata: {name: a}\nl0: &l0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 10), ", "))
	}
	docs, problems := manifest.Parse("f", []byte(b.String()))
	if len(docs) != 1 || len(problems) != 0 {
		t.Fatalf("%d documents, problems %v", len(docs), problems)
	}
	var anything map[string]any
	problems = docs[0].Decode(&anything)
	if len(problems) != 1 || problems[0].Code != "too-large" {
		t.Errorf("problems %v", problems)
	}
}
