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

// TestSelectorText: what a policy is found by is what it asks of labels and names,
// and no word of its sentence between.
func TestSelectorText(t *testing.T) {
	for sel, want := range map[string]string{
		"all()": "",
		`app == "be" && projectcalico.org/namespace == "blue"`:                     `app == "be"; blue`,
		`pcns.color == "blue"`:                                                     `color == "blue"`,
		`has(projectcalico.org/namespace) && app in {"a", "b"}`:                    `app in {"a", "b"}`,
		`projectcalico.org/namespace == "blue" && pcsa.team == "x"`:                `blue; team == "x"`,
		`app == "be" && version != "1" && projectcalico.org/orchestrator == "k8s"`: `app == "be" && version != "1"`,
	} {
		if got := SelectorText(&model.Policy{Selector: selector.MustParse(sel)}); got != want {
			t.Errorf("%s: %q, want %q", sel, got, want)
		}
	}
}
