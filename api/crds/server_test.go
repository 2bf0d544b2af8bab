package crds

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// server does with objects what an API server with our definitions does, in
// the same order and with its code: defaults, unknown fields, schema, list
// types, CEL.
type server map[string]*kindServer

type kindServer struct {
	structural *structuralschema.Structural
	schema     apiservervalidation.SchemaValidator
	cel        *cel.Validator
}

func newServer(t *testing.T) server {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	s := server{}
	for _, crd := range all {
		props := rootSchema(t, internalForm(t, crd))
		structural, err := structuralschema.NewStructural(props)
		if err != nil {
			t.Fatalf("%s: %v", crd.Name, err)
		}
		schema, _, err := apiservervalidation.NewSchemaValidator(props)
		if err != nil {
			t.Fatalf("%s: %v", crd.Name, err)
		}
		s[crd.Spec.Names.Kind] = &kindServer{
			structural: structural,
			schema:     schema,
			cel:        cel.NewValidator(structural, true, celconfig.PerCallLimit),
		}
	}
	return s
}

// rootSchema returns the schema of the only version of a definition, which the
// conversion hoists to the top.
func rootSchema(t *testing.T, crd *apiextensions.CustomResourceDefinition) *apiextensions.JSONSchemaProps {
	t.Helper()
	if len(crd.Spec.Versions) != 1 || crd.Spec.Validation == nil {
		t.Fatalf("%s: want one version with a schema", crd.Name)
	}
	return crd.Spec.Validation.OpenAPIV3Schema
}

// create returns the object as it would be stored and the complaints about it,
// each as "path: text".
func (s server) create(t *testing.T, object map[string]any) (complaints []string) {
	t.Helper()
	kind, _ := object["kind"].(string)
	k := s[kind]
	if k == nil {
		t.Fatalf("no definition of kind %q", kind)
	}
	for _, path := range pruning.PruneWithOptions(object, k.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		complaints = append(complaints, path+": unknown field")
	}
	defaulting.Default(object, k.structural)
	errs := apiservervalidation.ValidateCustomResource(nil, object, k.schema)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	if len(errs) == 0 {
		errs, _ = k.cel.Validate(context.Background(), nil, k.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	for _, e := range errs {
		complaints = append(complaints, e.Error())
	}
	return complaints
}

// object assembles an object from its parts; spec is YAML.
func object(t *testing.T, kind, name, spec string) map[string]any {
	t.Helper()
	var parsed any
	if err := yaml.UnmarshalStrict([]byte(spec), &parsed); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return map[string]any{
		"apiVersion": "projectcalico.org/v3",
		"kind":       kind,
		"metadata":   map[string]any{"name": name},
		"spec":       integers(parsed),
	}
}

// integers turns the whole floats of a YAML document into integers, as the API
// server's decoder does.
func integers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = integers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case nil, string, bool:
	default:
		panic(fmt.Sprintf("unexpected %T", v))
	}
	return v
}
