package translate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// TestMatchFields: ICMP, port names, services and HTTP arrive in the model.
func TestMatchFields(t *testing.T) {
	one8, zero := uint8(8), uint8(0)
	icmp, tcp := verdict.ICMP, verdict.TCP
	for _, row := range []struct {
		name, rule string
		egress     bool
		want       model.Rule
	}{
		{"an ICMP type", "{action: Allow, protocol: ICMP, icmp: {type: 8}}", false,
			model.Rule{Protocol: &icmp, ICMP: &model.ICMPMatch{Type: &one8}}},
		{"a type and code", "{action: Allow, protocol: 1, icmp: {type: 8, code: 0}}", false,
			model.Rule{Protocol: &icmp, ICMP: &model.ICMPMatch{Type: &one8, Code: &zero}}},
		{"a type that is not", "{action: Allow, notICMP: {type: 8}}", false, model.Rule{NotICMP: &model.ICMPMatch{Type: &one8}}},
		{"port names beside numbers", `{action: Allow, protocol: TCP, destination: {ports: [http, 80, "8000:8080"], notPorts: [admin]}}`, false,
			model.Rule{Protocol: &tcp, Destination: model.Peer{
				Ports: []model.PortRange{{From: 80, To: 80}, {From: 8000, To: 8080}}, NamedPorts: []string{"http"}, NotNamedPorts: []string{"admin"}}}},
		{"port names need no protocol", "{action: Allow, source: {ports: [http]}}", false, model.Rule{Source: model.Peer{NamedPorts: []string{"http"}}}},
		{"a service where connections come from", "{action: Allow, source: {services: {name: s, namespace: red}}}", false,
			model.Rule{Source: model.Peer{Service: &model.ServiceRef{Namespace: "red", Name: "s"}}}},
		{"a service where they go", "{action: Allow, destination: {services: {name: s, namespace: red}}}", true,
			model.Rule{Destination: model.Peer{Service: &model.ServiceRef{Namespace: "red", Name: "s"}}}},
		{"a service where they come from, with source ports", "{action: Allow, protocol: TCP, source: {services: {name: s, namespace: red}, ports: [80]}}", false,
			model.Rule{Protocol: &tcp, Source: model.Peer{Service: &model.ServiceRef{Namespace: "red", Name: "s"}, Ports: []model.PortRange{{From: 80, To: 80}}}}},
		{"a service of the policy's own namespace", "{action: Allow, source: {services: {name: s}}}", false,
			model.Rule{Source: model.Peer{Service: &model.ServiceRef{Namespace: "blue", Name: "s"}}}},
	} {
		field, d := "ingress", verdict.Ingress
		if row.egress {
			field, d = "egress", verdict.Egress
		}
		p := one[*model.Policy](t, np("{"+field+": ["+row.rule+"]}"))
		row.want.Action = verdict.ActionAllow
		if diff := cmp.Diff([]model.Rule{row.want}, p.Rules[d]); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", row.name, diff)
		}
		if p.Invalid != [2]bool{} {
			t.Errorf("%s: the policy is invalid", row.name)
		}
	}
}

// TestHTTP: a rule for HTTP is kept and said not to be seen; what is wrong with
// it besides closes the direction.
func TestHTTP(t *testing.T) {
	const allowHTTP = "{action: Allow, http: "
	for _, row := range []struct{ name, policy, path, message string }{
		{"a rule for HTTP", ingress(allowHTTP + "{methods: [GET]}}"), "", ""},
		{"at egress", gnp("{egress: [" + allowHTTP + "{methods: [GET]}}]}"), "spec.egress[0].http", "not allowed in egress rules"},
		{"at egress, in a namespace", np("{egress: [" + allowHTTP + "{methods: [GET]}}]}"), "spec.egress[0].http", "not allowed in egress rule"},
		{"in a Deny", ingress("{action: Deny, http: {methods: [GET]}}"), "spec.ingress[0].http", "HTTP match is only valid on Allow rules"},
		{"over UDP", ingress("{action: Allow, protocol: UDP, http: {methods: [GET]}}"), "spec.ingress[0].protocol", "rules with HTTP match must have protocol TCP or unset"},
		{"over TCP by number", ingress("{action: Allow, protocol: 6, http: {methods: [GET]}}"), "", ""},
		{"a method twice", ingress(allowHTTP + "{methods: [GET, PUT, GET]}}"), "spec.ingress[0].http.methods[2]", `method "GET" is there twice`},
		{"a path of both kinds", ingress(allowHTTP + "{paths: [{exact: /a, prefix: /b}]}}"), "spec.ingress[0].http.paths[0]", "HTTP path must have exactly one of exact and prefix"},
		{"a path of none", ingress(allowHTTP + "{paths: [{exact: /a}, {}]}}"), "spec.ingress[0].http.paths[1]", "HTTP path must have exactly one of exact and prefix"},
		{"a path without its slash", ingress(allowHTTP + "{paths: [{prefix: a}]}}"), "spec.ingress[0].http.paths[0]", `"a" must start with / and have no ? or #`},
		{"a path with a query", ingress(allowHTTP + "{paths: [{exact: '/a?b'}]}}"), "spec.ingress[0].http.paths[0]", `"/a?b" must start with / and have no ? or #`},
	} {
		object, problems := translate.Object(read(t, row.policy)[0])
		p := object.(*model.Policy)
		seen := false
		var others []model.Problem
		for _, problem := range problems {
			if problem.Code == "http-not-seen" {
				seen = true
			} else {
				others = append(others, problem)
			}
		}
		if !seen {
			t.Errorf("%s: it is not said that HTTP is not seen", row.name)
		}
		if row.message == "" {
			if len(others) > 0 || p.Invalid != [2]bool{} || !p.Rules[verdict.Ingress][0].HTTP {
				t.Errorf("%s: %v, %+v", row.name, others, p)
			}
			continue
		}
		if len(others) != 1 || others[0].Code != "http-invalid" || others[0].Path != row.path || others[0].Message != row.message {
			t.Errorf("%s: %v", row.name, others)
		}
		if p.Invalid == [2]bool{} {
			t.Errorf("%s: the direction is open", row.name)
		}
	}
}

// TestEndpointSlice: all endpoints, ready or not, and the ports that have a
// number.
func TestEndpointSlice(t *testing.T) {
	got := one[*model.EndpointSlice](t, `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-x, namespace: blue, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], conditions: {ready: true}}
- {addresses: [10.0.0.2], conditions: {ready: false}}
- {addresses: [db.example.com]}
ports:
- {name: sql, port: 5432}
- {name: any}
- {port: 53, protocol: UDP}`)
	if got.Namespace != "blue" || got.Name != "db-x" || got.Service != "db" || textOf(got.Addrs) != "[10.0.0.1 10.0.0.2]" {
		t.Errorf("%+v", got)
	}
	want := []model.ServicePort{{Protocol: verdict.TCP, Port: 5432}, {Protocol: verdict.UDP, Port: 53}}
	if diff := cmp.Diff(want, got.Ports); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
