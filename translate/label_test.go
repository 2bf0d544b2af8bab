package translate_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

var (
	comparePrefix = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

const podHead = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: blue}\n"

// TestPod holds section 5 for a whole pod.
func TestPod(t *testing.T) {
	got := one[*model.Endpoint](t, `
apiVersion: v1
kind: Pod
metadata: {name: fe-1, namespace: blue, labels: {app: web, tier: fe}}
spec:
  nodeName: n1
  serviceAccountName: robot
  containers:
  - name: c
    ports:
    - {name: http, containerPort: 8080}
    - {name: dns, containerPort: 53, protocol: UDP}
    - {containerPort: 9090}
  initContainers:
  - name: i
    ports: [{name: sig, containerPort: 9, protocol: SCTP}]
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]`)
	want := &model.Endpoint{
		ID:   verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "fe-1"},
		Node: "n1",
		Labels: map[string]string{
			"app": "web", "tier": "fe",
			"projectcalico.org/namespace": "blue", "projectcalico.org/orchestrator": "k8s", "projectcalico.org/serviceaccount": "robot",
		},
		ServiceAccount: "robot",
		Addrs:          []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Ports: []model.NamedPort{
			{Name: "http", Protocol: verdict.TCP, Port: 8080}, {Name: "dns", Protocol: verdict.UDP, Port: 53},
			{Name: "sig", Protocol: verdict.SCTP, Port: 9},
		},
	}
	if diff := cmp.Diff(want, got, comparePrefix); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestPodLabels: nobody can pass for another by the labels of a pod.
func TestPodLabels(t *testing.T) {
	got := one[*model.Endpoint](t, `
apiVersion: v1
kind: Pod
metadata:
  name: p
  namespace: blue
  labels:
    app: web
    pcns.env: prod
    pcns.projectcalico.org/name: red
    pcsa.team: admin
    projectcalico.org/namespace: red
    projectcalico.org/orchestrator: none
    projectcalico.org/serviceaccount: admin
    pcnsx: kept
status: {podIP: 10.0.0.1}`)
	want := map[string]string{
		"app": "web", "pcnsx": "kept", "projectcalico.org/namespace": "blue",
		"projectcalico.org/orchestrator": "k8s", "projectcalico.org/serviceaccount": "default",
	}
	if diff := cmp.Diff(want, got.Labels); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.ServiceAccount != "default" {
		t.Errorf("service account %q", got.ServiceAccount)
	}
}

// TestPodsThatAreNoEndpoints: they are nothing to policy, and have a key all
// the same, under which they were something before.
func TestPodsThatAreNoEndpoints(t *testing.T) {
	head := func(meta string) string { return "apiVersion: v1\nkind: Pod\n" + meta + "\n" }
	for _, row := range []struct {
		name, text string
		endpoint   bool
	}{
		{"an ordinary one", podHead + "status: {podIP: 10.0.0.1}", true},
		{"pending, with an address", podHead + "status: {podIP: 10.0.0.1, phase: Pending}", true},
		{"only in podIPs", podHead + `status: {podIPs: [{ip: 10.0.0.1}]}`, true},
		{"on the host's network", podHead + "spec: {hostNetwork: true, containers: []}\nstatus: {podIP: 10.9.0.1, phase: Running}", false},
		{"succeeded", podHead + "status: {podIP: 10.0.0.1, phase: Succeeded}", false},
		{"failed", podHead + "status: {podIP: 10.0.0.1, phase: Failed}", false},
		{"no address yet", podHead + "status: {phase: Pending}", false},
		{"an address that is none", podHead + "status: {podIP: none}", false},
		{"being deleted, its address lost", head(`metadata: {name: p, namespace: blue, deletionTimestamp: "2026-01-01T00:00:00Z", annotations: {cni.projectcalico.org/podIP: ""}}`) + "status: {podIP: 10.0.0.1}", false},
		{"being deleted, its address still there", head(`metadata: {name: p, namespace: blue, deletionTimestamp: "2026-01-01T00:00:00Z", annotations: {cni.projectcalico.org/podIP: 10.0.0.1/32}}`) + "status: {podIP: 10.0.0.1}", true},
		{"an empty annotation before the deletion", head(`metadata: {name: p, namespace: blue, annotations: {cni.projectcalico.org/podIP: ""}}`) + "status: {podIP: 10.0.0.1}", true},
	} {
		pod := read(t, row.text)[0]
		object, problems := translate.Object(pod)
		if (object != nil) != row.endpoint || len(problems) > 0 {
			t.Errorf("%s: %v, %v", row.name, object, problems)
		}
		want := model.Key{Kind: model.KindPod, Namespace: "blue", Name: "p"}
		if key, ok := translate.Key(pod); !ok || key != want {
			t.Errorf("%s: key %+v, %v", row.name, key, ok)
		}
	}
}

