package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/cli/cluster"
	nodereport "github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// statusOptions are the flags of `tierwall status`.
type statusOptions struct {
	kubeconfig, context, namespace, output string
	wait                                   bool
	timeout                                time.Duration
}

func statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [POLICY]",
		Short: "what is enforced where: all nodes, or how far one policy is",
		Long: "Without POLICY it lists the nodes: in step, behind and why, or silent.\n" +
			"POLICY is NAMESPACE/NAME for a NetworkPolicy, NAME for a GlobalNetworkPolicy, ClusterNetworkPolicy/NAME,\n" +
			"or KubernetesNetworkPolicy/NAMESPACE/NAME.\n\n" +
			"What it prints is what `tierwall server` has written into the cluster: a condition on each policy, and,\n" +
			"since Kubernetes' own NetworkPolicy has no status, a list of those.",
		Example: "  tierwall status --wait\n  tierwall status blue/allow-dns --wait --timeout 10s",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output != "" && o.output != "json" {
				return usagef("unknown output %q: there is json", o.output)
			}
			config, err := cluster.Config(o.kubeconfig, o.context)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return o.nodes(cmd, config)
			}
			return o.policy(cmd, config, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "way to the cluster (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
	f.StringVar(&o.context, "context", "", "context of the kubeconfig")
	f.StringVar(&o.namespace, "server-namespace", nodereport.Namespace, "namespace of `tierwall server`, where the list of nodes is")
	f.StringVarP(&o.output, "output", "o", "", "json, or a table")
	f.BoolVar(&o.wait, "wait", false, "wait until the policy, as it is now, is in the kernel of every node; without one, until all nodes are in step")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait")
	f.Lookup("server-namespace").Usage = "namespace of the server, where the list of nodes is"
	return cmd
}

// nodes prints the list that the server publishes.
func (o *statusOptions) nodes(cmd *cobra.Command, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	list, err := o.list(cmd.Context(), client)
	if o.wait {
		list, err = o.allInStep(cmd.Context(), client)
	}
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(cmd, list)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NODE\tSTATE\tFOR\tPOLICIES\tDRIFT\tERROR")
	for _, n := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", n.Name, n.State, time.Since(n.Since).Round(time.Second), n.Policies, n.Drift, cmp.Or(n.Error, n.Warning))
	}
	return w.Flush()
}

// list reads the list of nodes.
func (o *statusOptions) list(ctx context.Context, client kubernetes.Interface) ([]nodereport.Node, error) {
	m, err := client.CoreV1().ConfigMaps(o.namespace).Get(ctx, nodereport.ConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("no node has reported yet: the server has published no list of nodes in namespace %s (is it running, and do agents know of it?)", o.namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("list of nodes: %w", err)
	}
	var list []nodereport.Node
	if err := json.Unmarshal([]byte(m.Data[nodereport.NodesKey]), &list); err != nil {
		return nil, fmt.Errorf("list of nodes: %w", err)
	}
	return list, nil
}

// lookAgain is how often the list of nodes is read while it is waited for; it is
// published once a second at most.
const lookAgain = 500 * time.Millisecond

// allInStep waits until all nodes are in step.
func (o *statusOptions) allInStep(ctx context.Context, client kubernetes.Interface) ([]nodereport.Node, error) {
	ctx, stop := context.WithTimeout(ctx, o.timeout)
	defer stop()
	for {
		list, err := o.list(ctx, client)
		i := slices.IndexFunc(list, func(n nodereport.Node) bool { return n.State != nodereport.InStep })
		if err == nil && i < 0 {
			return list, nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("node %s is not in step: %s %s", list[i].Name, list[i].State, list[i].Error)
			}
			return nil, fmt.Errorf("waited %s: %w", o.timeout, err)
		case <-time.After(lookAgain):
		}
	}
}

func writeJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// policyStatus is what `tierwall status POLICY -o json` prints.
type policyStatus struct {
	Policy     string            `json:"policy"`
	Generation int64             `json:"generation"`
	Accepted   *metav1.Condition `json:"accepted"`
	Programmed *metav1.Condition `json:"programmed"`
	// judged says that policies of the kind are judged when they are written.
	judged bool
}

func statusOfPolicy(p statusKind, u *unstructured.Unstructured) policyStatus {
	out := policyStatus{Policy: p.id.String(), Generation: u.GetGeneration(), judged: p.resource.Group == v3.Group}
	var s v3.Status
	part, _, _ := unstructured.NestedMap(u.Object, "status")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(part, &s); err != nil {
		return out
	}
	for i, c := range s.Conditions {
		switch c.Type {
		case v3.ConditionAccepted:
			out.Accepted = &s.Conditions[i]
		case v3.ConditionProgrammed:
			out.Programmed = &s.Conditions[i]
		}
	}
	return out
}

// listed is the same of a policy whose kind has no status: it stands in a list
// that the server publishes. generation is that of the policy.
func listed(p statusKind, generation int64, list *unstructured.Unstructured) policyStatus {
	out := policyStatus{Policy: p.id.String(), Generation: generation}
	text, _, _ := unstructured.NestedString(list.Object, "data", nodereport.PoliciesKey)
	var all []nodereport.Policy
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return out
	}
	for _, one := range all {
		if one.Policy == out.Policy {
			out.Programmed = &metav1.Condition{Type: v3.ConditionProgrammed, Status: metav1.ConditionStatus(one.Status), Message: one.Message, ObservedGeneration: one.Generation}
		}
	}
	return out
}

