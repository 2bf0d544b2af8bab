package demo

import (
	"context"
	"fmt"
	"path/filepath"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/deploy"
	"github.com/tierwall/tierwall/standalone/controlplane"
)

// The users of the demo besides the administrator.
const (
	// SecurityEngineer writes policies in the tier "security", wherever they
	// are, as soon as there is such a tier.
	SecurityEngineer = "security-engineer"
	// Developer writes policies in the tier "default", in the namespace "blue".
	Developer = "developer"
)

// securityTier and developersNamespace are what the two users may write in.
const (
	securityTier        = "security"
	developersNamespace = "blue"
)

// kubeconfig is the path of a user's kubeconfig.
func (d *demo) kubeconfig(user string) string {
	return filepath.Join(d.DataDir, user+".kubeconfig")
}

// users gives the two users their rights and their kubeconfigs.
func (d *demo) users(ctx context.Context) error {
	var objects []*unstructured.Unstructured
	for _, tier := range []string{securityTier, v3.DefaultTier} {
		roles, err := deploy.TierRoles(tier)
		if err != nil {
			return err
		}
		objects = append(objects, roles...)
	}
	for _, roles := range []func() ([]*unstructured.Unstructured, error){deploy.Viewer, deploy.NamespaceDeveloper} {
		more, err := roles()
		if err != nil {
			return err
		}
		objects = append(objects, more...)
	}
	objects = append(objects,
		bind("", SecurityEngineer, deploy.TierEditorRole(securityTier)),
		bind("", SecurityEngineer, deploy.ViewerRole),
		bind("", Developer, deploy.TierUserRole(v3.DefaultTier)),
		bind(developersNamespace, Developer, deploy.NamespaceDeveloperRole),
		bind(developersNamespace, Developer, deploy.ViewerRole),
	)
	plane := d.cluster.Plane
	if err := controlplane.Apply(ctx, plane.Config, objects); err != nil {
		return fmt.Errorf("rights of the users: %w", err)
	}
	for _, user := range []string{SecurityEngineer, Developer} {
		if err := plane.IssueKubeconfig(d.kubeconfig(user), user, nil, plane.URL); err != nil {
			return fmt.Errorf("kubeconfig of %s: %w", user, err)
		}
	}
	return nil
}

// bind gives a user a ClusterRole, in a namespace if one is named.
func bind(namespace, user, role string) *unstructured.Unstructured {
	kind := "RoleBinding"
	if namespace == "" {
		kind = "ClusterRoleBinding"
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"roleRef":  map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": role},
		"subjects": []any{map[string]any{"apiGroup": rbacv1.GroupName, "kind": "User", "name": user}},
	}}
	u.SetGroupVersionKind(schema.GroupVersion{Group: rbacv1.GroupName, Version: "v1"}.WithKind(kind))
	u.SetNamespace(namespace)
	u.SetName(user + ":" + role)
	return u
}