func TestPodAddresses(t *testing.T) {
	for _, row := range []struct{ name, status, want string }{
		{"podIP and podIPs agree", `{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}`, "[10.0.0.1 fd00::1]"},
		{"podIP first", `{podIP: "fd00::1", podIPs: [{ip: 10.0.0.1}]}`, "[fd00::1 10.0.0.1]"},
		{"IPv4 written as IPv6", `{podIP: "::ffff:10.0.0.1", podIPs: [{ip: 10.0.0.1}]}`, "[10.0.0.1]"},
		{"one that is none", `{podIPs: [{ip: 10.0.0.300}, {ip: 10.0.0.1}]}`, "[10.0.0.1]"},
	} {
		p := one[*model.Endpoint](t, podHead+"status: "+row.status)
		if got := textOf(p.Addrs); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestNamespaceAccountAndNode(t *testing.T) {
	ns := one[*model.Namespace](t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {env: dev}}")
	if diff := cmp.Diff(&model.Namespace{Name: "blue", Labels: map[string]string{"env": "dev"}}, ns); diff != "" {
		t.Error(diff)
	}
	sa := one[*model.ServiceAccount](t, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot, namespace: blue, labels: {team: a}}")
	if diff := cmp.Diff(&model.ServiceAccount{Namespace: "blue", Name: "robot", Labels: map[string]string{"team": "a"}}, sa); diff != "" {
		t.Error(diff)
	}
	for _, row := range []struct {
		spec, nets string
	}{
		{`{podCIDRs: [10.0.1.0/24, "fd00:1::/64"], podCIDR: 10.9.0.0/16}`, "[10.0.1.0/24 fd00:1::/64]"},
		{`{podCIDR: 10.0.1.7/24}`, "[10.0.1.0/24]"},
		{`{podCIDRs: [nonsense]}`, "[]"},
	} {
		n := one[*model.Node](t, "apiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {zone: a}}\nspec: "+row.spec+
			"\nstatus: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 10.9.0.1}, {type: InternalIP, address: \"fd00:9::1\"}]}")
		if got := textOf(n.PodNets); got != row.nets {
			t.Errorf("%s: %s, want %s", row.spec, got, row.nets)
		}
		if got, want := textOf(n.Addrs), "[10.9.0.1 fd00:9::1]"; got != want || n.Name != "n1" || n.Labels["zone"] != "a" {
			t.Errorf("%s: %+v", row.spec, n)
		}
	}
}

// TestSets: labels and networks of both kinds of sets.
func TestSets(t *testing.T) {
	const text = `{nets: [10.0.0.7/8, 192.0.2.7, "2001:db8::1", "2001:db8::/32", "::ffff:192.0.2.0/120"]}`
	nets := "[10.0.0.0/8 192.0.2.7/32 2001:db8::1/128 2001:db8::/32 192.0.2.0/24]"
	for _, row := range []struct {
		kind, namespace string
		want            map[string]string
	}{
		{"NetworkSet", "blue", map[string]string{"app": "db", "projectcalico.org/namespace": "blue"}},
		{"GlobalNetworkSet", "", map[string]string{"app": "db"}},
	} {
		s := one[*model.NetworkSet](t, "apiVersion: projectcalico.org/v3\nkind: "+row.kind+"\nmetadata: {name: s, namespace: \""+row.namespace+
			"\", labels: {app: db, pcns.env: prod, pcsa.team: a}}\nspec: "+text)
		if diff := cmp.Diff(row.want, s.Labels); diff != "" {
			t.Errorf("%s: labels (-want +got)\n%s", row.kind, diff)
		}
		if got := textOf(s.Nets); got != nets || s.Namespace != row.namespace {
			t.Errorf("%s: %s of %q", row.kind, got, s.Namespace)
		}
	}
}

// TestSetCannotPass: a set's label does not put it into a namespace.
func TestSetCannotPass(t *testing.T) {
	for kind, want := range map[string]map[string]string{
		"NetworkSet": {"projectcalico.org/namespace": "blue"}, "GlobalNetworkSet": {},
	} {
		meta := "{name: s, labels: {projectcalico.org/namespace: red}}"
		if kind == "NetworkSet" {
			meta = "{name: s, namespace: blue, labels: {projectcalico.org/namespace: red}}"
		}
		object, problems := translate.Object(read(t, "apiVersion: projectcalico.org/v3\nkind: "+kind+"\nmetadata: "+meta+"\nspec: {nets: [192.0.2.7]}")[0])
		if diff := cmp.Diff(want, object.(*model.NetworkSet).Labels); diff != "" || len(problems) != 1 {
			t.Errorf("%s: %v (-want +got)\n%s", kind, problems, diff)
		}
	}
}

func TestHostEndpoint(t *testing.T) {
	got := one[*model.Endpoint](t, `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: h1, labels: {role: gw, pcns.env: kept}}
spec:
  node: n1
  interfaceName: eth0
  expectedIPs: [10.9.0.1, "fd00:9::1", "::ffff:10.9.0.2"]
  profiles: [b, a]
  ports: [{name: ssh, protocol: tcp, port: 22}]`)
	want := &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Host, Name: "h1"}, Node: "n1", Interface: "eth0",
		Labels:   map[string]string{"role": "gw", "pcns.env": "kept"},
		Addrs:    []netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("fd00:9::1"), netip.MustParseAddr("10.9.0.2")},
		Profiles: []string{"b", "a"},
		Ports:    []model.NamedPort{{Name: "ssh", Protocol: verdict.TCP, Port: 22}},
	}
	if diff := cmp.Diff(want, got, comparePrefix); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestProfile(t *testing.T) {
	got := one[*model.Profile](t, manifest("Profile", "", "prof",
		"{labelsToApply: {zone: a}, ingress: [{action: Allow}], egress: [{action: Deny}, {action: Allow}]}"))
	want := &model.Profile{Name: "prof", Labels: map[string]string{"zone": "a"}, Rules: [2][]model.Rule{
		{{Action: verdict.ActionAllow}}, {{Action: verdict.ActionDeny}, {Index: 1, Action: verdict.ActionAllow}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
