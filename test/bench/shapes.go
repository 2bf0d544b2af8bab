package main

import (
	"fmt"
	"net/netip"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// here is the node whose endpoints are compiled for in shapes A and B.
const here = "here"

// world is a shape that can be told in portions, so that no more of the input
// is in memory than an agent has that reads from a watch.
type world struct {
	// node is empty where everything is compiled for.
	node string
	// count is how many objects there are, object the i-th of them.
	count  int
	object func(i int) model.Object
	// first is the first object that is an endpoint.
	first int
	// selectors are what a compiler without an index asks, each of labels. It may be a sample: scale is what to multiply with.
	selectors func(f func(*selector.Selector))
	labels    func(f func(selector.Labels))
	scale     float64
}

func node(local bool) string {
	if local {
		return here
	}
	return "there"
}

func podOf(ns, name string, n int, local bool, labels map[string]string) *model.Endpoint {
	labels[model.LabelNamespace], labels[model.LabelOrchestrator], labels[model.LabelServiceAccount] = ns, model.OrchestratorK8s, "default"
	return &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Node: node(local), Labels: labels, ServiceAccount: "default",
		Addrs: []netip.Addr{addr4(10<<24 + uint32(n))},
	}
}

func inNamespace(ns string, s *selector.Selector) *selector.Selector {
	return selector.And(selector.Equal(model.LabelNamespace, ns), s)
}

// shapeA is many endpoints of which few are local, and policies that select by
// label: 25 endpoints and one policy for each application.
func shapeA(size float64) world {
	const namespaces = 100
	endpoints, policies := int(250_000*size), int(10_000*size)
	ns := func(i int) string { return fmt.Sprintf("ns-%d", i%namespaces) }
	app := func(i int) string { return fmt.Sprintf("app-%d", i%policies) }
	pod := func(i int) *model.Endpoint {
		return podOf(ns(i%policies), fmt.Sprintf("%s-%08d", app(i), i), i, i < 200, map[string]string{
			"app": app(i), "app.kubernetes.io/part-of": "shop", "pod-template-hash": fmt.Sprintf("%010d", i%policies), "tier": []string{"FE", "BE"}[i%2],
		})
	}
	policy := func(i int) *model.Policy {
		order := float64(i)
		r := model.Rule{Action: verdict.ActionAllow, Protocol: number8(verdict.TCP)}
		r.Source.Selector = inNamespace(ns(i+1), selector.Equal("app", app(i+1)))
		r.Destination.Ports = []model.PortRange{{From: 80, To: 80}, {From: 8000, To: 8000 + uint16(i%100)}}
		return &model.Policy{
			ID: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: ns(i), Name: app(i)}, Tier: "default", Order: &order, Applies: [2]bool{true, false},
			Selector: inNamespace(ns(i), selector.Equal("app", app(i))), Rules: [2][]model.Rule{{r}, nil},
		}
	}
	w := world{node: here, count: namespaces + policies + endpoints, first: namespaces + policies}
	w.object = func(i int) model.Object {
		switch {
		case i < namespaces:
			return &model.Namespace{Name: ns(i), Labels: map[string]string{"kubernetes.io/metadata.name": ns(i), "team": fmt.Sprint(i % 10)}}
		case i < namespaces+policies:
			return policy(i - namespaces)
		}
		return pod(i - namespaces - policies)
	}
	w.selectors = func(f func(*selector.Selector)) {
		for i := range policies / 100 {
			f(policy(i).Rules[0][0].Source.Selector)
		}
	}
	w.labels = func(f func(selector.Labels)) {
		for i := range endpoints / 10 {
			f(selector.Map(pod(i).Labels))
		}
	}
	w.scale = 200.0 / float64(policies/100) * 10 // the rules of the policies that apply here
	return w
}

