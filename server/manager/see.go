package manager

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

const (
	maxGroups = 2000 // of pods in the cluster picture
	maxRefs   = 50   // of one group
	maxUses   = 100
)

// GetCluster implements ServerInterface.
func (m *Manager) GetCluster(w http.ResponseWriter, r *http.Request, params GetClusterParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	only := some(params.Namespace)
	out := Cluster{Nodes: []ClusterNode{}, Namespaces: []ClusterNamespace{}, HostEndpoints: []EndpointRow{}, NetworkSets: []NetworkSet{}, View: v.info(),
		Problems: v.allProblems(), Coverage: v.coverage()}
	for _, name := range slices.Sorted(maps.Keys(v.state.Nodes)) {
		n := v.state.Nodes[name]
		out.Nodes = append(out.Nodes, ClusterNode{Name: name, Labels: labelsOf(n.Labels), Addresses: texts(n.Addrs)})
	}
	out.Namespaces = v.clusterNamespaces(only)
	for _, e := range v.index().Endpoints {
		if e.ID.Kind == verdict.Host {
			out.HostEndpoints = append(out.HostEndpoints, v.row(e))
		}
	}
	for _, n := range v.state.SortedNetworkSets() {
		if n.Namespace == "" || allowed(only, n.Namespace) {
			out.NetworkSets = append(out.NetworkSets, networkSet(n))
		}
	}
	out.Externals = externals(v.state)
	out.Pods = v.podGroups(only)
	if n := len(out.Pods); n > maxGroups {
		cut := fmt.Sprintf("showing %d of %d groups of pods", maxGroups, n)
		out.Cut, out.Pods = &cut, out.Pods[:maxGroups]
	}
	out.Counts = Counts{Pods: out.Coverage.Endpoints - len(out.HostEndpoints), HostEndpoints: len(out.HostEndpoints), NetworkSets: len(v.state.NetworkSets),
		Namespaces: len(v.state.Namespaces), Nodes: len(v.state.Nodes), Tiers: len(v.cards()), Policies: len(v.state.Policies), Staged: len(v.state.Staged), Problems: len(out.Problems)}
	answer(w, out)
}

func (v *view) allProblems() []FieldProblem {
	var all []model.Problem
	for _, p := range v.problems() {
		all = append(all, p...)
	}
	model.SortProblems(all)
	return toldAll(all)
}

func (v *view) coverage() Coverage {
	var c Coverage
	for _, e := range v.index().Endpoints {
		n := v.index().Policies(e.ID)
		c.Endpoints++
		if n[verdict.Ingress] == 0 {
			c.NoIngress++
		}
		if n[verdict.Egress] == 0 {
			c.NoEgress++
		}
		if n[0]+n[1] == 0 {
			c.None++
		}
	}
	return c
}

func (v *view) clusterNamespaces(only []string) []ClusterNamespace {
	byName := map[string]*ClusterNamespace{}
	for name, n := range v.state.Namespaces {
		byName[name] = &ClusterNamespace{Name: name, Labels: labelsOf(n.Labels)}
	}
	for _, e := range v.index().Endpoints {
		if e.ID.Kind != verdict.Pod {
			continue
		}
		n := byName[e.ID.Namespace]
		if n == nil { // its pods may be read, itself may not
			n = &ClusterNamespace{Name: e.ID.Namespace, Labels: Labels{}}
			byName[e.ID.Namespace] = n
		}
		n.Pods++
		if count := v.index().Policies(e.ID); count[0] == 0 || count[1] == 0 {
			n.Unprotected++
		}
	}
	out := []ClusterNamespace{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if allowed(only, name) {
			out = append(out, *byName[name])
		}
	}
	return out
}

// podGroups puts pods together that differ in nothing but their names.
func (v *view) podGroups(only []string) []PodGroup {
	type key struct{ node, namespace, account, labels string }
	at := map[key]int{}
	groups := []PodGroup{}
	for _, e := range v.index().Endpoints {
		if e.ID.Kind != verdict.Pod || !allowed(only, e.ID.Namespace) {
			continue
		}
		k := key{e.Node, e.ID.Namespace, e.ServiceAccount, labelText(e.Labels)}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, PodGroup{Node: e.Node, Namespace: e.ID.Namespace, Labels: labelsOf(e.Labels), ServiceAccount: e.ServiceAccount, Refs: []string{}})
		}
		if groups[i].Count++; groups[i].Count <= maxRefs {
			groups[i].Refs = append(groups[i].Refs, e.ID.String())
		}
	}
	return groups
}

func labelText(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(k + "=" + m[k] + "\x00")
	}
	return b.String()
}

