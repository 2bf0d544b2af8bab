package admissiontest

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/translate"
)

func resource(plural string) schema.GroupVersionResource { return v3.GroupVersion.WithResource(plural) }

// wrong is an object with what is wrong with it and what is said; sound is the
// spec that it is changed from.
type wrong struct {
	name, kind, spec, says string
	sound                  string
}

// wrongs are the rows of semantics.md section 3 that neither schema nor CEL can
// say.
func wrongs() []wrong {
	rule := func(fields string) string { return "{ingress: [{action: Allow, " + fields + "}]}" }
	const np, gnp = "NetworkPolicy", "GlobalNetworkPolicy"
	return []wrong{
		{"a selector", np, "{selector: app = 'web'}", `spec.selector: expected == or != at character 5, found "=" (write == to compare, not =)`, "{}"},
		{"a rule's selector", gnp, rule("source: {selector: app == web}"), "spec.ingress[0].source.selector: expected string at character 8", "{}"},
		{"an account selector", gnp, "{serviceAccountSelector: '('}", "spec.serviceAccountSelector: ", "{}"},
		{"a namespace selector", gnp, "{namespaceSelector: 'a =='}", "spec.namespaceSelector: expected string", "{}"},
		{"a net", np, rule("source: {nets: [10.0.0.0/33]}"), `spec.ingress[0].source.nets[0]: invalid CIDR: "10.0.0.0/33"`, "{}"},
		{"a net that is not masked", np, rule("source: {nets: [10.0.0.7/8]}"), `spec.ingress[0].source.nets[0]: "10.0.0.7/8" has bits set behind its prefix length (write 10.0.0.0/8)`, "{}"},
		{"families", np, rule("source: {nets: [10.0.0.0/8]}, destination: {nets: ['2001:db8::/32']}"), "spec.ingress[0]: rule contains both IPv4 and IPv6 CIDRs", "{}"},
		{"nets against ipVersion", gnp, rule("ipVersion: 4, source: {nets: ['2001:db8::/32']}"), "spec.ingress[0].ipVersion: rule IP version doesn't match CIDR version", "{}"},
		{"a range upside down", gnp, rule("protocol: TCP, destination: {ports: ['90:80']}"), `spec.ingress[0].destination.ports[0]: port range invalid: "90:80"`, "{}"},
		{"a set's net", "GlobalNetworkSet", "{nets: [10.0.0.0/8, 300.0.0.1]}", `spec.nets[1]: "300.0.0.1" is neither a CIDR nor an address`, "{nets: [10.0.0.0/8]}"},
		{"an expected IP", "HostEndpoint", "{node: n1, expectedIPs: [1.2.3.4.5]}", "spec.expectedIPs[0]: ", "{node: n1, expectedIPs: [10.0.0.1]}"},
		{"a profile's rule", "Profile", rule("source: {selector: '('}"), "spec.ingress[0].source.selector: ", "{}"},
		{"a staged policy's selector", "StagedNetworkPolicy", "{selector: '('}", "spec.selector: ", "{}"},
		{"a staged global policy's net", "StagedGlobalNetworkPolicy", rule("source: {nets: [10.0.0.7/8]}"), "has bits set behind its prefix length", "{}"},
		{"a staged Kubernetes policy's net", "StagedKubernetesNetworkPolicy", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}", "spec.ingress[0].from[0].ipBlock.cidr: ", "{podSelector: {}}"},
		{"a tier that is not there", np, "{tier: nowhere}", `spec.tier: Tier "nowhere" does not exist (create the tier, or name one that exists)`, "{}"},
		{"a tier that is not there, global", gnp, "{tier: nowhere}", `Tier "nowhere" does not exist`, "{}"},
		{"a tier that is not there, staged", "StagedNetworkPolicy", "{tier: nowhere}", `Tier "nowhere" does not exist`, "{}"},
	}
}

// wrongObjects: create, update, patch and server-side apply, of a new object and
// of one that is there.
func (w *world) wrongObjects(t *testing.T) {
	for _, row := range wrongs() {
		t.Run(row.name, func(t *testing.T) {
			text := func(name, spec string) string {
				return "{kind: " + row.kind + ", metadata: {name: " + name + namespaceOf(row.kind) + "}, spec: " + spec + "}"
			}
			bad := parse(t, text("bad", row.spec))
			_, err := in(w.admin, bad).Create(w.ctx, bad, metav1.CreateOptions{})
			says(t, err, row.says)
			if err != nil && !apierrors.IsInvalid(err) {
				t.Errorf("not of the sort Invalid: %v", err)
			}
			says(t, w.apply(w.admin, bad), row.says)

			live := w.must(t, w.admin, text("sound", row.sound))
			defer w.delete(t, live)
			says(t, w.update(w.admin, live, func(u *unstructured.Unstructured) { u.Object["spec"] = bad.Object["spec"] }), row.says)
			says(t, w.patch(w.admin, live, `{"spec": `+marshal(t, bad.Object["spec"])+`}`), row.says)
			bad.SetName("sound")
			says(t, w.apply(w.admin, bad), row.says)
		})
	}
	t.Run("all problems at once", func(t *testing.T) {
		u := parse(t, "{kind: NetworkPolicy, metadata: {name: p, namespace: blue}, spec: {tier: nowhere, selector: '(', ingress: [{action: Allow, source: {nets: [a, 10.0.0.7/8]}}]}}")
		_, err := in(w.admin, u).Create(w.ctx, u, metav1.CreateOptions{})
		for _, text := range []string{`Tier "nowhere" does not exist`, "spec.selector: ", "spec.ingress[0].source.nets[0]: ", "spec.ingress[0].source.nets[1]: "} {
			says(t, err, text)
		}
		var status apierrors.APIStatus
		if s, ok := err.(apierrors.APIStatus); ok {
			status = s
		} else {
			t.Fatal("no status")
		}
		if d := status.Status().Details; d == nil || len(d.Causes) != 4 {
			t.Errorf("details: %+v", d)
		}
	})
	t.Run("a reserved label", func(t *testing.T) {
		u := parse(t, "{kind: NetworkSet, metadata: {name: s, namespace: blue, labels: {projectcalico.org/namespace: red}}}")
		_, err := in(w.admin, u).Create(w.ctx, u, metav1.CreateOptions{})
		says(t, err, "metadata.labels: projectcalico.org/namespace is not a valid label name")
	})
}

