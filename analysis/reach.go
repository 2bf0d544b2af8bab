package analysis

import (
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
)

// reach is a selector as people wrote it: where it looks, and by which labels. A
// translated selector says both in one, with labels that nobody writes (scope and
// inherited ones, semantics.md section 5).
type reach struct {
	// pods: it takes in pods only, as Kubernetes' own policies do.
	pods bool
	// where is "of namespace blue", "running as accounts with ..."; "" for
	// anywhere.
	where []string
	// labels is the rest of the selector; "" for none.
	labels string
}

// Conditions that nobody writes, as translate makes them.
var (
	onlyPods     = selector.Equal(model.LabelOrchestrator, model.OrchestratorK8s)
	anyNamespace = selector.Has(model.LabelNamespace)
	noNamespace  = selector.Not(anyNamespace)
)

func reachOf(s *selector.Selector) reach {
	var r reach
	var rest []string
	parts := s.Conjuncts()
	for _, part := range parts {
		switch {
		case part.IsAll():
		case part.Equal(onlyPods):
			r.pods = true
		case part.Equal(anyNamespace):
			r.where = append(r.where, "of any namespace")
		case part.Equal(noNamespace):
			r.where = append(r.where, "of no namespace")
		default:
			if where := placeInWords(part); where != "" {
				r.where = append(r.where, where)
			} else {
				rest = append(rest, part.String())
			}
		}
	}
	r.labels = strings.Join(rest, " && ")
	if len(parts) == 1 && strings.HasPrefix(r.labels, "(") { // alternatives, with nothing beside them
		r.labels = r.labels[1 : len(r.labels)-1]
	}
	return r
}

// placeInWords is empty for a condition on an object's own labels, and for one
// that names labels of different kinds.
func placeInWords(part *selector.Selector) string {
	for _, place := range []struct{ key, noun string }{
		{model.LabelNamespace, "of namespace"},
		{model.PrefixNamespace + model.LabelName, "of namespace"},
		{model.LabelServiceAccount, "running as account"},
		{model.PrefixServiceAcct + model.LabelName, "running as account"},
	} {
		if names, ok := part.Values(place.key); ok && len(names) > 0 {
			return counted(place.noun, names)
		}
	}
	if labels, ok := part.Unprefixed(model.PrefixNamespace); ok {
		return "of namespaces with " + labels.String()
	}
	if labels, ok := part.Unprefixed(model.PrefixServiceAcct); ok {
		return "running as accounts with " + labels.String()
	}
	return ""
}

func counted(noun string, names []string) string {
	if len(names) != 1 {
		noun += "s"
	}
	return noun + " " + strings.Join(names, ", ")
}
