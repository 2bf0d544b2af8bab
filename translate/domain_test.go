package translate_test

import (
	"fmt"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// TestDomains: domains arrive in their normal form, of all kinds that have them.
func TestDomains(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{np("{egress: [{action: Allow, destination: {domains: [WWW.Example.com., '*.cdn.example', api.*.example, bücher.example]}}]}"),
			"[www.example.com *.cdn.example api.*.example xn--bcher-kva.example]"},
		{gnp("{egress: [{action: Allow, protocol: TCP, destination: {domains: [a.b], notNets: [10.0.0.0/8], ports: [443]}}]}"), "[a.b]"},
		{manifest("Profile", "", "p", "{egress: [{action: Allow, destination: {domains: [a.b]}}]}"), "[a.b]"},
		{cnp("egress: [{action: Accept, to: [{domainNames: ['*.Kubernetes.io', k8s.io]}]}]"), "[*.kubernetes.io k8s.io]"},
		{manifest("NetworkSet", "blue", "s", "{allowedEgressDomains: ['*.Example.com']}"), "[*.example.com]"},
		{manifest("GlobalNetworkSet", "", "s", "{nets: [10.0.0.0/8], allowedEgressDomains: [a.b, c.d]}"), "[a.b c.d]"},
	} {
		object, problems := translate.Object(read(t, row.text)[0])
		if len(problems) > 0 {
			t.Errorf("%s: %v", row.text, problems)
		}
		var got any
		switch o := object.(type) {
		case *model.NetworkSet:
			got = o.Domains
		case *model.Policy:
			got = o.Rules[verdict.Egress][0].Destination.Domains
			if o.Invalid != [2]bool{} {
				t.Errorf("%s: invalid", row.text)
			}
		case *model.Profile:
			got = o.Rules[verdict.Egress][0].Destination.Domains
		}
		if fmt.Sprint(got) != row.want {
			t.Errorf("%s: %v", row.text, got)
		}
	}
}
