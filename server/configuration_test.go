package server

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func TestAddress(t *testing.T) {
	for _, row := range []struct {
		o                         Options
		listening, url, host, err string
	}{
		{Options{}, "127.0.0.1:9", "https://127.0.0.1:9/validate", "127.0.0.1", ""},
		{Options{}, "[::1]:9", "https://[::1]:9/validate", "::1", ""},
		{Options{URL: "https://hook.example.org:8443"}, "[::]:9", "https://hook.example.org:8443/validate", "hook.example.org", ""},
		{Options{URL: "https://hook.example.org/base/"}, "[::]:9", "https://hook.example.org/base/validate", "hook.example.org", ""},
		{Options{Service: "tierwall/server"}, "[::]:9", "", "server.tierwall.svc", ""},
		{Options{}, "[::]:9", "", "", "say how the API server reaches it"},
		{Options{}, "0.0.0.0:9", "", "", "say how the API server reaches it"},
		{Options{URL: "http://hook:80"}, "[::]:9", "", "", "write https://HOST:PORT"},
		{Options{URL: "hook:80"}, "[::]:9", "", "", "write https://HOST:PORT"},
		{Options{Service: "server"}, "[::]:9", "", "", "write it as NAMESPACE/NAME"},
		{Options{Service: "a/b", URL: "https://x"}, "[::]:9", "", "", "give one of them"},
	} {
		a, err := addressOf(row.o, row.listening)
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%+v: %v", row.o, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", row.o, err)
			continue
		}
		c := a.client(validatePath, []byte("bundle"))
		url := ""
		if c.URL != nil {
			url = *c.URL
		}
		if url != row.url || a.host() != row.host || string(c.CABundle) != "bundle" {
			t.Errorf("%+v: %q %q", row.o, url, a.host())
		}
		if row.o.Service != "" && (c.Service == nil || c.Service.Namespace != "tierwall" || c.Service.Name != "server" || *c.Service.Path != validatePath) {
			t.Errorf("%+v", c.Service)
		}
	}
}

// TestConfigurations: what is asked about and what is not. Policies can be
// deleted, and status written, without the webhook.
func TestConfigurations(t *testing.T) {
	a, err := addressOf(Options{}, "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	asked := func(rules []admissionregistrationv1.RuleWithOperations, operation admissionregistrationv1.OperationType, resource string) bool {
		return slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
			return slices.Contains(r.Operations, operation) && slices.Contains(r.Resources, resource)
		})
	}
	v, m := validating(a, nil).Webhooks[0], mutating(a, nil).Webhooks[0]
	for _, k := range kinds() {
		if !asked(v.Rules, "CREATE", k.resource) || !asked(v.Rules, "UPDATE", k.resource) {
			t.Errorf("%s are not validated", k.resource)
		}
		if got := asked(v.Rules, "DELETE", k.resource); got != (k.name == "Tier") {
			t.Errorf("deletion of %s: %v", k.resource, got)
		}
		if got := asked(m.Rules, "CREATE", k.resource); got != (k.policy || k.name == "Tier") {
			t.Errorf("%s are stamped: %v", k.resource, got)
		}
		if asked(v.Rules, "UPDATE", k.resource+"/status") || asked(m.Rules, "UPDATE", k.resource+"/status") {
			t.Errorf("status of %s", k.resource)
		}
	}
	if !slices.Equal(v.MatchConditions, conditions()) || !slices.Equal(m.MatchConditions, conditions()) {
		t.Errorf("%v %v", v.MatchConditions, m.MatchConditions)
	}
	if *v.FailurePolicy != "Fail" || *m.FailurePolicy != "Fail" || *v.SideEffects != "None" || *m.ReinvocationPolicy != "IfNeeded" {
		t.Errorf("%+v %+v", v, m)
	}
}