// shapeB is as many network sets as policies that select one each, all of them
// on each endpoint.
func shapeB(size float64) world {
	endpoints, sets := int(10_000*size), int(10_000*size)
	pod := func(i int) *model.Endpoint {
		return podOf("ns", fmt.Sprintf("pod-%d", i), i, i < 200, map[string]string{"app": fmt.Sprintf("app-%d", i%100)})
	}
	set := func(i int) *model.NetworkSet {
		n := &model.NetworkSet{Name: fmt.Sprintf("set-%d", i), Labels: map[string]string{"set": fmt.Sprintf("set-%d", i), "kind": "feed"}}
		for j := range 10 {
			n.Nets = append(n.Nets, netip.PrefixFrom(addr4(11<<24+uint32(i*20+j*2)), 32))
		}
		return n
	}
	policy := func(i int) *model.Policy {
		order := float64(i)
		r := model.Rule{Action: verdict.ActionAllow, Protocol: number8(verdict.TCP)}
		r.Source.Selector = selector.Equal("set", fmt.Sprintf("set-%d", i))
		return &model.Policy{
			ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("policy-%d", i)}, Tier: "default", Order: &order,
			Applies: [2]bool{true, false}, Selector: selector.All(), Rules: [2][]model.Rule{{r}, nil},
		}
	}
	w := world{node: here, count: endpoints + 2*sets}
	w.object = func(i int) model.Object {
		switch {
		case i < sets:
			return set(i)
		case i < 2*sets:
			return policy(i - sets)
		}
		return pod(i - 2*sets)
	}
	w.selectors = func(f func(*selector.Selector)) {
		for i := range sets / 100 {
			f(policy(i).Rules[0][0].Source.Selector)
		}
	}
	w.labels = func(f func(selector.Labels)) {
		for i := range sets {
			f(selector.Map(set(i).Labels))
		}
		for i := range endpoints {
			f(selector.Map(pod(i).Labels))
		}
	}
	w.scale = 100
	return w
}

// shapeC is a whole cluster of namespaces of four pods and three Kubernetes
// policies.
func shapeC(size float64) world {
	namespaces := int(25_000 * size)
	pods, policies := 4*namespaces, 3*namespaces
	ns := func(i int) string { return fmt.Sprintf("ns-%d", i%namespaces) }
	pod := func(i int) *model.Endpoint {
		return podOf(ns(i), fmt.Sprintf("pod-%d", i), i, false, map[string]string{"app": fmt.Sprintf("app-%d", i/namespaces)})
	}
	of := func(i, app int) *selector.Selector {
		return selector.And(selector.Equal(model.LabelNamespace, ns(i)), selector.Equal(model.LabelOrchestrator, model.OrchestratorK8s), selector.Equal("app", fmt.Sprintf("app-%d", app)))
	}
	policy := func(i int) *model.Policy {
		order, k := 1000.0, i/namespaces
		in := model.Rule{Action: verdict.ActionAllow, Protocol: number8(verdict.TCP)}
		in.Source.Selector, in.Destination.Ports = of(i, (k+1)%4), []model.PortRange{{From: 80, To: 80}}
		out := model.Rule{Action: verdict.ActionAllow, Protocol: number8(verdict.TCP)}
		out.Destination.Selector, out.Destination.Ports = of(i, (k+3)%4), []model.PortRange{{From: 80, To: 80}}
		return &model.Policy{
			ID: verdict.PolicyID{Kind: "KubernetesNetworkPolicy", Namespace: ns(i), Name: fmt.Sprintf("policy-%d", k)}, Tier: "default", Order: &order,
			Applies: [2]bool{true, true}, Selector: of(i, k), Rules: [2][]model.Rule{{in}, {out}},
		}
	}
	w := world{count: namespaces + pods + policies}
	w.object = func(i int) model.Object {
		switch {
		case i < namespaces:
			return &model.Namespace{Name: ns(i), Labels: map[string]string{"kubernetes.io/metadata.name": ns(i)}}
		case i < namespaces+policies:
			return policy(i - namespaces)
		}
		return pod(i - namespaces - policies)
	}
	w.selectors = func(f func(*selector.Selector)) {
		for i := range policies / 1000 {
			f(policy(i).Selector)
			f(policy(i).Rules[0][0].Source.Selector)
			f(policy(i).Rules[1][0].Destination.Selector)
		}
	}
	w.labels = func(f func(selector.Labels)) {
		for i := range pods / 10 {
			f(selector.Map(pod(i).Labels))
		}
	}
	w.scale = 10_000
	return w
}

func number8(n uint8) *uint8 { return &n }
