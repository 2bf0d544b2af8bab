package main

import (
	"context"
	"log"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// beat is how often the node's status and lease are renewed; the controller
// manager gives up a node after 40 s.
const beat = 10 * time.Second

// register makes the node known and keeps it ready until the context ends.
func register(ctx context.Context, s settings, client kubernetes.Interface) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.node, Labels: map[string]string{
		corev1.LabelHostname: s.node, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
	}}}
	_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if err := renew(ctx, s, client); err != nil {
		return err
	}
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := renew(ctx, s, client); err != nil {
					log.Print("status of the node: ", err)
				}
			}
		}
	}()
	return nil
}

func renew(ctx context.Context, s settings, client kubernetes.Interface) error {
	node, err := client.CoreV1().Nodes().Get(ctx, s.node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	has := corev1.ResourceList{}
	for name, quantity := range map[corev1.ResourceName]string{"cpu": "64", "memory": "64Gi", "pods": "250", "ephemeral-storage": "100Gi"} {
		has[name] = resource.MustParse(quantity)
	}
	now := metav1.Now()
	node.Status.Capacity, node.Status.Allocatable = has, has
	node.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: s.address.String()},
		{Type: corev1.NodeHostName, Address: s.node},
	}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = kubeletPort
	node.Status.NodeInfo.OperatingSystem, node.Status.NodeInfo.Architecture = "linux", "amd64"
	node.Status.NodeInfo.ContainerRuntimeVersion, node.Status.NodeInfo.KubeletVersion = "podlet://1", "v1.37.2"
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "PodletReady", LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	if _, err := client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return renewLease(ctx, s, client)
}

func renewLease(ctx context.Context, s settings, client kubernetes.Interface) error {
	leases := client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now, lasts := metav1.NowMicro(), int32(40)
	lease, err := leases.Get(ctx, s.node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: s.node}}
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &s.node, &lasts, &now
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}
