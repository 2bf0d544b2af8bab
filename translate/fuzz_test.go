package translate_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// fuzzed are the kinds that FuzzObject decodes into.
var fuzzed = []any{
	v3.NetworkPolicy{}, v3.GlobalNetworkPolicy{}, v3.Tier{}, v3.NetworkSet{}, v3.GlobalNetworkSet{}, v3.HostEndpoint{}, v3.Profile{},
	v3.StagedNetworkPolicy{}, v3.StagedGlobalNetworkPolicy{}, v3.StagedKubernetesNetworkPolicy{},
	networkingv1.NetworkPolicy{}, policyv1alpha2.ClusterNetworkPolicy{}, corev1.Pod{}, corev1.Namespace{}, corev1.Node{}, corev1.ServiceAccount{}, discoveryv1.EndpointSlice{},
}

// FuzzObject gives translate objects of every kind as the API server would
// decode them: a value or Problems, never a panic, the same each time; and a
// state that the oracle can be asked about.
func FuzzObject(f *testing.F) {
	for _, row := range problemRows() {
		spec, err := yaml.YAMLToJSON([]byte(row.manifest))
		if err != nil {
			f.Fatal(err)
		}
		for i := range fuzzed[:12] {
			f.Add(uint8(i), spec)
		}
	}
	f.Add(uint8(12), []byte(`{"metadata":{"name":"p","namespace":"n","labels":{"a":"b"}},"spec":{"nodeName":"n","containers":[{"ports":[{"name":"w","containerPort":80}]}]},"status":{"podIPs":[{"ip":"10.0.0.1"},{"ip":"x"}]}}`))
	f.Add(uint8(14), []byte(`{"metadata":{"name":"n"},"spec":{"podCIDRs":["10.0.0.0/33"]},"status":{"addresses":[{"type":"InternalIP","address":"1.2.3"}]}}`))
	f.Add(uint8(16), []byte(`{"metadata":{"name":"s","labels":{"kubernetes.io/service-name":"x"}},"ports":[{"port":-1}],"endpoints":[{"addresses":["10.0.0.1","y"]}]}`))
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		o := reflect.New(reflect.TypeOf(fuzzed[int(kind)%len(fuzzed)])).Interface()
		if json.Unmarshal(text, o) != nil {
			return
		}
		got, problems := translate.Object(o)
		again, same := translate.Object(o)
		if !reflect.DeepEqual(problems, same) || (got == nil) != (again == nil) {
			t.Fatalf("twice is not the same: %v, %v", problems, same)
		}
		for _, p := range problems {
			if p.Code == "" || p.Message == "" {
				t.Errorf("a problem without code or message: %+v", p)
			}
		}
		if got == nil {
			return
		}
		s := model.NewState()
		e := hostAndPod(s)
		s.Apply(model.Put(got))
		translate.Check(s)
		oracle := evaluate.New(s)
		for _, d := range verdict.Directions {
			for _, local := range e {
				oracle.Decide(local, d, verdict.Packet{Protocol: verdict.TCP, Src: local.Addrs[0], Dst: local.Addrs[0], DstPort: 80})
			}
		}
	})
}

func hostAndPod(s *model.State) []*model.Endpoint {
	e := []*model.Endpoint{
		{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
			Labels: map[string]string{model.LabelNamespace: "blue", model.LabelOrchestrator: model.OrchestratorK8s, "app": "web"}},
		{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Node: "n", Interface: "eth0", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")},
			Labels: map[string]string{"app": "web"}, Profiles: []string{"projectcalico-default-allow"}},
	}
	for _, e := range e {
		s.Apply(model.Put(e))
	}
	return e
}

// FuzzNeverWidens holds the first rule of bad input: a policy with a rule that
// cannot be read lets nothing pass that it would not let pass without the rule.
// One that selects nothing, since its selector cannot be read, is not compared:
// there, too, nothing is let pass by it.
func FuzzNeverWidens(f *testing.F) {
	for i, rule := range []string{
		`{"action":"Reject"}`, `{"action":"Allow","protocol":"HTTP"}`, `{"action":"Allow","protocol":"TCP","destination":{"ports":[0]}}`,
		`{"action":"Allow","source":{"nets":["x"]}}`, `{"action":"Allow","source":{"selector":"("}}`, `{"action":"Pass","destination":{"domains":["a.b"]}}`,
		`{"action":"Allow","ipVersion":5}`, `{"action":"Allow","source":{"nets":["10.0.0.0/8"],"notNets":["::/0"]}}`, `{"action":"Allow","icmp":{"code":1}}`,
		`{"action":"Allow","source":{"services":{"name":""}}}`, `{"action":"Allow","http":{"methods":["GET"]}}`,
	} {
		f.Add(uint64(i), []byte(rule))
	}
	f.Fuzz(func(t *testing.T, seed uint64, text []byte) {
		var rule v3.Rule
		if json.Unmarshal(text, &rule) != nil {
			return
		}
		g := rand.New(rand.NewPCG(seed, 3))
		sound := []v3.Rule{{Action: v3.Deny, Source: v3.EntityRule{Nets: []string{"10.0.0.0/30"}}}, {Action: v3.Allow}}
		at := g.IntN(3)
		with := append(append(append([]v3.Rule{}, sound[:min(at, 2)]...), rule), sound[min(at, 2):]...)
		bad, problems := globalPolicy(with)
		if len(problems) == 0 || bad.Invalid == [2]bool{} {
			return // it can be read
		}
		good, _ := globalPolicy(sound)
		for range 20 {
			p := verdict.Packet{Protocol: verdict.TCP, Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(g.IntN(9))}), Dst: netip.MustParseAddr("10.0.0.1"), SrcPort: 1000, DstPort: uint16(1 + g.IntN(100))}
			for _, d := range verdict.Directions {
				if decideFuzz(bad, d, p) == verdict.Allow && decideFuzz(good, d, p) == verdict.Deny {
					t.Fatalf("%s at %d lets %s pass", text, at, p)
				}
			}
		}
	})
}

func globalPolicy(rules []v3.Rule) (*model.Policy, []model.Problem) {
	p := &v3.GlobalNetworkPolicy{}
	p.Name, p.Spec.Ingress, p.Spec.Egress = "p", rules, rules
	o, problems := translate.Object(p)
	return o.(*model.Policy), problems
}

func decideFuzz(p *model.Policy, d verdict.Direction, packet verdict.Packet) verdict.Verdict {
	s := model.NewState()
	e := hostAndPod(s)
	s.Apply(model.Put(p))
	return evaluate.New(s).Decide(e[0], d, packet).Verdict
}