// done reports whether every node has the policy as it is now, and, of kinds that
// are judged, whether it was.
func (p policyStatus) done() bool {
	if p.judged && (p.Accepted == nil || p.Accepted.ObservedGeneration != p.Generation) {
		return false
	}
	return p.Programmed != nil && p.Programmed.ObservedGeneration == p.Generation && p.Programmed.Status == metav1.ConditionTrue
}

// line says it in words.
func (p policyStatus) line() string {
	say := func(name string, c *metav1.Condition) string {
		switch {
		case c == nil || c.ObservedGeneration != p.Generation:
			return name + ": nothing is known yet of generation " + fmt.Sprint(p.Generation)
		case c.Message == "":
			return fmt.Sprintf("%s: %s", name, c.Status)
		}
		return fmt.Sprintf("%s: %s (%s)", name, c.Status, c.Message)
	}
	out := say("programmed", p.Programmed) + "\n"
	if p.judged {
		out = say("accepted", p.Accepted) + "\n" + out
	}
	return out
}

// statusKind is a policy, and where its objects are.
type statusKind struct {
	id       verdict.PolicyID
	resource schema.GroupVersionResource
	// inList says that the kind has no status, and its policies are in the list
	// that the server publishes.
	inList bool
}

// statusPolicy reads the argument of `tierwall status`.
func statusPolicy(text string) (statusKind, error) {
	id := verdict.PolicyID{Kind: v3.KindGlobalNetworkPolicy, Name: text}
	switch parts := strings.Split(text, "/"); {
	case len(parts) == 2 && (parts[0] == translate.KindGlobalNetworkPolicy || parts[0] == translate.KindClusterNetworkPolicy): // no namespace has capitals
		id = verdict.PolicyID{Kind: parts[0], Name: parts[1]}
	case len(parts) == 2:
		id = verdict.PolicyID{Kind: v3.KindNetworkPolicy, Namespace: parts[0], Name: parts[1]}
	case len(parts) == 3:
		id = verdict.PolicyID{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
	}
	namespaced := id.Namespace != ""
	switch {
	case id.Name == "":
	case id.Kind == translate.KindNetworkPolicy && namespaced:
		return statusKind{id: id, resource: v3.GroupVersion.WithResource("networkpolicies")}, nil
	case id.Kind == translate.KindGlobalNetworkPolicy && !namespaced:
		return statusKind{id: id, resource: v3.GroupVersion.WithResource("globalnetworkpolicies")}, nil
	case id.Kind == translate.KindClusterNetworkPolicy && !namespaced:
		return statusKind{id: id, resource: schema.GroupVersion(policyv1alpha2.GroupVersion).WithResource("clusternetworkpolicies")}, nil
	case id.Kind == translate.KindKubernetesNetworkPolicy && namespaced:
		return statusKind{id: id, resource: networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), inList: true}, nil
	}
	return statusKind{}, usagef("%q is not NAMESPACE/NAME of a NetworkPolicy, NAME of a GlobalNetworkPolicy, ClusterNetworkPolicy/NAME, or KubernetesNetworkPolicy/NAMESPACE/NAME; other kinds have no such status", text)
}

func (o *statusOptions) policy(cmd *cobra.Command, config *rest.Config, text string) error {
	p, err := statusPolicy(text)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	r, name := client.Resource(p.resource).Namespace(p.id.Namespace), p.id.Name
	u, err := r.Get(cmd.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	read := func(u *unstructured.Unstructured) policyStatus { return statusOfPolicy(p, u) }
	if p.inList {
		generation := u.GetGeneration()
		read = func(list *unstructured.Unstructured) policyStatus { return listed(p, generation, list) }
		r, name = client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(o.namespace), nodereport.PoliciesConfigMap
		if u, err = r.Get(cmd.Context(), name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			return fmt.Errorf("nothing is known of policies yet: the server has published no list of them in namespace %s (is it running?)", o.namespace)
		} else if err != nil {
			return fmt.Errorf("list of policies: %w", err)
		}
	}
	now := read(u)
	if o.wait && !now.done() {
		now, err = o.await(cmd.Context(), r, name, read)
	}
	if err != nil {
		return fmt.Errorf("%s is not in the kernel of every node: %w\n%s", p.id, err, now.line())
	}
	if o.output == "json" {
		return writeJSON(cmd, now)
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), now.line())
	return err
}

// await follows the object that says how far a policy is until every node has it.
func (o *statusOptions) await(ctx context.Context, r dynamic.ResourceInterface, name string, read func(*unstructured.Unstructured) policyStatus) (now policyStatus, err error) {
	ctx, stop := context.WithTimeout(ctx, o.timeout)
	defer stop()
	only := fields.OneTermEqualSelector("metadata.name", name).String()
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, l metav1.ListOptions) (runtime.Object, error) {
			l.FieldSelector = only
			return r.List(ctx, l)
		},
		WatchFuncWithContext: func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) {
			l.FieldSelector = only
			return r.Watch(ctx, l)
		},
	}
	_, err = watchtools.UntilWithSync(ctx, lw, &unstructured.Unstructured{}, nil, func(e watch.Event) (bool, error) {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			return false, nil
		}
		if e.Type == watch.Deleted {
			return false, errors.New("it was deleted")
		}
		now = read(u)
		return now.done(), nil
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("waited %s", o.timeout)
	}
	return now, err
}
