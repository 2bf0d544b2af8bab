package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/cli/cluster"
	nodereport "github.com/tierwall/tierwall/report"
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
			"POLICY is NAMESPACE/NAME for a NetworkPolicy, NAME for a GlobalNetworkPolicy, or KIND/NAMESPACE/NAME.\n\n" +
			"What it prints is what `tierwall server` has written into the cluster.",
		Example: "  tierwall status\n  tierwall status blue/allow-dns --wait --timeout 10s",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output != "" && o.output != "json" {
				return usagef("unknown output %q: there is json", o.output)
			}
			if o.wait && len(args) == 0 {
				return usagef("--wait needs a policy to wait for")
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
	f.BoolVar(&o.wait, "wait", false, "wait until the policy, as it is now, is in the kernel of every node")
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
	m, err := client.CoreV1().ConfigMaps(o.namespace).Get(cmd.Context(), nodereport.ConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("no node has reported yet: the server has published no list of nodes in namespace %s (is it running, and do agents have --server?)", o.namespace)
	}
	if err != nil {
		return fmt.Errorf("list of nodes: %w", err)
	}
	var list []nodereport.Node
	if err := json.Unmarshal([]byte(m.Data[nodereport.NodesKey]), &list); err != nil {
		return fmt.Errorf("list of nodes: %w", err)
	}
	if o.output == "json" {
		return writeJSON(cmd, list)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NODE\tSTATE\tFOR\tPOLICIES\tDRIFT\tERROR")
	for _, n := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", n.Name, n.State, time.Since(n.Since).Round(time.Second), n.Policies, n.Drift, n.Error)
	}
	return w.Flush()
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
}

func statusOfPolicy(id verdict.PolicyID, u *unstructured.Unstructured) policyStatus {
	out := policyStatus{Policy: id.String(), Generation: u.GetGeneration()}
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

// done reports whether every node has the policy as it is now.
func (p policyStatus) done() bool {
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
	return say("accepted", p.Accepted) + "\n" + say("programmed", p.Programmed) + "\n"
}

// statusPolicy reads the argument of `tierwall status`.
func statusPolicy(text string) (verdict.PolicyID, string, error) {
	id := verdict.PolicyID{Kind: v3.KindGlobalNetworkPolicy, Name: text}
	if parts := strings.Split(text, "/"); len(parts) == 2 {
		id = verdict.PolicyID{Kind: v3.KindNetworkPolicy, Namespace: parts[0], Name: parts[1]}
	} else if len(parts) == 3 {
		id = verdict.PolicyID{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
	}
	switch {
	case id.Kind == v3.KindNetworkPolicy && id.Namespace != "" && id.Name != "":
		return id, "networkpolicies", nil
	case id.Kind == v3.KindGlobalNetworkPolicy && id.Namespace == "" && id.Name != "":
		return id, "globalnetworkpolicies", nil
	}
	return id, "", usagef("%q is not NAMESPACE/NAME, NAME, or KIND/NAMESPACE/NAME of a NetworkPolicy or GlobalNetworkPolicy; other kinds have no such status", text)
}

func (o *statusOptions) policy(cmd *cobra.Command, config *rest.Config, text string) error {
	id, resource, err := statusPolicy(text)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	r := client.Resource(v3.GroupVersion.WithResource(resource)).Namespace(id.Namespace)
	u, err := r.Get(cmd.Context(), id.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	now := statusOfPolicy(id, u)
	if o.wait && !now.done() {
		now, err = o.await(cmd.Context(), r, id)
	}
	if err != nil {
		return fmt.Errorf("%s is not in the kernel of every node: %w\n%s", id, err, now.line())
	}
	if o.output == "json" {
		return writeJSON(cmd, now)
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), now.line())
	return err
}

// await follows a policy until every node has it.
func (o *statusOptions) await(ctx context.Context, r dynamic.ResourceInterface, id verdict.PolicyID) (now policyStatus, err error) {
	ctx, stop := context.WithTimeout(ctx, o.timeout)
	defer stop()
	only := fields.OneTermEqualSelector("metadata.name", id.Name).String()
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
		now = statusOfPolicy(id, u)
		return now.done(), nil
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("waited %s", o.timeout)
	}
	return now, err
}
