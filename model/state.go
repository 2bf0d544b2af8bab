package model

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/verdict"
)

// State is a whole world. Its maps may be read by anyone and are changed only
// by Apply. The zero value is not ready: use NewState.
type State struct {
	// Settings are what holds where no Configuration says otherwise: see
	// SettingsOf.
	Settings        Settings
	Namespaces      map[string]*Namespace
	ServiceAccounts map[Key]*ServiceAccount
	Nodes           map[string]*Node
	Endpoints       map[verdict.EndpointID]*Endpoint
	NetworkSets     map[Key]*NetworkSet
	Tiers           map[string]*Tier
	Policies        map[verdict.PolicyID]*Policy
	Profiles        map[string]*Profile
	EndpointSlices  map[Key]*EndpointSlice
	Services        map[Key]*Service
	// Configurations are by name: see SettingsOf.
	Configurations map[string]*Configuration
	// Staged are the policies that are not enforced, by their own ids.
	Staged map[verdict.PolicyID]*StagedPolicy
	// Learned is what is known of domain names; a name that is not there has no
	// known address.
	Learned map[domain.Name]*Learned
}

// NewState returns a state with the default settings, the profiles and the
// tiers that always exist, and nothing else.
func NewState() *State {
	s := &State{
		Settings:        DefaultSettings(),
		Namespaces:      map[string]*Namespace{},
		ServiceAccounts: map[Key]*ServiceAccount{},
		Nodes:           map[string]*Node{},
		Endpoints:       map[verdict.EndpointID]*Endpoint{},
		NetworkSets:     map[Key]*NetworkSet{},
		Tiers:           map[string]*Tier{},
		Policies:        map[verdict.PolicyID]*Policy{},
		Profiles:        map[string]*Profile{},
		EndpointSlices:  map[Key]*EndpointSlice{},
		Services:        map[Key]*Service{},
		Configurations:  map[string]*Configuration{},
		Staged:          map[verdict.PolicyID]*StagedPolicy{},
		Learned:         map[domain.Name]*Learned{},
	}
	for _, t := range BuiltinTiers() {
		s.Tiers[t.Name] = t
	}
	p := DefaultAllowProfile()
	s.Profiles[p.Name] = p
	return s
}

// Apply makes the changes in their order. What always exists comes back in
// its built-in form when it is deleted.
func (s *State) Apply(changes ...Change) {
	for _, c := range changes {
		s.apply(c)
	}
}

func (s *State) apply(c Change) {
	switch c.Key.Kind {
	case KindNamespace:
		set(s.Namespaces, c.Key.Name, c.Object)
	case KindServiceAccount:
		set(s.ServiceAccounts, c.Key, c.Object)
	case KindNode:
		set(s.Nodes, c.Key.Name, c.Object)
	case KindPod:
		set(s.Endpoints, verdict.EndpointID{Kind: verdict.Pod, Namespace: c.Key.Namespace, Name: c.Key.Name}, c.Object)
	case KindHostEndpoint:
		set(s.Endpoints, verdict.EndpointID{Kind: verdict.Host, Name: c.Key.Name}, c.Object)
	case KindNetworkSet, KindGlobalNetworkSet:
		set(s.NetworkSets, c.Key, c.Object)
	case KindTier:
		set(s.Tiers, c.Key.Name, c.Object)
		if c.Object == nil {
			s.restoreTier(c.Key.Name)
		}
	case KindPolicy:
		set(s.Policies, verdict.PolicyID{Kind: c.Key.PolicyKind, Namespace: c.Key.Namespace, Name: c.Key.Name}, c.Object)
	case KindStagedPolicy:
		set(s.Staged, verdict.PolicyID{Kind: c.Key.PolicyKind, Namespace: c.Key.Namespace, Name: c.Key.Name}, c.Object)
	case KindService:
		set(s.Services, c.Key, c.Object)
	case KindLearned:
		set(s.Learned, domain.Name(c.Key.Name), c.Object)
	case KindConfiguration:
		set(s.Configurations, c.Key.Name, c.Object)
	case KindEndpointSlice:
		set(s.EndpointSlices, c.Key, c.Object)
	case KindProfile:
		set(s.Profiles, c.Key.Name, c.Object)
		if p := DefaultAllowProfile(); c.Object == nil && c.Key.Name == p.Name {
			s.Profiles[p.Name] = p
		}
	}
}

