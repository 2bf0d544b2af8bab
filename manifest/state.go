package manifest

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// nameLabel is the label that the API server gives every namespace.
const nameLabel = "kubernetes.io/metadata.name"

// defaultAccount is the service account that every namespace has.
const defaultAccount = "default"

// State translates the objects into a state, and returns it with everything
// that is wrong with them, sorted, each with its place.
//
// It adds what is there in a real cluster without being written: the namespaces
// that objects are in, with the label kubernetes.io/metadata.name, and their
// service account "default". A pod from a file that has no address, that is not
// finished and does not share its node's network, gets an address of its own
// from 100.64.0.0/10, the same at each run; objects from a cluster are taken as
// they are.
func State(objects []*Object) (*model.State, []model.Problem) {
	b := &builder{state: model.NewState(), byName: map[string]*Object{}}
	addresses := newAddresses(objects)
	for _, o := range objects {
		b.byName[o.Name()] = o
		b.add(o, addresses)
	}
	b.problems = append(b.problems, missingNamespaces(objects)...)
	b.imply(objects)
	for _, p := range translate.Check(b.state) {
		if o := b.byName[p.Object]; o != nil {
			p = o.locate(p)
		}
		b.problems = append(b.problems, p)
	}
	model.SortProblems(b.problems)
	return b.state, b.problems
}

type builder struct {
	state    *model.State
	byName   map[string]*Object
	problems []model.Problem
}

// add translates one object into the state.
func (b *builder) add(o *Object, addresses *addresses) {
	b.problems = append(b.problems, o.Problems...)
	value := any(o.Value)
	if p, ok := value.(*corev1.Pod); ok {
		b.checkAddresses(o, p)
		value = addresses.assign(p)
	}
	m, problems := translate.Object(value)
	for _, p := range problems {
		if !o.omitted(p.Path) {
			b.problems = append(b.problems, o.locate(p))
		}
	}
	switch m := m.(type) {
	case nil:
		return
	case *model.Policy:
		failClosed(o, m)
		b.state.Apply(model.Put(m))
	case *model.StagedPolicy:
		if m.Policy != nil {
			failClosed(o, m.Policy)
		}
		b.state.Apply(model.Put(m))
	case *model.Profile:
		m.Invalid = invalid(o, m.Invalid)
		b.state.Apply(model.Put(m))
	default:
		b.state.Apply(model.Put(m))
	}
}

// checkAddresses reports addresses of a pod that are none: without them the
// pod would not be an endpoint, and nobody would know.
func (b *builder) checkAddresses(o *Object, p *corev1.Pod) {
	check := func(path, text string) {
		if _, err := netip.ParseAddr(text); err != nil && text != "" {
			b.problems = append(b.problems, o.locate(model.Problem{Code: "address-syntax", Object: o.Name(), Path: path,
				Message: fmt.Sprintf("%q is not an address", text), Hint: "write a single IPv4 or IPv6 address without a prefix length"}))
		}
	}
	check("status.podIP", p.Status.PodIP)
	for i, ip := range p.Status.PodIPs {
		check(fmt.Sprintf("status.podIPs[%d].ip", i), ip.IP)
	}
}

// failClosed lets a policy with parts that could not be decoded deny what those
// parts govern.
func failClosed(o *Object, p *model.Policy) {
	p.Invalid = invalid(o, p.Invalid)
	for _, q := range o.Problems {
		if !isStructural(q) {
			continue
		}
		if slices.Contains([]string{"spec.selector", "spec.podSelector", "spec.namespaceSelector", "spec.serviceAccountSelector"}, q.Path) {
			p.Selector = nil // unreadable: selects nothing, as one that cannot be parsed
		}
		if q.Path == "" || within(q.Path, "spec.types") || within(q.Path, "spec.policyTypes") {
			p.Applies = [2]bool{true, true}
		}
	}
}

// invalid adds the directions that have parts which could not be decoded.
func invalid(o *Object, already [2]bool) [2]bool {
	for _, p := range o.Problems {
		switch {
		case !isStructural(p) || !within(p.Path, "spec") && p.Path != "":
		case within(p.Path, "spec.ingress"):
			already[verdict.Ingress] = true
		case within(p.Path, "spec.egress"):
			already[verdict.Egress] = true
		default:
			already = [2]bool{true, true}
		}
	}
	return already
}

// imply adds namespaces and default service accounts.
func (b *builder) imply(objects []*Object) {
	for _, o := range objects {
		name := o.Value.GetNamespace()
		if o.Kind.Kind == "Namespace" {
			name = o.Value.GetName()
		}
		if name != "" {
			b.implyNamespace(name)
		}
	}
}

func (b *builder) implyNamespace(name string) {
	ns := &model.Namespace{Name: name, Labels: map[string]string{}}
	if written := b.state.Namespaces[name]; written != nil {
		if written.Labels[nameLabel] == name && b.hasDefaultAccount(name) {
			return
		}
		for k, v := range written.Labels {
			ns.Labels[k] = v
		}
	}
	ns.Labels[nameLabel] = name
	b.state.Apply(model.Put(ns))
	if !b.hasDefaultAccount(name) {
		b.state.Apply(model.Put(&model.ServiceAccount{Namespace: name, Name: defaultAccount}))
	}
}

func (b *builder) hasDefaultAccount(namespace string) bool {
	_, ok := b.state.ServiceAccounts[model.Key{Kind: model.KindServiceAccount, Namespace: namespace, Name: defaultAccount}]
	return ok
}
