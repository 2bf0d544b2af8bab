package translate_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

func ptr[T any](v T) *T { return &v }

// codes are problems as "code path", warnings with a ~ before.
func codes(problems []model.Problem) []string {
	var all []string
	for _, p := range problems {
		line := p.Code + " " + p.Path
		if p.Warning {
			line = "~" + line
		}
		all = append(all, line)
	}
	return all
}

// TestConfiguration: each field that is honoured, what is said of the rest, and
// that what cannot be read closes and does not open (semantics.md section 15).
func TestConfiguration(t *testing.T) {
	for _, row := range []struct {
		name, spec string
		want       model.Configuration
		// problems are "code path", warnings with a ~ before.
		problems []string
	}{
		{"default", "{}", model.Configuration{}, nil},
		{"node.n1", "{defaultEndpointToHostAction: ACCEPT}", model.Configuration{PodToHost: ptr(verdict.HostAccept)}, nil},
		{"default", "{defaultEndpointToHostAction: Return}", model.Configuration{PodToHost: ptr(verdict.HostReturn)}, nil},
		{"default", "{defaultEndpointToHostAction: Open}", model.Configuration{PodToHost: ptr(verdict.HostDrop)}, []string{"setting-invalid spec.defaultEndpointToHostAction"}},
		{"default", "{iptablesFilterDenyAction: Reject}", model.Configuration{Reject: ptr(true)}, nil},
		{"default", "{iptablesFilterDenyAction: Reject, nftablesFilterDenyAction: Drop}", model.Configuration{Reject: ptr(false)}, nil},
		{"default", "{failsafeInboundHostPorts: []}", model.Configuration{FailsafeIn: &[]model.Failsafe{}}, nil},
		{"default", "{failsafeOutboundHostPorts: [{protocol: udp, port: 53, net: 10.1.2.3/8}, {port: 22}]}", model.Configuration{FailsafeOut: &[]model.Failsafe{
			{Protocol: verdict.UDP, Port: 53, Net: netip.MustParsePrefix("10.0.0.0/8")}, {Protocol: verdict.TCP, Port: 22}}}, nil},
		{"default", "{failsafeInboundHostPorts: [{protocol: icmp, port: 1}, {port: 0}, {port: 1, net: x}, {port: 2}]}",
			model.Configuration{FailsafeIn: &[]model.Failsafe{{Protocol: verdict.TCP, Port: 2}}},
			[]string{"protocol-invalid spec.failsafeInboundHostPorts[0].protocol", "port-invalid spec.failsafeInboundHostPorts[1].port", "net-syntax spec.failsafeInboundHostPorts[2].net"}},
		{"default", "{logPrefix: fw, logActionRateLimit: 5/minute, logActionRateLimitBurst: 7}",
			model.Configuration{LogPrefix: ptr("fw"), LogRate: ptr(uint32(5)), LogPer: ptr(uint32(60)), LogBurst: ptr(uint32(7))}, nil},
		{"default", "{logActionRateLimit: often, logActionRateLimitBurst: -1}", model.Configuration{},
			[]string{"setting-invalid spec.logActionRateLimit", "setting-invalid spec.logActionRateLimitBurst"}},
		{"default", "{dnsTrustedServers: [192.0.2.1, '[2001:db8::1]:5353', '192.0.2.2:54', 'k8s-service:kube-dns', 'k8s-service:openshift-dns/dns-default:53'], dnsExtraTTL: 1m30s, dnsCacheEpoch: 3, dnsPacketsNfqueueMaxHoldDuration: 250ms}",
			model.Configuration{DNSServers: &[]model.DNSServer{{Addr: netip.MustParseAddr("192.0.2.1")}, {Addr: netip.MustParseAddr("2001:db8::1"), Port: 5353}, {Addr: netip.MustParseAddr("192.0.2.2"), Port: 54},
				{Namespace: "kube-system", Service: "kube-dns"}, {Namespace: "openshift-dns", Service: "dns-default", Port: 53}}, DNSExtra: ptr(uint32(90_000)), DNSEpoch: ptr(3), DNSHold: ptr(uint32(250))}, nil},
		{"default", "{dnsTrustedServers: []}", model.Configuration{DNSServers: &[]model.DNSServer{}}, nil},
		{"default", "{dnsTrustedServers: [dns.example, '192.0.2.1:0', 'k8s-service:a/b/c', 'k8s-service:a:x', 'fe80::1%eth0', 10.0.0.1], dnsExtraTTL: soon, dnsPacketsNfqueueMaxHoldDuration: 25h}",
			model.Configuration{DNSServers: &[]model.DNSServer{{Addr: netip.MustParseAddr("10.0.0.1")}}},
			[]string{"setting-invalid spec.dnsTrustedServers[0]", "setting-invalid spec.dnsTrustedServers[1]", "setting-invalid spec.dnsTrustedServers[2]", "setting-invalid spec.dnsTrustedServers[3]",
				"setting-invalid spec.dnsTrustedServers[4]", "setting-invalid spec.dnsExtraTTL", "setting-invalid spec.dnsPacketsNfqueueMaxHoldDuration"}},
		{"default", "{bpfEnabled: true, logPrefx: a}", model.Configuration{}, []string{"~setting-not-read spec.bpfEnabled", "~setting-not-read spec.logPrefx"}},
		{"other", "{}", model.Configuration{}, []string{"~setting-name metadata.name"}},
		{"node.", "{}", model.Configuration{}, []string{"~setting-name metadata.name"}},
	} {
		f := &v3.FelixConfiguration{}
		if err := yaml.Unmarshal([]byte("spec: "+row.spec), f); err != nil {
			t.Fatal(err)
		}
		f.Name = row.name
		row.want.Name = row.name
		got, problems := translate.Object(f)
		if diff := cmp.Diff(&row.want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
			t.Errorf("%s %s (-want +got)\n%s", row.name, row.spec, diff)
		}
		if said := codes(problems); !slices.Equal(said, row.problems) {
			t.Errorf("%s %s: said %q, want %q", row.name, row.spec, said, row.problems)
		}
	}
}
