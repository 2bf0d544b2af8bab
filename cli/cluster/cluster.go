package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/manifest"
)

// pageSize is how many objects are asked for at a time.
const pageSize = 500

// maxAnswer bounds one page, in bytes.
const maxAnswer = 1 << 30

// Config returns the way to the cluster: that of the kubeconfig file if one is
// named, else of $KUBECONFIG, of ~/.kube/config, or of the service account of
// the pod that this runs in. An empty context is the file's own.
func Config(kubeconfig, kubeContext string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: kubeContext}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil && clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster is configured")
	}
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return config, nil
}

// Read lists every kind of manifest.Kinds. Kinds that the cluster does not have
// give no objects. Whatever else keeps a kind from being listed is an error,
// since an answer about a part of the cluster would be wrong.
func Read(ctx context.Context, config *rest.Config) ([]*manifest.Object, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("address of the cluster: %w", err)
	}
	r := &reader{client: client, base: base}
	var all []*manifest.Object
	for _, kind := range manifest.Kinds() {
		found, err := r.list(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("list %s of %s: %w", kind.Plural, kind.APIVersion, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

type reader struct {
	client *http.Client
	base   *url.URL
}

// page is a list of any kind.
type page struct {
	metav1.ListMeta `json:"metadata"`
	Items           []json.RawMessage `json:"items"`
}

// errGone says that a list took so long that its continuation expired.
var errGone = errors.New("the list expired while it was read")

func (r *reader) list(ctx context.Context, kind manifest.Kind) ([]*manifest.Object, error) {
	var all []*manifest.Object
	next := ""
	for {
		p, err := r.page(ctx, kind, pageSize, next)
		if errors.Is(err, errGone) && next != "" {
			all = nil // once more from the beginning, in one go
			p, err = r.page(ctx, kind, 0, "")
		}
		if err != nil || p == nil {
			return nil, err
		}
		for _, item := range p.Items {
			o := &manifest.Object{Value: kind.New(), Kind: kind}
			if err := json.Unmarshal(item, o.Value); err != nil {
				return nil, fmt.Errorf("object %d: %w", len(all), err)
			}
			all = append(all, o)
		}
		if next = p.Continue; next == "" {
			return all, nil
		}
	}
}

// page gets one page; nil if the cluster does not have the kind.
func (r *reader) page(ctx context.Context, kind manifest.Kind, limit int, next string) (*page, error) {
	root := "apis"
	if kind.APIVersion == "v1" {
		root = "api"
	}
	u := r.base.JoinPath(root, kind.APIVersion, kind.Plural)
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if next != "" {
		q.Set("continue", next)
	}
	u.RawQuery = q.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusNotFound && kind.APIVersion != "v1": // those every API server has
		return nil, nil
	case response.StatusCode == http.StatusGone:
		return nil, errGone
	case response.StatusCode != http.StatusOK:
		return nil, refusal(response, body)
	}
	p := &page{}
	if err := json.Unmarshal(body, p); err != nil {
		return nil, fmt.Errorf("the answer is not a list: %w", err)
	}
	return p, nil
}

// refusal says what the API server said.
func refusal(response *http.Response, body []byte) error {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Message != "" {
		return fmt.Errorf("%s: %s", response.Status, status.Message)
	}
	return errors.New(response.Status)
}
