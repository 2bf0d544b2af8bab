package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/flow"
	nodereport "github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/server/flows"
	"github.com/tierwall/tierwall/server/manager"
)

// ServerCommand returns `tierwall server`, the role of which a cluster needs
// one.
func ServerCommand() *cobra.Command {
	var o server.Options
	var managed manager.Options
	var kept flows.Options
	var export string
	var kubeconfig string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "server",
		Short: "judge objects on their way into the cluster, and write their status",
		Long: "Serves the admission webhook for the objects of projectcalico.org/v3, tells the API server\n" +
			"of it, keeps tiers until they are empty, and writes on each object whether it is accepted.\n\n" +
			"The CRDs and the objects in deploy/ have to be there. Without a certificate it makes one for\n" +
			"itself at each start. Several behind one service sign theirs with one authority, which they keep\n" +
			"in a secret; all of them answer admission, and the one that leads writes status.",
		Example: "  tierwall server --webhook-service tierwall/server\n" +
			"  tierwall server --kubeconfig admin.kubeconfig --webhook-listen 127.0.0.1:9443",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			var err error
			// an empty path means the pod's own service account
			if o.Config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
				return fmt.Errorf("way to the API server: %w (give --kubeconfig)", err)
			}
			return runServer(cmd.Context(), o, managed, kept, export)
		},
	}
	f := cmd.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "way to the API server; none means the pod's service account")
	f.StringVar(&o.Listen, "webhook-listen", ":9443", "address to listen on")
	f.StringVar(&o.URL, "webhook-url", "", "where the API server finds the webhook, https://HOST:PORT (default: the address listened on)")
	f.StringVar(&o.Service, "webhook-service", "", "the same by a service, NAMESPACE/NAME, on port 443")
	f.StringVar(&o.CertFile, "webhook-cert", "", "certificate in PEM (default: one is made)")
	f.StringVar(&o.KeyFile, "webhook-key", "", "its key")
	f.StringVar(&o.CAFile, "webhook-ca", "", "what the API server and agents are to trust for it, in PEM (default: what their machines trust)")
	f.StringVar(&o.ReportListen, "report-listen", fmt.Sprintf(":%d", nodereport.Port), "address on which agents report what they enforce, with the webhook's certificate; - for none")
	f.StringVar(&o.AdvertiseIP, "advertise-ip", "", "address of this server for agents, which is published for them")
	f.StringVar(&o.HealthListen, "health-listen", "", "HOST:PORT on which to answer /livez, /readyz and /metrics (default: nowhere)")
	f.StringVar(&o.Namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), nodereport.Namespace), "namespace in which is published what nodes told")
	f.StringVar(&kept.Dir, "flows-dir", "", "directory in which to keep what agents record of connections (default: none, they are not kept)")
	f.Int64Var(&kept.MaxBytes, "flows-max-bytes", 256<<20, "how large it may be; the oldest flows go")
	f.DurationVar(&kept.MaxAge, "flows-max-age", 72*time.Hour, "how old flows may be")
	f.StringVar(&export, "flows-otlp", "", "URL to which flows are sent on as OTLP logs in JSON, http://HOST:4318/v1/logs (default: nowhere)")
	ManagerFlags(f, &managed, "")
	f.BoolVarP(&verbose, "verbose", "v", false, "say more")
	cmd.MarkFlagsRequiredTogether("webhook-cert", "webhook-key")
	cmd.MarkFlagsRequiredTogether("manager-cert", "manager-key")
	cmd.MarkFlagsMutuallyExclusive("webhook-url", "webhook-service")
	return cmd
}

// ManagerFlags adds the flags of the Manager. An empty address leaves it off.
func ManagerFlags(f *pflag.FlagSet, o *manager.Options, address string) {
	f.StringVar(&o.Listen, "manager-address", address, "address of the Manager, the pages and their API, as HOST:PORT (default: none)")
	f.StringVar(&o.CertFile, "manager-cert", "", "its certificate in PEM; without one it is plain HTTP, on loopback only")
	f.StringVar(&o.KeyFile, "manager-key", "", "its key")
	f.StringVar(&o.OIDC.Issuer, "oidc-issuer", "", "URL of a provider whose ID tokens the API server takes, for logging in to the Manager")
	f.StringVar(&o.OIDC.Name, "oidc-name", "", "what the provider is called on the login page (default: its host)")
	f.StringVar(&o.OIDC.ClientID, "oidc-client-id", "", "the Manager's client at the provider")
	f.StringVar(&o.OIDC.RedirectURL, "oidc-redirect-url", "", "where the provider sends browsers back to, https://HOST/login/oidc/callback")
	f.StringVar(&o.OIDC.CAFile, "oidc-ca", "", "what to check the provider's certificate with, in PEM (default: what the machine trusts)")
	f.StringSliceVar(&o.OIDC.Scopes, "oidc-scopes", nil, "what is asked for beside openid, for instance email,groups")
	o.OIDC.ClientSecret = os.Getenv("TIERWALL_OIDC_CLIENT_SECRET") // not a flag: those are seen by all
}

// runServer runs the server, the store of flows if it has a directory, and the
// Manager if it has an address. A store that cannot be opened takes nothing down.
func runServer(ctx context.Context, o server.Options, managed manager.Options, kept flows.Options, export string) error {
	if kept.Dir != "" {
		kept.Log = o.Log
		store, err := flows.Open(kept)
		if err != nil {
			o.Log.Error("flows are not kept", "error", err)
		} else {
			o.Flows = store
			defer func() { _ = store.Close() }()
			go store.Run(ctx)
			if export != "" {
				go flows.Exporter{URL: export, Store: store, Client: http.DefaultClient}.Run(ctx)
			}
			var leads atomic.Bool
			o.Leads = leads.Store
			managed.Flows = store
			if managed.FlowsElsewhere, err = elsewhere(o, &leads); err != nil {
				return err
			}
		}
	}
	if managed.Listen == "" {
		return server.Run(ctx, o)
	}
	managed.Config, managed.Namespace, managed.Log = o.Config, o.Namespace, o.Log
	m, err := manager.Start(ctx, managed)
	if err != nil {
		return err
	}
	if o.Flows != nil {
		o.Flows.Ask(m.Pending)
	}
	return errors.Join(server.Run(ctx, o), m.Close())
}

// elsewhere is how the Manager reads flows while another server leads: agents send
// theirs to that one.
func elsewhere(o server.Options, leads *atomic.Bool) (func(context.Context, string) (flow.Reader, error), error) {
	core, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("client for the API server: %w", err)
	}
	way := server.NewElsewhere(core, o.Namespace)
	return func(ctx context.Context, token string) (flow.Reader, error) {
		if leads.Load() {
			return nil, nil
		}
		return way.Reader(ctx, token)
	}, nil
}
