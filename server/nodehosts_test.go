package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// hosts is a controller of host endpoints whose writes are done on paper.
type hosts struct {
	*nodeHosts
	t      *testing.T
	writes []string
	broken map[string]error // by host endpoint
}

func newHosts(t *testing.T) *hosts {
	t.Helper()
	h := &hosts{t: t, broken: map[string]error{}}
	h.nodeHosts = newNodeHosts(func(_ context.Context, w hostWrite) (*v3.HostEndpoint, error) {
		verb, at := "create", w.want
		switch {
		case w.want == nil:
			verb, at = "delete", w.have
		case w.have != nil:
			verb = "update"
		}
		h.writes = append(h.writes, verb+" "+at.Name)
		return w.want, h.broken[at.Name]
	}, slog.New(slog.DiscardHandler))
	for kind := range maps.Clone(h.waiting) {
		h.take(event{listed: kind})
	}
	return h
}

func (h *hosts) node(name, labels string, addresses ...string) {
	h.t.Helper()
	n := &corev1.Node{}
	n.Name = name
	if err := yaml.Unmarshal([]byte(labels), &n.Labels); err != nil {
		h.t.Fatal(err)
	}
	for _, a := range addresses {
		kind := corev1.NodeInternalIP
		if public, ok := strings.CutPrefix(a, "public "); ok {
			kind, a = corev1.NodeExternalIP, public
		}
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind, Address: a})
	}
	n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: name})
	h.take(event{put: []metav1.Object{n}})
}

// says takes a configuration; empty is none.
func (h *hosts) says(text string) {
	h.t.Helper()
	const k = v3.KindKubeControllersConfiguration
	if text == "" {
		h.take(event{gone: []string{k + "//default"}})
		return
	}
	h.take(event{put: []metav1.Object{object(h.t, "{kind: "+k+", metadata: {name: default}, spec: {controllers: {node: {hostEndpoint: {"+text+"}}}}}")}})
}

// does settles and holds what is written to a list.
func (h *hosts) does(want ...string) (again bool) {
	h.t.Helper()
	h.writes = nil
	wait := h.settle(h.t.Context())
	if !slices.Equal(h.writes, want) {
		h.t.Errorf("does %q, want %q", h.writes, want)
	}
	return wait > 0
}

// is holds a host endpoint to a text: interface, addresses, labels.
func (h *hosts) is(name, want string) {
	h.t.Helper()
	e, ok := h.objects["HostEndpoint//"+name].(*v3.HostEndpoint)
	if !ok {
		h.t.Errorf("no %s", name)
		return
	}
	labels := maps.Clone(e.Labels)
	if labels[createdByLabel] != "calico-kube-controllers" || !slices.Equal(e.Spec.Profiles, []string{"projectcalico-default-allow"}) {
		h.t.Errorf("%s: %v %v", name, labels, e.Spec.Profiles)
	}
	delete(labels, createdByLabel)
	if got := fmt.Sprintf("%s %q %v %v", e.Spec.Node, e.Spec.InterfaceName, e.Spec.ExpectedIPs, labels); got != want {
		h.t.Errorf("%s: %s, want %s", name, got, want)
	}
}

func TestNodeHostsWaitForAllLists(t *testing.T) {
	h := newHosts(t)
	h.says("autoCreate: Enabled")
	h.node("n1", "{}")
	h.waiting[v3.KindHostEndpoint] = true
	h.does()
	h.take(event{listed: v3.KindHostEndpoint})
	h.does("create n1-auto-hep")
}

// TestNodeHosts is the life of the host endpoint of a node (semantics.md
// sections 5 and 11).
func TestNodeHosts(t *testing.T) {
	h := newHosts(t)
	h.node("n1", "{zone: a, projectcalico.org/created-by: me}", "10.0.0.9", "10.0.0.1", "10.0.0.9", "2001:db8::1", "public 192.0.2.1")
	h.does()
	h.says("createDefaultHostEndpoint: Enabled")
	h.does()
	h.says("autoCreate: Enabled")
	h.does("create n1-auto-hep")
	h.is("n1-auto-hep", `n1 "*" [10.0.0.1 10.0.0.9 2001:db8::1] map[zone:a]`)
	h.does()

	h.node("n1", "{zone: b}", "10.0.0.1")
	h.does("update n1-auto-hep")
	h.is("n1-auto-hep", `n1 "*" [10.0.0.1] map[zone:b]`)
	by := h.objects["HostEndpoint//n1-auto-hep"].(*v3.HostEndpoint).DeepCopy()
	by.Spec.Profiles, by.Labels["zone"] = nil, "x"
	h.take(event{put: []metav1.Object{by}})
	h.does("update n1-auto-hep") // what somebody has changed by hand
	h.node("n2", "{}")
	h.does("create n2-auto-hep")
	h.is("n2-auto-hep", `n2 "*" [] map[]`)
	h.take(event{gone: []string{"Node//n1"}})
	h.does("delete n1-auto-hep")
	h.says("autoCreate: Sometimes")
	h.does()
	h.says("autoCreate: Disabled")
	h.does("delete n2-auto-hep")
	h.says("autoCreate: Enabled")
	h.does("create n2-auto-hep")
	h.says("")
	h.does("delete n2-auto-hep")
}

