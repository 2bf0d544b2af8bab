package analysis

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestRuleSentence: a rule reads as a sentence whatever it names.
func TestRuleSentence(t *testing.T) {
	tcp := verdict.TCP
	fe := selector.Equal("app/tier", "FE")
	web := []model.PortRange{{From: 80, To: 80}}
	for want, r := range map[string]model.Rule{
		"Deny any traffic.":                                           {Action: verdict.ActionDeny},
		"Allow TCP to port 80.":                                       {Action: verdict.ActionAllow, Protocol: &tcp, Destination: model.Peer{Ports: web}},
		"Allow TCP to anything not on port 80.":                       {Action: verdict.ActionAllow, Protocol: &tcp, Destination: model.Peer{NotPorts: web}},
		`Allow TCP from what has app/tier == "FE" to ports 80, http.`: {Action: verdict.ActionAllow, Protocol: &tcp, Source: model.Peer{Selector: fe}, Destination: model.Peer{Ports: web, NamedPorts: []string{"http"}}},
		`Pass any traffic to 10.0.0.0/8 on port 80.`:                  {Action: verdict.ActionPass, Destination: model.Peer{Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Ports: web}},
	} {
		if got := RuleSentence(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
