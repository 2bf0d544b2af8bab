package faulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	v3 "github.com/tierwall/tierwall/api/v3"
)

const nodeName, namespace = "n1", "default"

type object = map[string]any

// done is a change that the API server took: the object, as agents name it, and
// its version.
type done struct {
	key, version string
}

func (r *rig) apply(ctx context.Context, plural, kind, name string, labels, spec object) (done, error) {
	body, err := json.Marshal(object{"apiVersion": v3.GroupVersion.String(), "kind": kind, "metadata": object{"name": name, "labels": labels}, "spec": spec})
	if err != nil {
		return done{}, err
	}
	force := true
	o, err := r.dynamic.Resource(v3.GroupVersion.WithResource(plural)).Patch(ctx, name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "faults", Force: &force})
	if err != nil {
		return done{}, fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return done{kind + "//" + name, o.GetResourceVersion()}, nil
}

func (r *rig) policy(ctx context.Context, name string, spec object) (done, error) {
	return r.apply(ctx, "globalnetworkpolicies", v3.KindGlobalNetworkPolicy, name, object{}, spec)
}

func rule(action, protocol string, source, destination object) object {
	return object{"action": action, "protocol": protocol, "source": source, "destination": destination}
}

func ports(list ...int) object { return object{"ports": list} }

// setUp makes the node, the pods and the policies.
func (r *rig) setUp(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(r.config)
	if err != nil {
		return err
	}
	if r.dynamic, err = dynamic.NewForConfig(r.config); err != nil {
		return err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	for name, addr := range map[string]netip.Addr{"client": r.client.addr, "server": r.server.addr} {
		if err := r.makePod(ctx, client, name, addr); err != nil {
			return err
		}
	}
	for i := range 4 {
		if _, err := r.flip(ctx, i); err != nil {
			return err
		}
	}
	_, err = r.policy(ctx, "client", object{
		"selector": "app == 'client'", "types": []string{"Ingress", "Egress"},
		"egress": []object{rule("Deny", "UDP", object{}, ports(udpUnsent)), {"action": "Allow"}},
	})
	return err
}

func (r *rig) makePod(ctx context.Context, client kubernetes.Interface, name string, addr netip.Addr) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: nodeName, Containers: []corev1.Container{{Name: "main", Image: "tierwall.dev/lab"}}},
	}
	pods := client.CoreV1().Pods(namespace)
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // until the namespace has its service account
		made, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		if err == nil {
			made.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: addr.String(), PodIPs: []corev1.PodIP{{IP: addr.String()}}}
			_, err = pods.UpdateStatus(ctx, made, metav1.UpdateOptions{})
			return err
		}
		if !apierrors.IsForbidden(err) || time.Now().After(limit) {
			return fmt.Errorf("pod %s: %w", name, err)
		}
	}
}

// flip changes one thing, in one of four ways, none of which concerns the traffic
// that is counted.
func (r *rig) flip(ctx context.Context, n int) (done, error) {
	round := n / 4
	switch n % 4 {
	case 0: // the rules and the selector of the server's policy: new rows, new sets, new classes of peers
		from := object{"selector": "app == 'client'"}
		rules := []object{rule("Allow", "TCP", from, ports(tcpOpen)), rule("Allow", "UDP", from, ports(udpOpen, udpUnsent)),
			rule("Allow", "TCP", object{"nets": []string{r.outside.addr.String() + "/32"}}, ports(tcpOutside))}
		extra := rule("Allow", "TCP", object{"nets": []string{fmt.Sprintf("10.%d.0.0/16", round%7), "172.16.0.0/12"}}, ports(7000+round%50))
		if round%2 == 0 {
			rules = append([]object{extra}, rules...)
		} else {
			rules = append(rules, extra)
		}
		return r.policy(ctx, "server", object{
			"selector": []string{"app == 'server'", "has(app) && app != 'client'"}[round%2], "types": []string{"Ingress"}, "ingress": rules})
	case 1: // who is in a set: addresses change their classes
		nets := []string{fmt.Sprintf("198.51.100.%d/32", round%200)}
		if round%2 == 0 {
			nets = append(nets, r.outside.addr.String()+"/32", r.client.addr.String()+"/32")
		}
		return r.apply(ctx, "globalnetworksets", v3.KindGlobalNetworkSet, "some", object{"set": "some"}, object{"nets": nets})
	case 2: // a policy before the others: who is in the set may or may not use another port
		action := []string{"Allow", "Deny"}[round%2]
		return r.policy(ctx, "before", object{
			"order": 10 + round%3, "selector": "has(app)", "types": []string{"Ingress"}, "ingress": []object{
				rule(action, "TCP", object{"selector": "set == 'some'"}, ports(6000)),
				rule("Deny", "UDP", object{"selector": "set == 'some'"}, ports(udpShut)),
			}})
	default: // the labels of the client: it comes and goes as a peer of the rule above
		body, _ := json.Marshal(object{"metadata": object{"labels": object{"set": []any{"some", nil}[round%2], "round": fmt.Sprint(round)}}})
		o, err := r.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(namespace).
			Patch(ctx, "client", types.MergePatchType, body, metav1.PatchOptions{})
		if err != nil {
			return done{}, err
		}
		return done{"Pod/" + namespace + "/client", o.GetResourceVersion()}, nil
	}
}