func TestNodeHostTemplates(t *testing.T) {
	h := newHosts(t)
	h.node("n1", "{zone: a, net: x}", "10.0.0.1", "10.1.0.1", "public 192.0.2.1")
	h.node("n2", "{zone: b}", "10.0.0.2")
	h.says("autoCreate: Enabled")
	h.does("create n1-auto-hep", "create n2-auto-hep")
	h.says(`autoCreate: Enabled, createDefaultHostEndpoint: Disabled, templates: [
		{generateName: storage, interfaceCIDRs: [10.1.0.0/16, 192.0.2.0/24], labels: {net: storage, projectcalico.org/created-by: me}},
		{generateName: up, interfacePattern: ^eth1$, nodeSelector: zone == 'b'},
		{generateName: both, interfacePattern: eth0, interfaceCIDRs: [10.0.0.0/16], nodeSelector: zone == 'a'}]`)
	h.does("create n1-both-auto-hep", "create n1-storage-auto-hep", "create n2-up-auto-hep", "delete n1-auto-hep", "delete n2-auto-hep")
	h.is("n1-storage-auto-hep", `n1 "" [10.1.0.1 192.0.2.1] map[net:storage zone:a]`)
	h.is("n1-both-auto-hep", `n1 "eth0" [10.0.0.1] map[net:x zone:a]`)
	h.is("n2-up-auto-hep", `n2 "eth1" [] map[zone:b]`)

	// what cannot be read stays as it is, and keeps nothing else from happening
	h.says(`autoCreate: Enabled, createDefaultHostEndpoint: Disabled, templates: [
		{generateName: storage, interfaceCIDRs: [10.1.0.0/16], nodeSelector: "("}, {generateName: up, interfacePattern: "eth.*"}]`)
	h.does("delete n1-both-auto-hep")
	h.take(event{gone: []string{"Node//n1"}})
	h.does("delete n1-storage-auto-hep")
}

// TestNodeHostsOfOthers: the controller touches nothing that it did not make.
func TestNodeHostsOfOthers(t *testing.T) {
	h := newHosts(t)
	label := "labels: {projectcalico.org/created-by: calico-kube-controllers}"
	for _, text := range []string{
		"metadata: {name: n1-auto-hep}, spec: {node: n1, interfaceName: eth0}",
		"metadata: {name: mine, " + label + "}, spec: {node: n9, interfaceName: eth0}",
		"metadata: {name: n8-auto-hep, " + label + "}, spec: {node: n9, interfaceName: eth0}",
		"metadata: {name: n9-auto-hep}, spec: {node: n9, interfaceName: eth0}",
	} {
		h.take(event{put: []metav1.Object{object(t, "{kind: HostEndpoint, "+text+"}")}})
	}
	h.node("n1", "{}", "10.0.0.1")
	h.says("autoCreate: Enabled")
	h.does()
	h.says("autoCreate: Disabled")
	h.does()
}

// TestNodeHostsOfOneName: two nodes that would have one of the same name.
func TestNodeHostsOfOneName(t *testing.T) {
	h := newHosts(t)
	h.node("n", "{}")
	h.node("n-a", "{}")
	h.says("autoCreate: Enabled, templates: [{generateName: a, interfacePattern: eth0}]")
	h.does("create n-a-a-auto-hep", "create n-a-auto-hep", "create n-auto-hep")
	h.is("n-a-auto-hep", `n-a "*" [] map[]`)
	h.does()
}

// TestNodeHostsThatFail: what protects a node stays until what takes its place
// is there, and is tried for again, ever more slowly.
func TestNodeHostsThatFail(t *testing.T) {
	h := newHosts(t)
	h.node("n1", "{}", "10.0.0.1")
	h.node("n2", "{}", "10.0.0.2")
	h.says("autoCreate: Enabled")
	h.does("create n1-auto-hep", "create n2-auto-hep")
	h.says("autoCreate: Enabled, createDefaultHostEndpoint: Disabled, templates: [{generateName: a, interfacePattern: eth0}]")
	h.broken["n1-a-auto-hep"] = errors.New("no")
	if !h.does("create n1-a-auto-hep", "create n2-a-auto-hep", "delete n2-auto-hep") || h.retry != retryAfter {
		t.Errorf("again after %s", h.retry)
	}
	if !h.does("create n1-a-auto-hep") || h.retry != 2*retryAfter {
		t.Errorf("again after %s", h.retry)
	}
	delete(h.broken, "n1-a-auto-hep")
	if h.does("create n1-a-auto-hep", "delete n1-auto-hep") {
		t.Error("again although all is done")
	}
}
