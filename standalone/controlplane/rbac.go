package controlplane

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/deploy"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/flows"
)

// AgentGroup is the group that agents are in: it may read what policy depends
// on, and nothing else.
const AgentGroup = deploy.AgentGroup

// agentAccount is the service account whose tokens agents show to the server.
const agentAccount = "agent"

// AgentUser is the name of the agent of a node.
func AgentUser(node string) string { return "tierwall:agent:" + node }

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
		ExpirationSeconds: &lifetime, Audiences: []string{report.Audience}, BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Node", APIVersion: "v1", Name: node},
	}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("token of the agent of %s: %w", node, err)
	}
	return writeFile(path, []byte(request.Status.Token))
}

// Flows is what agents have recorded. It is to be asked after Install.
func (p *ControlPlane) Flows() *flows.Store { return p.flows }

// Health is where Tierwall's server answers probes and is scraped, on a port that
// was free.
func (p *ControlPlane) Health() string { return p.server.HealthAddress() }

// Reports is where Tierwall's server takes reports, as host:port, and what to
// trust for it. It is to be asked after Install.
func (p *ControlPlane) Reports() (address string, ca []byte) {
	return p.server.ReportAddress(), p.server.CA()
}