func namespaceOf(kind string) string {
	switch kind {
	case "NetworkPolicy", "StagedNetworkPolicy", "StagedKubernetesNetworkPolicy", "NetworkSet":
		return ", namespace: blue"
	}
	return ""
}

// heard gathers what the API warns of.
type heard struct {
	mu   sync.Mutex
	text []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (h *heard) HandleWarningHeader(_ int, _, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, text)
}

func (w *world) warnings(t *testing.T) {
	h := &heard{}
	config := rest.CopyConfig(w.plane.Config)
	config.WarningHandler = h
	client := dynamic.NewForConfigOrDie(config)
	u := w.must(t, client, "{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {selector: 'has(x)', ingress: [{action: Allow, http: {methods: [GET]}}]}}")
	defer w.delete(t, u)
	if len(h.text) != 1 || h.text[0] == "" {
		t.Fatalf("warnings: %q", h.text)
	}
	t.Log(h.text[0])
	h.text = nil
	w.must(t, client, "{kind: GlobalNetworkPolicy, metadata: {name: q}, spec: {selector: 'has(x)'}}")
	if len(h.text) != 0 {
		t.Errorf("a policy that is supported whole: %q", h.text)
	}
}

// sameAsValidate gives the same files to the offline reader and to the cluster.
// Each object that one of them refuses the other has to refuse.
func (w *world) sameAsValidate(t *testing.T) {
	offline := func(text string) bool {
		docs, problems := manifest.Parse("test.yaml", []byte(text))
		objects, more := manifest.Objects(docs)
		_, rest := manifest.State(objects)
		for _, p := range append(append(problems, more...), rest...) {
			if server.Refuses(p) {
				return true
			}
		}
		return false
	}
	refused := 0
	for _, row := range wrongs() {
		if !translated(t, row.kind) {
			continue
		}
		for _, spec := range []string{row.spec, row.sound} {
			text := "{apiVersion: projectcalico.org/v3, kind: " + row.kind + ", metadata: {name: same" + namespaceOf(row.kind) + "}, spec: " + spec + "}"
			u := parse(t, text)
			_, err := in(w.admin, u).Create(w.ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				refused++
			}
			if got := offline(text); got != (err != nil) {
				t.Errorf("%s %s: refused offline: %v, at admission: %v", row.kind, spec, got, err)
			}
		}
	}
	accepted := 0
	files, err := filepath.Glob("../../api/crds/testdata/accepted/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %v %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, problems := manifest.Parse(file, text)
		objects, more := manifest.Objects(docs)
		if len(problems)+len(more) > 0 {
			t.Errorf("%s: %v %v", file, problems, more)
		}
		accepted += w.sameObjects(t, file, objects)
	}
	t.Logf("%d refused, %d objects of files", refused, accepted)
	if refused < 10 || accepted < 20 {
		t.Errorf("only %d refused and %d objects of files", refused, accepted)
	}
}

// translated reports whether translate reads the kind at all. What it does not,
// staged policies, only admission judges.
func translated(t *testing.T, kind string) bool {
	docs, _ := manifest.Parse("kind.yaml", []byte("{apiVersion: projectcalico.org/v3, kind: "+kind+", metadata: {name: x"+namespaceOf(kind)+"}}"))
	objects, _ := manifest.Objects(docs)
	if len(objects) != 1 {
		t.Fatalf("%s: %d objects", kind, len(objects))
	}
	_, problems := translate.Object(objects[0].Value)
	return !slices.ContainsFunc(problems, func(p model.Problem) bool { return p.Code == "not-supported" && p.Path == "" })
}

// sameObjects compares, object by object, what translate says and what the
// cluster does.
func (w *world) sameObjects(t *testing.T, file string, objects []*manifest.Object) int {
	for _, o := range objects {
		u := unstructuredOf(t, o)
		_, err := in(w.admin, u).Create(w.ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsAlreadyExists(err) {
			err = nil // built-in tiers
		}
		var wrong []string
		for _, p := range server.Problems(o.Value) {
			if server.Refuses(p) {
				wrong = append(wrong, p.String())
			}
		}
		missing := err != nil && (apierrors.IsNotFound(err) || contains(err.Error(), "does not exist")) // its namespace or tier
		if (err != nil) != (len(wrong) > 0) && !missing {
			t.Errorf("%s: %s: offline %v, at admission: %v", file, o.Name(), wrong, err)
		}
	}
	return len(objects)
}
