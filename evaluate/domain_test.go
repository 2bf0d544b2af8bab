package evaluate_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestNamesInWords: what did not match is said with the names that the address
// has, some of them if they are many, and with the domains that were asked for.
func TestNamesInWords(t *testing.T) {
	s := model.NewState()
	pod := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	rule := model.Rule{Action: verdict.ActionAllow, Destination: model.Peer{Domains: []domain.Pattern{domain.MustParsePattern("*.b"), domain.MustParsePattern("c")}}}
	s.Apply(model.Put(pod), model.Put(&model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "p"}, Tier: "default", Selector: selector.All(),
		Applies: [2]bool{verdict.Egress: true}, Rules: [2][]model.Rule{verdict.Egress: {rule}}}))
	at := netip.MustParseAddr("192.0.2.1")
	for _, n := range strings.Fields("n1 n2 n3 n4 n5 n6") {
		s.Apply(model.Put(&model.Learned{Name: domain.Name(n), Addrs: []netip.Addr{at}}))
	}
	_, visits := evaluate.New(s).Explain(pod, verdict.Egress, verdict.Packet{Src: pod.Addrs[0], Dst: at, Protocol: verdict.TCP, SrcPort: 1, DstPort: 80})
	const want = "destination n1, n2, n3, n4, 2 more (192.0.2.1) is not known as an address of *.b, c"
	if len(visits) == 0 || visits[0].Miss != want {
		t.Errorf("%+v", visits)
	}
}
