package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podsPerNode is the capacity that nodes report: what a /24 has room for.
const podsPerNode = 250

// registerNode creates the Node if it is not there. Its status comes when the
// watch shows it.
func (k *kubelet) registerNode(ctx context.Context, m *machine) error {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.name(), Labels: map[string]string{
		corev1.LabelHostname: m.name(), corev1.LabelOSStable: runtime.GOOS, corev1.LabelArchStable: runtime.GOARCH,
	}}}
	for _, c := range m.pods.cidrs {
		n.Spec.PodCIDRs = append(n.Spec.PodCIDRs, c.String())
	}
	n.Spec.PodCIDR = n.Spec.PodCIDRs[0]
	_, err := k.client.CoreV1().Nodes().Create(ctx, n, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register node %s: %w", m.name(), err)
	}
	return nil
}

// nodeSeen gives a Node of the lab its status, also one that a user has created
// anew, and takes away the taint that every new Node gets.
func (k *kubelet) nodeSeen(ctx context.Context, n *corev1.Node) {
	m := k.lab.machines["node:"+n.Name]
	if m == nil {
		return
	}
	status := nodeStatus(m)
	nodes := k.client.CoreV1().Nodes()
	if !slices.Equal(n.Status.Addresses, status.Addresses) || !nodeReady(n) {
		if patch, err := json.Marshal(map[string]any{"status": status}); err == nil {
			_, err = nodes.Patch(ctx, n.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
			k.logNode(ctx, n, err)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(n.Spec.Taints), func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
	if len(kept) < len(n.Spec.Taints) {
		if patch, err := json.Marshal(map[string]any{"spec": map[string]any{"taints": kept}}); err == nil {
			_, err = nodes.Patch(ctx, n.Name, types.MergePatchType, patch, metav1.PatchOptions{})
			k.logNode(ctx, n, err)
		}
	}
}

func (k *kubelet) logNode(ctx context.Context, n *corev1.Node, err error) {
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		k.lab.options.Log.Warn("node", "node", n.Name, "error", err)
	}
}

func nodeReady(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

func nodeStatus(m *machine) corev1.NodeStatus {
	now := metav1.Now()
	room := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(podsPerNode, resource.DecimalSI)}
	s := corev1.NodeStatus{
		Capacity: room, Allocatable: room,
		Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "LabNode", Message: "a network namespace of the lab",
			LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		NodeInfo: corev1.NodeSystemInfo{
			KubeletVersion: "tierwall-lab", OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH, OSImage: "network namespace " + m.netns,
		},
	}
	for _, a := range m.addrs {
		s.Addresses = append(s.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()})
	}
	s.Addresses = append(s.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: m.name()})
	return s
}
