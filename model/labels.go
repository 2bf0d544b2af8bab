package model

import "strings"

// The labels that Tierwall gives objects itself, and the prefixes under which
// labels are inherited (semantics.md section 5).
const (
	LabelNamespace      = "projectcalico.org/namespace"
	LabelOrchestrator   = "projectcalico.org/orchestrator"
	LabelServiceAccount = "projectcalico.org/serviceaccount"
	LabelName           = "projectcalico.org/name"
	PrefixNamespace     = "pcns."
	PrefixServiceAcct   = "pcsa."
	OrchestratorK8s     = "k8s"
)

// Labels is an object's own labels together with those that it inherits. It
// implements selector.Labels. Own labels win; among profiles the first wins.
type Labels struct {
	own            map[string]string
	namespace      string
	namespaceMap   map[string]string
	serviceAccount string
	accountMap     map[string]string
	profiles       []*Profile
}

// Label returns the value of the label with the key, and whether there is one.
func (l Labels) Label(key string) (string, bool) {
	if v, ok := l.own[key]; ok {
		return v, true
	}
	if rest, ok := strings.CutPrefix(key, PrefixNamespace); ok && l.namespace != "" {
		return inherited(rest, l.namespace, l.namespaceMap)
	}
	if rest, ok := strings.CutPrefix(key, PrefixServiceAcct); ok && l.serviceAccount != "" {
		return inherited(rest, l.serviceAccount, l.accountMap)
	}
	for _, p := range l.profiles {
		if v, ok := p.Labels[key]; ok {
			return v, true
		}
	}
	return "", false
}

// inherited looks a parent's label up; its name is a label too, and wins, so
// that nobody can pass for another namespace by labelling his own.
func inherited(key, name string, labels map[string]string) (string, bool) {
	if key == LabelName {
		return name, true
	}
	v, ok := labels[key]
	return v, ok
}

// Labels returns what selectors see of an endpoint.
func (s *State) Labels(e *Endpoint) Labels {
	l := Labels{own: e.Labels}
	if e.Key().Kind == KindPod {
		l.namespace = e.ID.Namespace
		if n := s.Namespaces[l.namespace]; n != nil {
			l.namespaceMap = n.Labels
		}
		l.serviceAccount = e.ServiceAccount
		if a := s.ServiceAccounts[Key{Kind: KindServiceAccount, Namespace: l.namespace, Name: e.ServiceAccount}]; a != nil {
			l.accountMap = a.Labels
		}
		return l
	}
	for _, name := range e.Profiles {
		if p := s.Profiles[name]; p != nil {
			l.profiles = append(l.profiles, p)
		}
	}
	return l
}

// SetLabels returns what selectors see of a network set.
func (s *State) SetLabels(n *NetworkSet) Labels {
	l := Labels{own: n.Labels, namespace: n.Namespace}
	if ns := s.Namespaces[n.Namespace]; ns != nil {
		l.namespaceMap = ns.Labels
	}
	return l
}
