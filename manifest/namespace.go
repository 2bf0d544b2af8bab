package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/internal/spelling"
	"github.com/tierwall/tierwall/model"
)

// missingNamespaces warns of policies and network sets in namespaces that the
// objects leave out, if they have namespaces at all: such policies select
// nothing. Files without any namespace are a part of something larger, and the
// namespaces that every cluster has need not be written.
func missingNamespaces(objects []*Object) []model.Problem {
	known := map[string]bool{}
	for _, o := range objects {
		if o.Kind.Kind == "Namespace" {
			known[o.Value.GetName()] = true
		}
	}
	if len(known) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(known))
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		known[name] = true
	}
	hints := map[string]string{}
	var all []model.Problem
	for _, o := range objects {
		name := o.Value.GetNamespace()
		if known[name] || !o.Kind.Namespaced || !strings.HasSuffix(o.Kind.Kind, "NetworkPolicy") && o.Kind.Kind != "NetworkSet" {
			continue
		}
		if _, ok := hints[name]; !ok {
			hints[name] = "add the namespace to the input, or move the object to one that exists"
			if near := spelling.Nearest(name, names); near != "" {
				hints[name] = fmt.Sprintf("did you mean %q? Else add the namespace to the input", near)
			}
		}
		all = append(all, o.locate(model.Problem{
			Code: "namespace-missing", Object: o.Name(), Path: "metadata.namespace", Warning: true,
			Message: fmt.Sprintf("namespace %q is not in the input", name), Hint: hints[name],
		}))
	}
	return all
}
