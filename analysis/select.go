package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/internal/spelling"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// SelectKinds returns the kinds that Select knows. "all" stands for what rules
// can match: pods, host endpoints and network sets of both kinds.
func SelectKinds() []string {
	return []string{"all", "pods", "hostendpoints", "networksets", "globalnetworksets", "namespaces", "serviceaccounts", "nodes"}
}

// Selection asks what a selector matches.
type Selection struct {
	// Kind is one of SelectKinds; empty is "all".
	Kind string
	// Selector is in the language of semantics.md section 4. global() stands
	// for what is in no namespace, as in a rule's namespaceSelector.
	Selector string
	// Namespace limits the answer to one namespace; empty is all, and what is
	// in none.
	Namespace string
}

// Selected is one object that a selector matches.
type Selected struct {
	Kind string `json:"kind"`
	// Name is the reference of commands.md where there is one, else
	// namespace/name or the name.
	Name string `json:"name"`
	// Labels are the object's own.
	Labels map[string]string `json:"labels"`
	// Addresses are the addresses or networks that rules match; never nil.
	Addresses []string `json:"addresses"`
	// Domains are those that a network set allows; nil for none.
	Domains []string `json:"domains,omitempty"`

	namespace string
	see       selector.Labels
}

// Select returns what a selector matches, in order, and remarks about labels in
// it that nothing has. A selector that cannot be read is a
// *selector.SyntaxError.
func Select(s *model.State, q Selection) (matched []Selected, remarks []string, err error) {
	kind := cmp.Or(q.Kind, "all")
	if !slices.Contains(SelectKinds(), kind) {
		return nil, nil, fmt.Errorf("there is no kind %q; the kinds are %s", kind, strings.Join(SelectKinds(), ", "))
	}
	sel, err := selector.Parse(q.Selector)
	if err != nil {
		return nil, nil, err
	}
	sel = sel.ReplaceGlobal(selector.Not(selector.Has(model.LabelNamespace)))
	all := candidates(s, kind)
	for _, c := range all {
		if (q.Namespace == "" || c.namespace == q.Namespace) && sel.Matches(c.see) {
			matched = append(matched, c)
		}
	}
	return matched, remark(sel, all), nil
}

// candidates returns the objects of a kind, in order.
func candidates(s *model.State, kind string) []Selected {
	var all []Selected
	is := func(kinds ...string) bool { return slices.Contains(kinds, kind) }
	for _, e := range s.SortedEndpoints() {
		k := "Pod"
		if e.ID.Kind == verdict.Host {
			k = "HostEndpoint"
		}
		if is("all") || is("pods") && k == "Pod" || is("hostendpoints") && k == "HostEndpoint" {
			all = append(all, Selected{Kind: k, Name: e.ID.String(), Labels: e.Labels, Addresses: texts(e.Addrs), namespace: e.ID.Namespace, see: s.Labels(e)})
		}
	}
	for _, n := range s.SortedNetworkSets() {
		k, name := "GlobalNetworkSet", n.Name
		if n.Namespace != "" {
			k, name = "NetworkSet", n.Namespace+"/"+n.Name
		}
		if is("all") || is("networksets") && n.Namespace != "" || is("globalnetworksets") && n.Namespace == "" {
			all = append(all, Selected{Kind: k, Name: name, Labels: n.Labels, Addresses: texts(n.Nets), namespace: n.Namespace, see: s.SetLabels(n)})
			for _, d := range n.Domains {
				all[len(all)-1].Domains = append(all[len(all)-1].Domains, d.String())
			}
		}
	}
	switch kind {
	case "namespaces":
		for _, name := range slices.Sorted(maps.Keys(s.Namespaces)) {
			all = append(all, parent("Namespace", "", name, s.Namespaces[name].Labels))
		}
	case "serviceaccounts":
		for _, a := range s.ServiceAccounts {
			all = append(all, parent("ServiceAccount", a.Namespace, a.Name, a.Labels))
		}
		slices.SortFunc(all, func(a, b Selected) int { return cmp.Compare(a.Name, b.Name) })
	case "nodes":
		for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
			n := s.Nodes[name]
			all = append(all, Selected{Kind: "Node", Name: "node:" + name, Labels: n.Labels, Addresses: texts(n.Addrs), see: selector.Map(n.Labels)})
		}
	}
	return all
}

// parent is an object that namespaceSelector and serviceAccountSelector match:
// its name is a label too (semantics.md section 5).
func parent(kind, namespace, name string, labels map[string]string) Selected {
	see := selector.Map{}
	maps.Copy(see, labels)
	see[model.LabelName] = name
	ref := name
	if namespace != "" {
		ref = namespace + "/" + name
	} else {
		namespace = name
	}
	return Selected{Kind: kind, Name: ref, Labels: labels, Addresses: []string{}, namespace: namespace, see: see}
}

// remark says which labels of the selector none of the objects has.
func remark(sel *selector.Selector, all []Selected) []string {
	var remarks []string
	for _, key := range sel.Keys() {
		if slices.ContainsFunc(all, func(c Selected) bool { _, ok := c.see.Label(key); return ok }) {
			continue
		}
		text := fmt.Sprintf("no object has the label %q", key)
		known := map[string]bool{}
		for _, c := range all {
			for k := range c.Labels {
				known[k] = true
			}
		}
		if near := spelling.Nearest(key, slices.Sorted(maps.Keys(known))); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		}
		remarks = append(remarks, text)
	}
	return remarks
}

func texts[T fmt.Stringer](in []T) []string {
	out := []string{}
	for _, v := range in {
		out = append(out, v.String())
	}
	return out
}
