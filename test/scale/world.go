package scale

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// World says how large a world is. Each count is at least 1.
type World struct {
	// Tiers are beside the built-in ones.
	Tiers int
	// Policies are of all tiers together: of twenty, fifteen are
	// NetworkPolicies, four GlobalNetworkPolicies and one is staged.
	Policies int
	// Endpoints are pods, five of each application, ten applications in each
	// namespace, and of twenty one is a host endpoint's.
	Endpoints int
}

// Large is the size that the goals for the Manager's pages are given for.
func Large() World { return World{Tiers: 50, Policies: 2000, Endpoints: 5000} }

const (
	replicas     = 5
	applications = 10 // of a namespace
	perNode      = 100
)

const group = "projectcalico.org/v3"

// Namespace is the name of the i-th namespace.
func Namespace(i int) string { return fmt.Sprintf("team-%03d", i) }

// Tier is the name of the i-th tier.
func Tier(i int) string { return fmt.Sprintf("tier-%02d", i) }

// Namespaces is how many namespaces there are.
func (w World) Namespaces() int { return max(1, w.Endpoints/(replicas*applications)) }

// Nodes is how many nodes there are.
func (w World) Nodes() int { return max(1, w.Endpoints/perNode) }

// Objects returns the world's objects, each after those that it needs.
func (w World) Objects() []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for i := range w.Namespaces() {
		all = append(all, object("v1", "Namespace", "", Namespace(i), map[string]any{"stage": []string{"prod", "test"}[i%2]}, nil))
	}
	for i := range w.Namespaces() {
		all = append(all, object("v1", "ServiceAccount", Namespace(i), "default", nil, nil))
	}
	for i := range w.Nodes() {
		n := object("v1", "Node", "", node(i), map[string]any{"kubernetes.io/os": "linux"}, nil)
		n.Object["status"] = map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": nodeAddress(i)}}}
		all = append(all, n)
	}
	for i := range w.Tiers {
		all = append(all, object(group, "Tier", "", Tier(i), nil, map[string]any{"order": int64(i * 10), "defaultAction": []string{"Deny", "Pass"}[i%2]}))
	}
	for i := range w.Namespaces() {
		all = append(all, object(group, "GlobalNetworkSet", "", fmt.Sprintf("partner-%03d", i), map[string]any{"partner": fmt.Sprint(i % 20)},
			map[string]any{"nets": []any{fmt.Sprintf("198.18.%d.0/24", i%256)}}))
	}
	for i := range w.Policies {
		all = append(all, w.policy(i))
	}
	for i := range w.Endpoints {
		all = append(all, w.endpoint(i))
	}
	return all
}

func node(i int) string        { return fmt.Sprintf("node-%03d", i) }
func nodeAddress(i int) string { return fmt.Sprintf("172.16.%d.%d", i/250, 1+i%250) }

func application(i int) string { return fmt.Sprintf("app-%02d", i%applications) }

// object makes an object; labels and spec may be nil.
func object(apiVersion, kind, namespace, name string, labels, spec map[string]any) *unstructured.Unstructured {
	meta := map[string]any{"name": name, "uid": kind + "/" + namespace + "/" + name, "resourceVersion": "1"}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	if labels != nil {
		meta["labels"] = labels
	}
	u := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta}
	if spec != nil {
		u["spec"] = spec
	}
	return &unstructured.Unstructured{Object: u}
}

// policy lets one application be reached by another of its namespace, by those
// of another namespace and by a partner, and reach a third.
func (w World) policy(i int) *unstructured.Unstructured {
	app, peer := application(i), application(i+3)
	port := int64(8000 + i%40)
	spec := map[string]any{
		"tier": Tier(i % w.Tiers), "order": int64(10 * (i / w.Tiers)), "selector": fmt.Sprintf("app == '%s'", app),
		"types": []any{"Ingress", "Egress"},
		"ingress": []any{
			rule("Allow", "source", map[string]any{"selector": fmt.Sprintf("app == '%s'", peer)}, port),
			rule("Allow", "source", map[string]any{"selector": fmt.Sprintf("app in {'%s','%s'}", app, peer), "namespaceSelector": fmt.Sprintf("kubernetes.io/metadata.name == '%s'", Namespace((i+1)%w.Namespaces()))}, port),
			rule("Deny", "source", map[string]any{"selector": fmt.Sprintf("partner == '%d'", i%20), "namespaceSelector": "global()"}, port+1),
		},
		"egress": []any{map[string]any{"action": "Pass"}},
	}
	name := fmt.Sprintf("%s.policy-%04d", Tier(i%w.Tiers), i)
	kind, namespace := "NetworkPolicy", Namespace(i%w.Namespaces())
	switch i % 20 {
	case 3, 7, 11, 15:
		kind, namespace = "GlobalNetworkPolicy", ""
	case 19:
		kind, spec["stagedAction"] = "StagedNetworkPolicy", "Set"
	}
	return object(group, kind, namespace, name, nil, spec)
}

func rule(action, side string, peer map[string]any, port int64) map[string]any {
	r := map[string]any{"action": action, "protocol": "TCP", side: peer}
	if side == "source" {
		r["destination"] = map[string]any{"ports": []any{port}}
	}
	return r
}

// endpoint is a pod, or the host endpoint of a node for the first of each
// node's.
func (w World) endpoint(i int) *unstructured.Unstructured {
	if i%perNode == 0 {
		n := i / perNode
		return object(group, "HostEndpoint", "", "host-"+node(n), map[string]any{"app": "host"},
			map[string]any{"node": node(n), "interfaceName": "*", "expectedIPs": []any{nodeAddress(n)}})
	}
	ns := i / (replicas * applications) % w.Namespaces()
	p := object("v1", "Pod", Namespace(ns), fmt.Sprintf("%s-%05d", application(i), i), map[string]any{
		"app": application(i), "version": fmt.Sprint(i % 3), "pod-template-hash": fmt.Sprintf("%08x", i%(applications*7)),
	}, map[string]any{
		"nodeName": node(i % w.Nodes()), "serviceAccountName": "default", "automountServiceAccountToken": false,
		"containers": []any{map[string]any{"name": "c", "image": "none"}},
	})
	address := fmt.Sprintf("10.%d.%d.%d", i/62500, i/250%250, 1+i%250)
	p.Object["status"] = map[string]any{"phase": "Running", "podIP": address, "podIPs": []any{map[string]any{"ip": address}}}
	return p
}
