package crds

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// files has one definition each; embedding keeps them in alphabetical order.
// Those in upstream are other projects'.
//
//go:embed *.yaml upstream/*.yaml
var files embed.FS

// All returns every definition of projectcalico.org/v3, sorted by name. Each
// call returns new values. An error means that the program was built from a file
// that is no definition.
func All() ([]*apiextensionsv1.CustomResourceDefinition, error) { return read(".") }

// Upstream returns the definitions of kinds that other projects own and that
// are read here: ClusterNetworkPolicy. Otherwise it is as All.
func Upstream() ([]*apiextensionsv1.CustomResourceDefinition, error) { return read("upstream") }

func read(folder string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	entries, err := files.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list embedded definitions: %w", err)
	}
	var all []*apiextensionsv1.CustomResourceDefinition
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		text, err := files.ReadFile(path.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read embedded definition: %w", err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, crd); err != nil {
			return nil, fmt.Errorf("definition %s: %w", e.Name(), err)
		}
		all = append(all, crd)
	}
	slices.SortFunc(all, func(a, b *apiextensionsv1.CustomResourceDefinition) int {
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}
