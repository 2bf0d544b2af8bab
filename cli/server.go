package cli

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	nodereport "github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server"
)

// ServerCommand returns `tierwall server`, the role of which a cluster needs
// one.
func ServerCommand() *cobra.Command {
	var o server.Options
	var kubeconfig string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "server",
		Short: "judge objects on their way into the cluster, and write their status",
		Long: "Serves the admission webhook for the objects of projectcalico.org/v3, tells the API server\n" +
			"of it, keeps tiers until they are empty, and writes on each object whether it is accepted.\n\n" +
			"The CRDs and the objects in deploy/ have to be there. Without a certificate it makes one for\n" +
			"itself at each start, which does for one server; several behind one service need a common one.",
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
			return server.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "way to the API server; none means the pod's service account")
	f.StringVar(&o.Listen, "webhook-listen", ":9443", "address to listen on")
	f.StringVar(&o.URL, "webhook-url", "", "where the API server finds the webhook, https://HOST:PORT (default: the address listened on)")
	f.StringVar(&o.Service, "webhook-service", "", "the same by a service, NAMESPACE/NAME, on port 443")
	f.StringVar(&o.CertFile, "webhook-cert", "", "certificate in PEM (default: one is made at each start)")
	f.StringVar(&o.KeyFile, "webhook-key", "", "its key")
	f.StringVar(&o.CAFile, "webhook-ca", "", "what the API server is to trust for it, in PEM (default: what its machine trusts)")
	f.StringVar(&o.ReportListen, "report-listen", fmt.Sprintf(":%d", nodereport.Port), "address on which agents report what they enforce, with the webhook's certificate; - for none")
	f.StringVar(&o.Namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), nodereport.Namespace), "namespace in which the list of nodes is published")
	f.BoolVarP(&verbose, "verbose", "v", false, "say more")
	cmd.MarkFlagsRequiredTogether("webhook-cert", "webhook-key")
	cmd.MarkFlagsMutuallyExclusive("webhook-url", "webhook-service")
	return cmd
}
