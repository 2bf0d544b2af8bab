package crds

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// internalForm converts a definition as the API server does before it
// validates it: with defaults, in the unversioned form.
func internalForm(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) *apiextensions.CustomResourceDefinition {
	t.Helper()
	crd = crd.DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	out := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, out, nil); err != nil {
		t.Fatalf("convert %s: %v", crd.Name, err)
	}
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			out.Status.StoredVersions = []string{v.Name}
		}
	}
	return out
}

// TestServerAccepts runs what an API server runs when a definition is created:
// the schema is structural, every CEL rule compiles, and the estimated cost of
// each rule and of all of them is within the budget.
func TestServerAccepts(t *testing.T) {
	for kind, crd := range byKind(t) {
		t.Run(kind, func(t *testing.T) {
			for _, e := range validation.ValidateCustomResourceDefinition(context.Background(), internalForm(t, crd)) {
				t.Error(e)
			}
		})
	}
}

// TestHeadroom holds a margin to the budget: a server of another version may
// estimate a little more.
func TestHeadroom(t *testing.T) {
	const share = 0.8
	for kind, crd := range byKind(t) {
		schema := rootSchema(t, internalForm(t, crd))
		sum := &costs{}
		sum.add(t, schema, validation.RootCELContext(schema), "")
		t.Logf("%-30s total %5.1f%% of the budget, dearest rule %5.1f%% at %s", kind,
			100*sum.total/validation.StaticEstimatedCRDCostLimit, 100*sum.dearest/validation.StaticEstimatedCostLimit, sum.at)
		if sum.total > share*validation.StaticEstimatedCRDCostLimit {
			t.Errorf("%s: the rules together cost %.0f", kind, sum.total)
		}
		if sum.dearest > share*validation.StaticEstimatedCostLimit {
			t.Errorf("%s: the rule at %s costs %.0f", kind, sum.at, sum.dearest)
		}
	}
}

// costs adds up the estimates of the rules of a schema.
type costs struct {
	total, dearest float64
	at             string
}

// add walks a schema in step with the context that knows how often each node
// can occur.
func (c *costs) add(t *testing.T, s *apiextensions.JSONSchemaProps, ctx *validation.CELSchemaContext, path string) {
	t.Helper()
	if len(s.XValidations) > 0 {
		info, err := ctx.TypeInfo()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
		results, err := cel.Compile(info.Schema, info.DeclType, celconfig.PerCallLimit, base, cel.NewExpressionsEnvLoader())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for i, r := range results {
			times := math.Inf(1)
			if ctx.MaxCardinality != nil {
				times = float64(*ctx.MaxCardinality)
			}
			cost := float64(r.MaxCost) * times
			c.total += cost
			if cost > c.dearest {
				c.dearest, c.at = cost, fmt.Sprintf("%s[%d]", path, i)
			}
		}
	}
	for name, child := range s.Properties {
		c.add(t, &child, ctx.ChildPropertyContext(&child, name), path+"."+name)
	}
	if s.Items != nil && s.Items.Schema != nil {
		c.add(t, s.Items.Schema, ctx.ChildItemsContext(s.Items.Schema), path+"[]")
	}
}

// TestLargePolicy holds that the budget at run time does not refuse a policy
// near the largest that an API server stores, 1.5 MB.
func TestLargePolicy(t *testing.T) {
	s := newServer(t)
	nets := make([]string, 20)
	for i := range nets {
		nets[i] = fmt.Sprintf("10.%d.0.0/16", i)
	}
	one := fmt.Sprintf("{action: Allow, protocol: TCP, source: {nets: [%s], selector: \"%s\"}, destination: {notNets: [%[1]s], namespaceSelector: \"%[2]s\", ports: [%[3]s]}}",
		strings.Join(nets, ","), "app == '"+strings.Repeat("x", 100)+"'", strings.TrimSuffix(strings.Repeat("80, '443', '1024:2048', web,", 4), ","))
	spec := "{ingress: [" + strings.TrimSuffix(strings.Repeat(one+",", 1024), ",") + "]}"
	t.Logf("%d bytes", len(spec))
	if got := s.create(t, object(t, "GlobalNetworkPolicy", "large", spec)); len(got) > 0 {
		t.Errorf("refused: %v", got)
	}
}
