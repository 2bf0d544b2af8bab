package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/cli/cluster"
	"github.com/tierwall/tierwall/flow"
	nodereport "github.com/tierwall/tierwall/report"
)

// flowServer is the way to the server that keeps flows, with the credentials of
// the kubeconfig.
type flowServer struct {
	kubeconfig, context, namespace string
	url, caFile, name, tokenFile   string
}

func (s *flowServer) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "way to the cluster, and who you are there (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
	f.StringVar(&s.context, "context", "", "context of the kubeconfig")
	f.StringVar(&s.namespace, "server-namespace", nodereport.Namespace, "namespace of the server, in which it says where it is")
	f.StringVar(&s.url, "server", "", "where the server is, https://HOST:PORT (default: where it says that it is)")
	f.StringVar(&s.caFile, "server-ca", "", "what to trust for it, in PEM (default: what it says)")
	f.StringVar(&s.name, "server-name", "", "name in its certificate (default: what it says)")
	f.StringVar(&s.tokenFile, "token-file", "", "file with a token to show, instead of the kubeconfig's credentials")
}

// reach returns a client and the server's URL.
func (s *flowServer) reach(ctx context.Context) (*http.Client, string, error) {
	config, err := cluster.Config(s.kubeconfig, s.context)
	if err != nil {
		return nil, "", err
	}
	found := map[string]string{}
	if s.url == "" || s.caFile == "" {
		if found, err = s.find(ctx, config); err != nil && s.url == "" {
			return nil, "", err
		}
	}
	way := rest.AnonymousClientConfig(config) // the server is not the API server
	way.TLSClientConfig = rest.TLSClientConfig{CAData: []byte(found[nodereport.CAKey]), ServerName: found[nodereport.NameKey]}
	way.CertData, way.CertFile, way.KeyData, way.KeyFile = config.CertData, config.CertFile, config.KeyData, config.KeyFile
	way.BearerToken, way.BearerTokenFile, way.ExecProvider, way.AuthProvider = config.BearerToken, config.BearerTokenFile, config.ExecProvider, config.AuthProvider
	way.Timeout = 0
	if way.Host = s.url; way.Host == "" {
		way.Host = found[nodereport.URLKey]
	}
	if s.caFile != "" {
		way.CAData, way.CAFile = nil, s.caFile
	}
	if s.name != "" {
		way.ServerName = s.name
	}
	if s.tokenFile != "" {
		token, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return nil, "", fmt.Errorf("token: %w", err)
		}
		way.BearerToken, way.CertData, way.CertFile, way.KeyData, way.KeyFile = strings.TrimSpace(string(token)), nil, "", nil, ""
	}
	client, err := rest.HTTPClientFor(way)
	if err != nil {
		return nil, "", fmt.Errorf("client of the server: %w", err)
	}
	return client, strings.TrimSuffix(way.Host, "/"), nil
}

// find reads where the server says that it is.
func (s *flowServer) find(ctx context.Context, config *rest.Config) (map[string]string, error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	m, err := core.CoreV1().ConfigMaps(s.namespace).Get(ctx, nodereport.ServerName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("where the server is: %w; say it with --server and --server-ca", err)
	}
	return m.Data, nil
}

// ask sends a question and returns the body of the answer, which the caller closes.
func (s *flowServer) ask(ctx context.Context, path string, v url.Values) (io.ReadCloser, error) {
	client, base, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path+"?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode == http.StatusNotFound {
		return nil, errors.New("the server keeps no flows (--flows-dir)")
	}
	return nil, fmt.Errorf("the server says %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
}

// get asks for a value.
func (s *flowServer) get(ctx context.Context, path string, v url.Values, to any) error {
	body, err := s.ask(ctx, path, v)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return json.NewDecoder(body).Decode(to)
}

// follow calls take with each event until the context ends or take returns an
// error.
func (s *flowServer) follow(ctx context.Context, v url.Values, take func(flow.Event) error) error {
	v.Set("follow", "1")
	body, err := s.ask(ctx, flow.Path, v)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	err = flow.ReadEvents(body, take)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.New("the server has ended the connection")
}