func (s *State) restoreTier(name string) {
	for _, t := range BuiltinTiers() {
		if t.Name == name {
			s.Tiers[name] = t
		}
	}
}

func set[K comparable, V any](m map[K]V, k K, o Object) {
	if v, ok := any(o).(V); ok {
		m[k] = v
	} else {
		delete(m, k)
	}
}

// DefaultTier is the tier of policies that name none.
const DefaultTier = "default"

// BuiltinTiers returns the tiers that exist in every cluster (semantics.md
// section 3), new values at each call.
func BuiltinTiers() []*Tier {
	order := func(f float64) *float64 { return &f }
	return []*Tier{
		{Name: "kube-admin", Order: order(1000), Pass: true},
		{Name: DefaultTier, Order: order(1000000)},
		{Name: "kube-baseline", Order: order(10000000), Pass: true},
	}
}

// DefaultAllowProfile returns the profile projectcalico-default-allow, which
// allows both directions (semantics.md section 5).
func DefaultAllowProfile() *Profile {
	all := []Rule{{Action: verdict.ActionAllow}}
	return &Profile{Name: "projectcalico-default-allow", Rules: [2][]Rule{all, all}}
}

// SortedEndpoints returns all endpoints in the order of their ids.
func (s *State) SortedEndpoints() []*Endpoint {
	all := make([]*Endpoint, 0, len(s.Endpoints))
	for _, e := range s.Endpoints {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Endpoint) int { return a.ID.Compare(b.ID) })
	return all
}

// SortedNetworkSets returns all network sets, global ones first, then by
// namespace and name.
func (s *State) SortedNetworkSets() []*NetworkSet {
	all := make([]*NetworkSet, 0, len(s.NetworkSets))
	for _, n := range s.NetworkSets {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *NetworkSet) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Objects returns everything in the state, in no order.
func (s *State) Objects() []Object {
	var all []Object
	all = collect(all, s.Namespaces)
	all = collect(all, s.ServiceAccounts)
	all = collect(all, s.Nodes)
	all = collect(all, s.Profiles)
	all = collect(all, s.Endpoints)
	all = collect(all, s.NetworkSets)
	all = collect(all, s.EndpointSlices)
	all = collect(all, s.Tiers)
	all = collect(all, s.Services)
	all = collect(all, s.Configurations)
	all = collect(all, s.Staged)
	all = collect(all, s.Learned)
	return collect(all, s.Policies)
}

// Clone returns a state that shares its objects with this one, which nobody
// changes, and nothing else.
func (s *State) Clone() *State {
	out := *s
	out.Namespaces = maps.Clone(s.Namespaces)
	out.ServiceAccounts = maps.Clone(s.ServiceAccounts)
	out.Nodes = maps.Clone(s.Nodes)
	out.Endpoints = maps.Clone(s.Endpoints)
	out.NetworkSets = maps.Clone(s.NetworkSets)
	out.Tiers = maps.Clone(s.Tiers)
	out.Policies = maps.Clone(s.Policies)
	out.Profiles = maps.Clone(s.Profiles)
	out.EndpointSlices = maps.Clone(s.EndpointSlices)
	out.Services = maps.Clone(s.Services)
	out.Configurations = maps.Clone(s.Configurations)
	out.Staged = maps.Clone(s.Staged)
	out.Learned = maps.Clone(s.Learned)
	return &out
}

// Changes returns what makes one state of another, in no order. Objects that
// both states share are taken to be the same, all others to have changed.
func Changes(from, to *State) []Change {
	before := map[Key]Object{}
	for _, o := range from.Objects() {
		before[o.Key()] = o
	}
	var all []Change
	for _, o := range to.Objects() {
		k := o.Key()
		if before[k] != o {
			all = append(all, Put(o))
		}
		delete(before, k)
	}
	for k := range before {
		all = append(all, Delete(k))
	}
	return all
}

func collect[K comparable, V Object](all []Object, m map[K]V) []Object {
	for _, o := range m {
		all = append(all, o)
	}
	return all
}
