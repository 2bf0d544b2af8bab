package crds

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// byKind returns the definitions by kind.
func byKind(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, crd := range all {
		kinds[crd.Spec.Names.Kind] = crd
	}
	return kinds
}

// TestNames holds the scope, the resource and the short names of each kind, and
// what all of them have in common.
func TestNames(t *testing.T) {
	want := map[string][]string{
		"Tier":                          {"Cluster", "tiers"},
		"NetworkPolicy":                 {"Namespaced", "networkpolicies", "cnp", "caliconetworkpolicy", "caliconetworkpolicies"},
		"GlobalNetworkPolicy":           {"Cluster", "globalnetworkpolicies", "gnp", "cgnp", "calicoglobalnetworkpolicies"},
		"StagedNetworkPolicy":           {"Namespaced", "stagednetworkpolicies", "snp"},
		"StagedGlobalNetworkPolicy":     {"Cluster", "stagedglobalnetworkpolicies", "sgnp"},
		"StagedKubernetesNetworkPolicy": {"Namespaced", "stagedkubernetesnetworkpolicies", "sknp"},
		"NetworkSet":                    {"Namespaced", "networksets", "netset", "netsets"},
		"GlobalNetworkSet":              {"Cluster", "globalnetworksets", "gns"},
		"HostEndpoint":                  {"Cluster", "hostendpoints", "hep", "heps"},
		"Profile":                       {"Cluster", "profiles"},
		"FelixConfiguration":            {"Cluster", "felixconfigurations"},
		"KubeControllersConfiguration":  {"Cluster", "kubecontrollersconfigurations"},
	}
	got := map[string][]string{}
	for kind, crd := range byKind(t) {
		got[kind] = append([]string{string(crd.Spec.Scope), crd.Spec.Names.Plural}, crd.Spec.Names.ShortNames...)
		v := crd.Spec.Versions[0]
		if crd.Spec.Group != "projectcalico.org" || len(crd.Spec.Versions) != 1 || v.Name != "v3" || !v.Storage || !v.Served {
			t.Errorf("%s is not projectcalico.org/v3", kind)
		}
		if v.Subresources == nil || v.Subresources.Status == nil {
			t.Errorf("%s has no status subresource", kind)
		}
		if !slices.Equal(crd.Spec.Names.Categories, []string{"tierwall"}) {
			t.Errorf("%s has the categories %v", kind, crd.Spec.Names.Categories)
		}
		// kubectl apply keeps the whole object in an annotation.
		if text, err := json.Marshal(crd); err != nil || len(text) > 200<<10 {
			t.Errorf("%s has %d bytes (%v), too many for kubectl apply", kind, len(text), err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAllIsSortedAndFresh(t *testing.T) {
	first, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(first, func(a, b *apiextensionsv1.CustomResourceDefinition) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted by name")
	}
	first[0].Spec.Group = "changed"
	if second, _ := All(); second[0].Spec.Group == "changed" {
		t.Error("two calls share a value")
	}
}

// TestColumns holds the headers that kubectl get prints.
func TestColumns(t *testing.T) {
	want := map[string]string{
		"Tier":                          "Order Default Age",
		"NetworkPolicy":                 "Tier Order Selector Types Programmed Age",
		"GlobalNetworkPolicy":           "Tier Order Scope Selector Types Programmed Age",
		"StagedNetworkPolicy":           "Tier Order Action Selector Types Age",
		"StagedGlobalNetworkPolicy":     "Tier Order Action Scope Selector Types Age",
		"StagedKubernetesNetworkPolicy": "Action Types Age",
		"NetworkSet":                    "Age",
		"GlobalNetworkSet":              "Age",
		"HostEndpoint":                  "Node Interface Age",
		"Profile":                       "Age",
		"FelixConfiguration":            "ToHost Age",
		"KubeControllersConfiguration":  "AutoHostEndpoints Age",
	}
	got := map[string]string{}
	for kind, crd := range byKind(t) {
		var names []string
		for _, c := range crd.Spec.Versions[0].AdditionalPrinterColumns {
			names = append(names, c.Name)
		}
		got[kind] = strings.Join(names, " ")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// ruleFields are the fields of a rule in semantics.md section 1, as paths.
const ruleFields = `action ipVersion protocol notProtocol icmp.type icmp.code notICMP.type notICMP.code
http.methods http.paths.exact http.paths.prefix http.headers.header http.headers.operator http.headers.values metadata.annotations
source.nets source.notNets source.selector source.notSelector source.namespaceSelector source.serviceAccounts.names
source.serviceAccounts.selector source.services.name source.services.namespace source.ports source.notPorts source.domains
destination.nets destination.notNets destination.selector destination.notSelector destination.namespaceSelector
destination.serviceAccounts.names destination.serviceAccounts.selector destination.services.name
destination.services.namespace destination.ports destination.notPorts destination.domains`

// TestFields holds that the spec of each kind has exactly the fields of
// semantics.md section 1, in their spelling.
func TestFields(t *testing.T) {
	const policy = "tier order selector types serviceAccountSelector performanceHints"
	const global = policy + " namespaceSelector doNotTrack preDNAT applyOnForward"
	const kubernetes = `stagedAction podSelector.matchLabels podSelector.matchExpressions.key podSelector.matchExpressions.operator
podSelector.matchExpressions.values policyTypes`
	want := map[string]string{
		"Tier":                      "order defaultAction",
		"NetworkPolicy":             policy,
		"GlobalNetworkPolicy":       global,
		"StagedNetworkPolicy":       policy + " stagedAction",
		"StagedGlobalNetworkPolicy": global + " stagedAction",
		"NetworkSet":                "nets allowedEgressDomains",
		"GlobalNetworkSet":          "nets allowedEgressDomains",
		"HostEndpoint":              "node interfaceName expectedIPs profiles ports.name ports.protocol ports.port",
		"Profile":                   "labelsToApply",
		"FelixConfiguration": `defaultEndpointToHostAction failsafeInboundHostPorts.protocol failsafeInboundHostPorts.port failsafeInboundHostPorts.net
failsafeOutboundHostPorts.protocol failsafeOutboundHostPorts.port failsafeOutboundHostPorts.net nftablesFilterDenyAction iptablesFilterDenyAction
logPrefix logActionRateLimit logActionRateLimitBurst dnsTrustedServers dnsExtraTTL dnsPacketsNfqueueMaxHoldDuration dnsCacheEpoch`,
		"KubeControllersConfiguration": `controllers.node.hostEndpoint.autoCreate controllers.node.hostEndpoint.createDefaultHostEndpoint
controllers.node.hostEndpoint.templates.generateName controllers.node.hostEndpoint.templates.interfaceCIDRs
controllers.node.hostEndpoint.templates.interfacePattern controllers.node.hostEndpoint.templates.nodeSelector
controllers.node.hostEndpoint.templates.labels`,
	}
	for kind, crd := range byKind(t) {
		spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		got := leaves(&spec, "")
		fields := strings.Fields(want[kind])
		switch {
		case kind == "StagedKubernetesNetworkPolicy":
			// Its rules are a type of Kubernetes'.
			fields = strings.Fields(kubernetes)
			got = slices.DeleteFunc(got, func(f string) bool { return strings.HasPrefix(f, "ingress.") || strings.HasPrefix(f, "egress.") })
		case strings.HasSuffix(kind, "Policy") || kind == "Profile":
			for _, f := range strings.Fields(ruleFields) {
				fields = append(fields, "ingress."+f, "egress."+f)
			}
		}
		slices.Sort(fields)
		slices.Sort(got)
		if d := cmp.Diff(fields, got); d != "" {
			t.Errorf("%s:\n%s", kind, d)
		}
	}
}

// leaves lists the paths of the fields below a schema, lists being passed over.
func leaves(s *apiextensionsv1.JSONSchemaProps, path string) []string {
	if s.Items != nil && s.Items.Schema != nil {
		return leaves(s.Items.Schema, path)
	}
	if len(s.Properties) == 0 {
		return []string{path}
	}
	var all []string
	for name, child := range s.Properties {
		all = append(all, leaves(&child, strings.TrimPrefix(path+"."+name, "."))...)
	}
	return all
}

// TestNothingIsPreserved holds that no definition keeps fields it does not
// know: a misspelt field is told to the user, and not ignored. Settings are the
// exception: manifests of other systems are full of fields that do nothing here,
// and those are named in the status.
func TestNothingIsPreserved(t *testing.T) {
	for kind, crd := range byKind(t) {
		text, err := json.Marshal(crd)
		if err != nil {
			t.Fatal(err)
		}
		if kind == "FelixConfiguration" || kind == "KubeControllersConfiguration" {
			continue
		}
		if crd.Spec.PreserveUnknownFields || strings.Contains(string(text), "preserve-unknown-fields") {
			t.Errorf("%s preserves unknown fields", kind)
		}
	}
}
