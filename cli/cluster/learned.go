package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/report"
)

// ErrNotTold is the error of Learned where nobody told what was learned, or the
// user may not read it.
var ErrNotTold = errors.New("what nodes learned of domain names is not known here")

// Learned returns what the nodes learned of domain names, as the server in the
// namespace publishes it.
func Learned(ctx context.Context, config *rest.Config, namespace string) (report.Domains, error) {
	var d report.Domains
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return d, fmt.Errorf("client of the cluster: %w", err)
	}
	var m *corev1.ConfigMap
	m, err = client.CoreV1().ConfigMaps(namespace).Get(ctx, report.DomainsConfigMap, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return d, fmt.Errorf("%w: %w", ErrNotTold, err)
	case err != nil:
		return d, fmt.Errorf("what nodes learned of domain names: %w", err)
	}
	if err := json.Unmarshal([]byte(m.Data[report.DomainsKey]), &d); err != nil {
		return d, fmt.Errorf("what nodes learned of domain names: %w", err)
	}
	return d, nil
}
