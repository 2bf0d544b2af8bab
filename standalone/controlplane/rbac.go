package controlplane

import (
	"context"
	"encoding/json"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
)

// AgentGroup is the group that agents are in: it may read what policy depends
// on, and nothing else.
const AgentGroup = "tierwall:agents"

// agentAccount is the service account whose tokens agents show to the server.
const agentAccount = "agent"

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
			{APIGroups: []string{report.Group}, Resources: []string{report.Resource}, Verbs: []string{"create"}},
		},
	}
	binding := rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: AgentGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: AgentGroup},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: AgentGroup},
			{Kind: rbacv1.ServiceAccountKind, Namespace: report.Namespace, Name: agentAccount},
		},
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

// tokenLifetime is that of an agent's token: longer than a lab lives.
const tokenLifetime = 7 * 24 * 60 * 60

// IssueReportToken writes a token into a file by which the agent of a node,
// which must be in the API, may report to Tierwall's server.
func (p *ControlPlane) IssueReportToken(ctx context.Context, path, node string) error {
	client, err := kubernetes.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	accounts := client.CoreV1().ServiceAccounts(report.Namespace)
	_, err = accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: agentAccount}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("service account of agents: %w", err)
	}
	lifetime := int64(tokenLifetime)
	request, err := accounts.CreateToken(ctx, agentAccount, &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &lifetime, BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Node", APIVersion: "v1", Name: node},
	}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("token of the agent of %s: %w", node, err)
	}
	return writeFile(path, []byte(request.Status.Token))
}

// Reports is where Tierwall's server takes reports, as host:port, and what to
// trust for it. It is to be asked after Install.
func (p *ControlPlane) Reports() (address string, ca []byte) {
	return p.server.ReportAddress(), p.server.CA()
}
