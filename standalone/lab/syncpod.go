package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/tierwall/tierwall/labhost"
)

// sync brings one pod of the lab in line with the API.
func (k *kubelet) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	p, err := k.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return k.drop(key)
	}
	if err != nil {
		return err
	}
	if h := k.get(key); h != nil && (h.uid != p.UID || !lives(p)) {
		if err := k.drop(key); err != nil {
			return err
		}
	}
	if p.DeletionTimestamp != nil {
		return k.finish(ctx, p)
	}
	k.place(p)
	h := k.get(key)
	if h == nil {
		return nil // ended, or of a node that is not ours
	}
	if err := k.run(ctx, p, h); err != nil {
		return errors.Join(err, k.report(ctx, p, failureStatus(err)))
	}
	return k.report(ctx, p, k.status(p, h))
}

// run binds the pod and starts it, as far as that has not been done.
func (k *kubelet) run(ctx context.Context, p *corev1.Pod, h *held) error {
	if p.Spec.NodeName == "" {
		if err := k.bind(ctx, p, h.node); err != nil {
			return err
		}
	}
	if h.running || p.Spec.HostNetwork {
		return nil
	}
	end, err := k.lab.begin()
	if err != nil {
		return err
	}
	defer end()
	if h.pod == nil {
		if h.pod, err = k.reserve(p, h.node); err != nil {
			return err
		}
	}
	if err := k.lab.buildPod(ctx, h.pod); err != nil {
		h.pod = nil // buildPod has given its addresses free
		return err
	}
	h.running = true
	return nil
}

// reserve gives the pod its addresses in the lab: those of the annotation, else
// those it had before if they are free, else new ones.
func (k *kubelet) reserve(p *corev1.Pod, node string) (*pod, error) {
	spec := Pod{Namespace: p.Namespace, Name: p.Name, Node: node, Ports: k.containerPorts(p)}
	var err error
	if spec.Addrs, err = annotated(p); err != nil {
		return nil, err
	}
	if len(spec.Addrs) > 0 || len(p.Status.PodIPs) == 0 {
		return k.lab.reservePod(spec)
	}
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			spec.Addrs = append(spec.Addrs, a)
		}
	}
	if checkAddrs(spec.Addrs) == nil {
		if planned, err := k.lab.reservePod(spec); err == nil {
			return planned, nil
		}
	}
	spec.Addrs = nil
	return k.lab.reservePod(spec)
}

// annotated is what AddressAnnotation asks for.
func annotated(p *corev1.Pod) ([]netip.Addr, error) {
	text := p.Annotations[AddressAnnotation]
	if text == "" {
		return nil, nil
	}
	var out []netip.Addr
	for _, part := range strings.Split(text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", AddressAnnotation, err)
		}
		out = append(out, a)
	}
	if err := checkAddrs(out); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", AddressAnnotation, err)
	}
	return out, nil
}

// drop takes what is held under a key out of the lab.
func (k *kubelet) drop(key string) error {
	h := k.get(key)
	if h == nil {
		return nil
	}
	if h.pod != nil {
		end, err := k.lab.begin()
		if errors.Is(err, ErrClosed) {
			return nil // the lab has taken it down with everything else
		}
		defer end()
		if err := k.lab.destroyPod(h.pod); err != nil {
			return err
		}
		k.lab.forgetPod(h.pod)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, key)
	return nil
}

// finish ends the deletion of a pod, as a kubelet does when nothing of the pod
// is left. Pods of foreign nodes are for their own kubelets to end.
func (k *kubelet) finish(ctx context.Context, p *corev1.Pod) error {
	if p.Spec.NodeName != "" && k.lab.machines["node:"+p.Spec.NodeName] == nil {
		return nil
	}
	now := int64(0)
	err := k.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another pod by now
	}
	return err
}

// bind gives the pod its node, as a scheduler does.
func (k *kubelet) bind(ctx context.Context, p *corev1.Pod, node string) error {
	err := k.client.CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // bound or gone meanwhile: the watch tells
	}
	if err != nil {
		return fmt.Errorf("bind to %s: %w", node, err)
	}
	return nil
}

// report writes a status, unless the API says all of it already.
func (k *kubelet) report(ctx context.Context, p *corev1.Pod, s corev1.PodStatus) error {
	if p.Status.Phase == s.Phase && p.Status.Reason == s.Reason && p.Status.Message == s.Message &&
		p.Status.HostIP == s.HostIP && slices.Equal(p.Status.PodIPs, s.PodIPs) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.UID}, // of this pod and no other
		"status": struct {
			corev1.PodStatus
			// Without omitempty, so that a reason of the past goes away.
			Reason  string `json:"reason"`
			Message string `json:"message"`
		}{s, s.Reason, s.Message},
	})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// failureStatus is that of a pod that could not be started yet.
func failureStatus(err error) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, Reason: "LabError", Message: err.Error()}
}

// status is that of a pod that runs.
func (k *kubelet) status(p *corev1.Pod, h *held) corev1.PodStatus {
	node := k.lab.machines["node:"+h.node]
	addrs := node.addrs
	if h.pod != nil {
		addrs = h.pod.addrs
	}
	now := metav1.Now()
	s := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now}
	for _, a := range node.addrs {
		s.HostIPs = append(s.HostIPs, corev1.HostIP{IP: a.String()})
	}
	for _, a := range addrs {
		s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: a.String()})
	}
	s.HostIP, s.PodIP = s.HostIPs[0].IP, s.PodIPs[0].IP
	for _, c := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	for _, c := range p.Spec.Containers {
		started := true
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, ContainerID: "tierwall://" + string(p.UID) + "/" + c.Name,
			Ready: true, Started: &started,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	return s
}

// listenPort is a container's port as one to listen on; not every protocol can.
func listenPort(p corev1.ContainerPort) (Port, bool) {
	switch p.Protocol {
	case corev1.ProtocolTCP, "":
		return Port{labhost.TCP, uint16(p.ContainerPort)}, true
	case corev1.ProtocolUDP:
		return Port{labhost.UDP, uint16(p.ContainerPort)}, true
	}
	return Port{}, false
}
