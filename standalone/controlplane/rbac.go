package controlplane

import (
	"context"
	"encoding/json"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// AgentGroup is the group that agents are in: it may read what policy depends
// on, and nothing else.
const AgentGroup = "tierwall:agents"

// AgentUser is the name of the agent of a node.
func AgentUser(node string) string { return "tierwall:agent:" + node }

// installRBAC gives the agents their rights.
func installRBAC(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	read := []string{"get", "list", "watch"}
	role := rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: AgentGroup},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"namespaces", "serviceaccounts", "nodes", "pods"}, Verbs: read},
			{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: read},
			{APIGroups: []string{"policy.networking.k8s.io"}, Resources: []string{"clusternetworkpolicies"}, Verbs: read},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
			{APIGroups: []string{v3.Group}, Resources: []string{"*"}, Verbs: read},
		},
	}
	binding := rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: AgentGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: AgentGroup},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: AgentGroup}},
	}
	force := true
	options := metav1.PatchOptions{FieldManager: FieldManager, Force: &force}
	body, err := json.Marshal(role)
	if err != nil {
		return err
	}
	if _, err = client.RbacV1().ClusterRoles().Patch(ctx, role.Name, types.ApplyPatchType, body, options); err != nil {
		return fmt.Errorf("role of agents: %w", err)
	}
	if body, err = json.Marshal(binding); err != nil {
		return err
	}
	if _, err = client.RbacV1().ClusterRoleBindings().Patch(ctx, binding.Name, types.ApplyPatchType, body, options); err != nil {
		return fmt.Errorf("role binding of agents: %w", err)
	}
	return nil
}
