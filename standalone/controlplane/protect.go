package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/deploy"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/server/flows"
)

// Apply applies objects that have a name, such as those of package deploy. The
// resource is the kind in lower case with an s, or with its y as ies, which
// holds for roles, bindings and admission policies.
func Apply(ctx context.Context, config *rest.Config, objects []*unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	force := true
	for _, o := range objects {
		resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		_, err = client.Resource(resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, body,
			metav1.PatchOptions{FieldManager: FieldManager, Force: &force})
		if err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// installAdmission applies the admission policies and the roles of server and
// agents.
func installAdmission(ctx context.Context, config *rest.Config) error {
	policies, err := deploy.Admission()
	if err != nil {
		return err
	}
	roles, err := deploy.Server()
	if err != nil {
		return err
	}
	agents, err := deploy.Agent()
	if err != nil {
		return err
	}
	return Apply(ctx, config, slices.Concat(policies, roles, agents))
}

// startServer starts Tierwall's server in this process, with rights of its own.
func (p *ControlPlane) startServer(ctx context.Context) error {
	if p.server != nil {
		return nil
	}
	if p.serverLog != nil {
		_ = p.serverLog.Close() // of a start that did not work
	}
	log, err := os.Create(p.path("server.log"))
	if err != nil {
		return err
	}
	p.serverLog = log
	kubeconfig := p.path("server.kubeconfig")
	if err := p.IssueKubeconfig(kubeconfig, deploy.ServerUser, nil, p.URL); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// a role that has just been applied can be unknown for a moment still
	if p.flows == nil {
		if p.flows, err = flows.Open(flows.Options{Dir: p.path("flows"), Log: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
			return err
		}
		go p.flows.Run(ctx)
	}
	for began := time.Now(); ; {
		p.server, err = server.Start(ctx, server.Options{
			Config: config, Log: slog.New(slog.NewTextHandler(log, nil)), Flows: p.flows, AdvertiseIP: "127.0.0.1", HealthListen: "127.0.0.1:0",
		})
		if err == nil || time.Since(began) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// StopServer ends Tierwall's server and leaves the rest running; Install starts
// a new one.
func (p *ControlPlane) StopServer() error {
	var problems []error
	if p.server != nil {
		problems = append(problems, p.server.Close())
	}
	if p.serverLog != nil {
		problems = append(problems, p.serverLog.Close())
	}
	p.server, p.serverLog = nil, nil
	return errors.Join(problems...)
}

// patience is how long what was applied may take to be in effect.
const patience = 30 * time.Second

// protected returns when the API server asks the webhook and evaluates the
// admission policies, which it takes up within a second or so: nobody is to
// find the doors open before.
func (p *ControlPlane) protected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.server.Ready(ctx); err != nil {
		return fmt.Errorf("%w (the server's log is %s)", err, p.path("server.log"))
	}
	return p.policiesHold(ctx)
}

// probeUser is a user that nobody is, with the plain right to create policies
// and none in any tier. What it tries has no effect.
const probeUser = "tierwall:probe"

// policiesHold returns when the admission policies refuse the probe.
func (p *ControlPlane) policiesHold(ctx context.Context) (err error) {
	admin, err := kubernetes.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	if err := Apply(ctx, p.Config, probeRole()); err != nil {
		return err
	}
	defer func() {
		rbac := admin.RbacV1()
		err = errors.Join(err, rbac.ClusterRoleBindings().Delete(ctx, probeUser, metav1.DeleteOptions{}),
			rbac.ClusterRoles().Delete(ctx, probeUser, metav1.DeleteOptions{}))
	}()
	config := rest.CopyConfig(p.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: probeUser}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	policy := &unstructured.Unstructured{}
	policy.SetGroupVersionKind(v3.GroupVersion.WithKind(v3.KindGlobalNetworkPolicy))
	policy.SetName("probe")
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		_, last := client.Resource(v3.GroupVersion.WithResource("globalnetworkpolicies")).
			Create(ctx, policy, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if last != nil && strings.Contains(last.Error(), "user cannot get tier") {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the API server does not hold the admission policies"), ctx.Err(), last)
		case <-tick.C:
		}
	}
}

func probeRole() []*unstructured.Unstructured {
	object := func(kind string, fields map[string]any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: fields}
		u.SetGroupVersionKind(schema.GroupVersion{Group: rbacv1.GroupName, Version: "v1"}.WithKind(kind))
		u.SetName(probeUser)
		return u
	}
	return []*unstructured.Unstructured{
		object("ClusterRole", map[string]any{"rules": []any{map[string]any{
			"apiGroups": []any{v3.Group}, "resources": []any{"globalnetworkpolicies"}, "verbs": []any{"create"},
		}}}),
		object("ClusterRoleBinding", map[string]any{
			"roleRef":  map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": probeUser},
			"subjects": []any{map[string]any{"apiGroup": rbacv1.GroupName, "kind": "User", "name": probeUser}},
		}),
	}
}
