package manager

import (
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
)

// selecting finds the policies that select on what namespaces and service
// accounts give the endpoints in them.
type selecting struct {
	// any are policies by a label that they name, and required those that need
	// one of some values of it.
	any      map[string][]string
	required map[string]map[string][]string
}

func newSelecting(s *model.State) *selecting {
	x := &selecting{any: map[string][]string{}, required: map[string]map[string][]string{}}
	for id, p := range s.Policies {
		x.add(id.String(), p.Selector)
		for _, rules := range p.Rules {
			for _, r := range rules {
				for _, s := range []*selector.Selector{r.Source.Selector, r.Source.NotSelector, r.Destination.Selector, r.Destination.NotSelector} {
					x.add(id.String(), s)
				}
			}
		}
	}
	return x
}

func (x *selecting) add(policy string, s *selector.Selector) {
	if s == nil {
		return
	}
	needs := s.Requirements()
	for _, key := range s.Keys() {
		if !strings.HasPrefix(key, model.PrefixNamespace) && !strings.HasPrefix(key, model.PrefixServiceAcct) {
			continue
		}
		i := slices.IndexFunc(needs, func(r selector.Requirement) bool { return r.Key == key })
		if i < 0 || needs[i].Values == nil {
			x.any[key] = append(x.any[key], policy)
			continue
		}
		for _, value := range needs[i].Values {
			if x.required[key] == nil {
				x.required[key] = map[string][]string{}
			}
			x.required[key][value] = append(x.required[key][value], policy)
		}
	}
}

// by returns the policies that name a label which is inherited, with the prefix,
// from something of that name and labels, and that do not need another value of
// it; sorted.
func (x *selecting) by(prefix, name string, labels map[string]string) []string {
	out := []string{}
	add := func(key, value string) {
		out = append(out, x.any[prefix+key]...)
		out = append(out, x.required[prefix+key][value]...)
	}
	for key, value := range labels {
		if key != model.LabelName {
			add(key, value)
		}
	}
	add(model.LabelName, name)
	slices.Sort(out)
	return slices.Compact(out)
}
