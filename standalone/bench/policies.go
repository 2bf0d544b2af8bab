package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/test/bench/testbed"
)

// The ports of the server that are probed, each under a policy of its own.
const (
	policyPort = 8000
	labelPort  = 8001
	setPort    = 8002
	startPort  = 8003
)

// probedSet is the network set that an address is put into and taken out of.
const probedSet = "probed"

type object = map[string]any

func globalPolicy(name string, order int, selector string, spec object) *unstructured.Unstructured {
	spec["order"], spec["selector"], spec["tier"] = order, selector, "default"
	return &unstructured.Unstructured{Object: object{
		"apiVersion": v3.GroupVersion.String(), "kind": v3.KindGlobalNetworkPolicy,
		"metadata": object{"name": name}, "spec": spec,
	}}
}

func allow(peer, ports object) object { return rule("Allow", peer, ports) }

func rule(action string, source, destination object) object {
	r := object{"action": action, "protocol": "TCP"}
	if source != nil {
		r["source"] = source
	}
	if destination != nil {
		r["destination"] = destination
	}
	return r
}

// policy is the i-th of those that are there in numbers: all apply to every pod of
// the node, in both directions, and each names an application.
func policy(i int) *unstructured.Unstructured {
	peer, port := fmt.Sprintf("app == '%s'", app(i)), 1000+i%5000
	return globalPolicy(fmt.Sprintf("policy-%d", i), 100+i, fmt.Sprintf("projectcalico.org/namespace == '%s'", namespace), object{
		"types":   []any{"Ingress", "Egress"},
		"ingress": []any{allow(object{"selector": peer}, object{"ports": []any{port}})},
		"egress":  []any{allow(nil, object{"selector": peer, "ports": []any{port}})},
	})
}

// basePolicies let the client reach the server, as far as the probed ports go.
func basePolicies() []*unstructured.Unstructured {
	return []*unstructured.Unstructured{
		globalPolicy("base-client", 50, "app == 'client'", object{"types": []any{"Egress"}, "egress": []any{allow(nil, object{"selector": "app == 'server'"})}}),
		globalPolicy("base-server", 51, "app == 'server'", object{"types": []any{"Ingress"}, "ingress": []any{
			allow(object{"selector": "app == 'client'"}, object{"ports": []any{policyPort, startPort}}),
			allow(object{"selector": "door == 'open'"}, object{"ports": []any{labelPort}}),
			allow(object{"selector": "probed == 'yes'"}, object{"ports": []any{setPort}}),
		}}),
	}
}

// probedPolicy denies what base-server allows, with a rule of the i-th kind: by
// label, by port alone, by network with an exception, by ports and ranges, by a
// set, and many rules.
func probedPolicy(i int) *unstructured.Unstructured {
	port := object{"ports": []any{policyPort}}
	var rules []any
	switch i % 6 {
	case 0:
		rules = []any{rule("Deny", object{"selector": "app == 'client'"}, port)}
	case 1:
		rules = []any{rule("Deny", nil, port)}
	case 2:
		rules = []any{rule("Deny", object{"nets": []any{"10.0.0.0/8"}, "notNets": []any{"10.77.0.0/16"}}, port)}
	case 3:
		rules = []any{rule("Deny", object{"selector": "has(app)"}, object{"ports": []any{"7000:7999", "8000:8000", "9000:9999"}})}
	case 4:
		rules = []any{rule("Deny", object{"nets": []any{testbed.ClientAddr.String() + "/32"}}, port)}
	default:
		for j := range 50 {
			rules = append(rules, allow(object{"selector": fmt.Sprintf("app == '%s'", app(j))}, object{"ports": []any{2000 + j}}))
		}
		rules = append(rules, rule("Deny", object{"selector": "app in {'client', 'app-1'}"}, port))
	}
	return globalPolicy("probed", 1, "app == 'server'", object{"types": []any{"Ingress"}, "ingress": rules})
}

// globalSet is the probed set, with the client's address or without it.
func globalSet(addresses ...string) *unstructured.Unstructured {
	nets := []any{"198.51.100.0/24"}
	for _, a := range addresses {
		nets = append(nets, a)
	}
	return &unstructured.Unstructured{Object: object{
		"apiVersion": v3.GroupVersion.String(), "kind": v3.KindGlobalNetworkSet,
		"metadata": object{"name": probedSet, "labels": object{"probed": "yes"}}, "spec": object{"nets": nets},
	}}
}