func externals(s *model.State) []External {
	byNet := map[netip.Prefix][]string{}
	for _, n := range s.SortedNetworkSets() {
		for _, p := range n.Nets {
			byNet[p] = append(byNet[p], n.Key().String())
		}
	}
	out := []External{}
	for _, p := range slices.SortedFunc(maps.Keys(byNet), comparePrefix) {
		out = append(out, External{Net: p.String(), Sets: byNet[p]})
	}
	return out
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func networkSet(n *model.NetworkSet) NetworkSet {
	return NetworkSet{Kind: NetworkSetKind(n.Key().Kind.String()), Namespace: text(n.Namespace), Name: n.Name, Labels: labelsOf(n.Labels),
		Nets: texts(n.Nets), Domains: []SetDomain{}, UsedBy: []RuleRef{}, Overlaps: []Overlap{}}
}

// ListNetworkSets implements ServerInterface.
func (m *Manager) ListNetworkSets(w http.ResponseWriter, r *http.Request, params ListNetworkSetsParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	all, find, namespaces := []*model.NetworkSet{}, words(params.Q), some(params.Namespace)
	for _, n := range v.state.SortedNetworkSets() {
		if allowed(namespaces, n.Namespace) && contains(find, n.Namespace, n.Name, labelText(n.Labels), strings.Join(texts(n.Nets), " "), strings.Join(texts(n.Domains), " ")) {
			all = append(all, n)
		}
	}
	page, total, offset := cut(all, params.Limit, params.Offset)
	out := NetworkSetPage{Items: []NetworkSet{}, Total: total, Offset: offset, NamesLeftOut: v.names().leftOut, View: v.info()}
	for _, n := range page {
		set := networkSet(n)
		set.Domains = v.setDomains(n)
		for _, u := range v.uses().Of(n) {
			if len(set.UsedBy) == maxUses {
				break
			}
			set.UsedBy = append(set.UsedBy, RuleRef{Policy: u.Policy.String(), Direction: RuleRefDirection(u.Direction.String()), Rule: u.Rule})
		}
		set.Overlaps = overlaps(v.state, n)
		out.Items = append(out.Items, set)
	}
	answer(w, out)
}

func overlaps(s *model.State, n *model.NetworkSet) []Overlap {
	out := []Overlap{}
	for _, other := range s.SortedNetworkSets() {
		if other == n {
			continue
		}
		for _, a := range n.Nets {
			for _, b := range other.Nets {
				if a.Overlaps(b) && len(out) < maxUses {
					out = append(out, Overlap{Net: a.String(), With: other.Key().String(), OtherNet: b.String()})
				}
			}
		}
	}
	return out
}

// ListNamespaces implements ServerInterface.
func (m *Manager) ListNamespaces(w http.ResponseWriter, r *http.Request, params ListNamespacesParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	names, find := []string{}, words(params.Q)
	for _, name := range slices.Sorted(maps.Keys(v.state.Namespaces)) {
		if contains(find, name, labelText(v.state.Namespaces[name].Labels)) {
			names = append(names, name)
		}
	}
	page, total, offset := cut(names, params.Limit, params.Offset)
	out := NamespacePage{Items: []Namespace{}, Total: total, Offset: offset, View: v.info()}
	pods := map[model.Key]int{}
	for _, e := range v.index().Endpoints {
		pods[model.Key{Namespace: e.ID.Namespace}]++
		pods[model.Key{Namespace: e.ID.Namespace, Name: e.ServiceAccount}]++
	}
	for _, name := range page {
		out.Items = append(out.Items, v.namespace(name, pods))
	}
	answer(w, out)
}

func (v *view) namespace(name string, pods map[model.Key]int) Namespace {
	n := Namespace{Name: name, Labels: labelsOf(v.state.Namespaces[name].Labels), Pods: pods[model.Key{Namespace: name}], ServiceAccounts: []ServiceAccount{}}
	for k := range v.state.NetworkSets {
		if k.Namespace == name {
			n.NetworkSets++
		}
	}
	for id := range v.state.Policies {
		if id.Namespace == name {
			n.Policies++
		}
	}
	n.SelectedBy = v.selecting().by(model.PrefixNamespace, name, n.Labels)
	for k, a := range v.state.ServiceAccounts {
		if k.Namespace == name {
			n.ServiceAccounts = append(n.ServiceAccounts, ServiceAccount{Namespace: name, Name: k.Name, Labels: labelsOf(a.Labels),
				Pods: pods[model.Key{Namespace: name, Name: k.Name}], SelectedBy: v.selecting().by(model.PrefixServiceAcct, k.Name, a.Labels)})
		}
	}
	slices.SortFunc(n.ServiceAccounts, func(a, b ServiceAccount) int { return cmp.Compare(a.Name, b.Name) })
	return n
}

// ListLabels implements ServerInterface.
func (m *Manager) ListLabels(w http.ResponseWriter, r *http.Request, params ListLabelsParams) {
	v := m.seen(w, r)
	if v == nil {
		return
	}
	matched, _, err := analysis.Select(v.state, analysis.Selection{Kind: string(some(params.Of))})
	if err != nil {
		fail(w, problem(http.StatusBadRequest, "invalid", err.Error()))
		return
	}
	counts := map[string]map[string]int{}
	for _, o := range matched {
		for k, value := range o.Labels {
			if counts[k] == nil {
				counts[k] = map[string]int{}
			}
			counts[k][value]++
		}
	}
	key, prefix, values := some(params.Key), some(params.Prefix), 20
	if key != "" {
		values = 100
		if params.Limit != nil {
			values = min(max(*params.Limit, 1), 1000)
		}
	}
	all := []LabelKey{}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if key != "" && k != key || key == "" && !strings.HasPrefix(k, prefix) {
			continue
		}
		all = append(all, labelKey(k, counts[k], values, prefix, key != ""))
	}
	page, total, _ := cut(all, params.Limit, nil)
	answer(w, LabelList{Keys: page, Total: total, View: v.info()})
}

func labelKey(key string, counts map[string]int, most int, prefix string, byPrefix bool) LabelKey {
	out := LabelKey{Key: key, Distinct: len(counts), Values: []Count{}}
	for value, n := range counts {
		out.Count += n
		if !byPrefix || strings.HasPrefix(value, prefix) {
			out.Values = append(out.Values, Count{Value: value, Count: n})
		}
	}
	slices.SortFunc(out.Values, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	out.Values = out.Values[:min(len(out.Values), most)]
	return out
}
