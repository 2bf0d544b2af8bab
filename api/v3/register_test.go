package v3

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestScheme(t *testing.T) {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	kinds := []string{
		KindTier, KindNetworkPolicy, KindGlobalNetworkPolicy, KindStagedNetworkPolicy, KindStagedGlobalNetworkPolicy,
		KindStagedKubernetesNetworkPolicy, KindNetworkSet, KindGlobalNetworkSet, KindHostEndpoint, KindProfile,
		KindFelixConfiguration, KindKubeControllersConfiguration,
	}
	for _, kind := range kinds {
		for _, k := range []string{kind, kind + "List"} {
			if obj, err := s.New(GroupVersion.WithKind(k)); err != nil || obj == nil {
				t.Errorf("%s: %v", k, err)
			}
		}
	}
	var ours int
	for _, typ := range s.KnownTypes(GroupVersion) {
		if strings.HasSuffix(typ.PkgPath(), "/api/v3") {
			ours++
		}
	}
	if ours != 2*len(kinds) {
		t.Errorf("%d types are registered, %d expected", ours, 2*len(kinds))
	}
	if got := Resource("tiers").String(); got != "tiers.projectcalico.org" {
		t.Errorf("Resource: %s", got)
	}
}

// One object with something in every corner of a rule decodes into the fields it
// names, comes back the same, and is not shared by its copy.
func TestPolicyRoundTrip(t *testing.T) {
	const text = `{
	"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkPolicy","metadata":{"name":"p"},
	"spec":{"tier":"sec","order":10.5,"selector":"a == 'b'","types":["Ingress","Egress"],
	"doNotTrack":true,"preDNAT":true,"applyOnForward":true,"namespaceSelector":"all()",
	"serviceAccountSelector":"sa","performanceHints":["AssumeNeededOnEveryNode"],
	"ingress":[{"action":"Allow","ipVersion":4,"protocol":"TCP","notProtocol":17,
	"icmp":{"type":8,"code":0},"notICMP":{"type":0},
	"source":{"nets":["10.0.0.0/8"],"selector":"x","namespaceSelector":"global()","services":{"name":"s","namespace":"n"},
	"ports":[80,"90:99","web",70000],"domains":["*.example.org"],"notNets":["10.1.0.0/16"],"notSelector":"y","notPorts":[1],
	"serviceAccounts":{"names":["robot"],"selector":"z"}},
	"http":{"methods":["GET"],"paths":[{"exact":"/a"},{"prefix":"/b"}],"headers":[{"header":"h","operator":"In","values":["v"]}]},
	"metadata":{"annotations":{"k":"v"}}}],
	"egress":[{"action":"Pass"}]},
	"status":{"conditions":[{"type":"Accepted","status":"True","observedGeneration":3,"lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R","message":""}]}}`
	var policy GlobalNetworkPolicy
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&policy); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(&policy)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	for _, x := range []struct {
		text []byte
		into *any
	}{{[]byte(text), &want}, {out, &got}} {
		if err := json.Unmarshal(x.text, x.into); err != nil {
			t.Fatal(err)
		}
	}
	delete(got.(map[string]any)["metadata"].(map[string]any), "creationTimestamp")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	copied := policy.DeepCopy()
	copied.Spec.Ingress[0].Source.Ports[0] = PortNumber(81)
	*copied.Spec.Ingress[0].Protocol = ProtocolUDP
	if policy.Spec.Ingress[0].Source.Ports[0] != PortNumber(80) || *policy.Spec.Ingress[0].Protocol != ProtocolTCP {
		t.Error("a copy shares a rule with its original")
	}
}

// An absent entity is written as absent, so that what the API stores is what
// the user wrote.
func TestEmptyEntityIsOmitted(t *testing.T) {
	out, err := json.Marshal(Rule{Action: Allow})
	if err != nil || string(out) != `{"action":"Allow"}` {
		t.Errorf("%s, %v", out, err)
	}
}
