package admissiontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nodeHosts: host endpoints come and go with the nodes, by the rights that the
// server has in a cluster.
func (w *world) nodeHosts(t *testing.T) {
	w.node(t, "auto-1", "a", "10.9.0.1")
	mine := w.must(t, w.admin, "{kind: HostEndpoint, metadata: {name: mine}, spec: {node: auto-1, interfaceName: eth7}}")
	defer w.delete(t, mine)
	config := w.must(t, w.admin, "{kind: KubeControllersConfiguration, metadata: {name: default}, spec: {logLevel: Info, controllers: {node: {hostEndpoint: {autoCreate: Enabled}}}}}")
	defer w.delete(t, config)
	w.soon(t, config, "Accepted", "True", "Accepted", "spec.logLevel: the setting is not read")
	if now, err := w.get(config); err != nil || now.Object["spec"].(map[string]any)["logLevel"] != "Info" {
		t.Errorf("what is not read is not kept: %v %v", now, err)
	}

	w.hosts(t, `auto-1-auto-hep auto-1 "*" [10.9.0.1] zone=a`, `mine auto-1 "eth7" [] zone=`)
	made := parse(t, "{kind: HostEndpoint, metadata: {name: auto-1-auto-hep}}")
	w.soon(t, made, "Accepted", "True", "Accepted", "")
	w.node(t, "auto-2", "b", "10.9.0.2")
	w.node(t, "auto-1", "c", "10.9.0.1", "10.8.0.1")
	w.hosts(t, `auto-1-auto-hep auto-1 "*" [10.8.0.1 10.9.0.1] zone=c`, `auto-2-auto-hep auto-2 "*" [10.9.0.2] zone=b`, `mine auto-1 "eth7" [] zone=`)
	if err := w.patch(w.admin, made, `{"metadata": {"labels": {"zone": "x"}, "annotations": {"a": "b"}}, "spec": {"profiles": null}}`); err != nil {
		t.Fatal(err)
	}
	w.hosts(t, `auto-1-auto-hep auto-1 "*" [10.8.0.1 10.9.0.1] zone=c`, `auto-2-auto-hep auto-2 "*" [10.9.0.2] zone=b`, `mine auto-1 "eth7" [] zone=`)
	if now, err := w.get(made); err != nil || now.GetAnnotations()["a"] != "b" {
		t.Errorf("annotations: %v %v", now.GetAnnotations(), err)
	}

	says(t, w.patch(w.admin, config, `{"spec": {"controllers": {"node": {"hostEndpoint": {"templates": [{"generateName": "a", "interfacePattern": "eth0", "nodeSelector": "("}]}}}}}`),
		"spec.controllers.node.hostEndpoint.templates[0].nodeSelector: ")
	says(t, w.patch(w.admin, config, `{"spec": {"controllers": {"node": {"hostEndpoint": {"createDefaultHostEndpoint": "Disabled", "templates": [
		{"generateName": "old", "interfaceCIDRs": ["10.8.0.0/16"], "labels": {"zone": "t"}}, {"generateName": "up", "interfacePattern": "^eth0$", "nodeSelector": "zone == 'b'"}]}}}}}`), "")
	w.hosts(t, `auto-1-old-auto-hep auto-1 "" [10.8.0.1] zone=t`, `auto-2-up-auto-hep auto-2 "eth0" [] zone=b`, `mine auto-1 "eth7" [] zone=`)

	if err := w.core.CoreV1().Nodes().Delete(w.ctx, "auto-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.hosts(t, `auto-2-up-auto-hep auto-2 "eth0" [] zone=b`, `mine auto-1 "eth7" [] zone=`)
	says(t, w.patch(w.admin, config, `{"spec": {"controllers": {"node": {"hostEndpoint": {"autoCreate": "Disabled"}}}}}`), "")
	w.hosts(t, `mine auto-1 "eth7" [] zone=`)
	if err := w.core.CoreV1().Nodes().Delete(w.ctx, "auto-2", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// node makes a node, or changes it.
func (w *world) node(t *testing.T, name, zone string, addresses ...string) {
	t.Helper()
	nodes := w.core.CoreV1().Nodes()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"zone": zone}}}
	now, err := nodes.Get(w.ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		now, err = nodes.Create(w.ctx, n, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	now.Labels = n.Labels
	if now, err = nodes.Update(w.ctx, now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	now.Status.Addresses = nil
	for _, a := range addresses {
		now.Status.Addresses = append(now.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	if _, err = nodes.UpdateStatus(w.ctx, now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// hosts waits until the host endpoints are those named.
func (w *world) hosts(t *testing.T, want ...string) {
	t.Helper()
	w.eventually(t, "host endpoints", func() error {
		list, err := w.admin.Resource(resource("hostendpoints")).List(w.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var got []string
		for _, u := range list.Items {
			text := func(fields ...string) string { s, _, _ := unstructured.NestedString(u.Object, fields...); return s }
			ips, _, _ := unstructured.NestedStringSlice(u.Object, "spec", "expectedIPs")
			profiles, _, _ := unstructured.NestedStringSlice(u.Object, "spec", "profiles")
			if strings.HasSuffix(u.GetName(), "-auto-hep") && (u.GetLabels()["projectcalico.org/created-by"] != "calico-kube-controllers" || !slices.Equal(profiles, []string{"projectcalico-default-allow"})) {
				return fmt.Errorf("%s: %v %v", u.GetName(), u.GetLabels(), profiles)
			}
			got = append(got, fmt.Sprintf("%s %s %q %v zone=%s", u.GetName(), text("spec", "node"), text("spec", "interfaceName"), ips, u.GetLabels()["zone"]))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("there are %q", got)
		}
		return nil
	})
}
