package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/agent"
	"github.com/tierwall/tierwall/agent/flows"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/nft"
	nodereport "github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/translate"
)

// reportToken is where the chart puts the token for the server: never the one
// for the API server.
const reportToken = "/var/run/secrets/tierwall.dev/server/token"

// AgentCommand returns `tierwall agent`, the role that runs on each node.
func AgentCommand() *cobra.Command {
	var o agent.Options
	var kubeconfig string
	var flowGroup uint16
	var remove, verbose bool
	var countBytes string
	names := agent.DNS{}
	var servers []string
	var noNames bool
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "enforce policy on this node",
		Long: "Enforces policy on the node it runs on, in the network namespace it runs in. Needs root.\n" +
			"When it ends, what it enforced stays; --remove takes it out.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			if countBytes != "" {
				flows.Account(countBytes, o.Log)
				return nil // also if it cannot: that is no reason to keep an agent from its start
			}
			if o.Server.URL == "" && o.Server.ConfigMap == "" {
				flowGroup = 0 // there is nobody to tell
			}
			plane := nft.New(nft.Options{LogGroup: o.LogGroup, FlowGroup: flowGroup, Own: true, CutDenied: o.CutDenied, Warn: func(err error) { o.Log.Warn(err.Error()) }})
			if remove {
				return agent.Remove(cmd.Context(), plane, o.HealthListen, o.Log)
			}
			o.Dataplane = plane
			if o.Node == "" {
				return errors.New("name the node with --node or in NODE_NAME")
			}
			for _, name := range o.PodInterfaces {
				if i := strings.IndexByte(name, '*'); name == "" || name == "*" || len(name) > unix.IFNAMSIZ || i >= 0 && i < len(name)-1 {
					return fmt.Errorf("--pod-interfaces: %q is neither the name of an interface nor the beginning of one with * after it", name)
				}
			}
			var err error
			if o.DNS, err = learning(names, servers, noNames); err != nil {
				return err
			}
			// an empty path means the pod's own service account
			if o.Config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
				return fmt.Errorf("way to the API server: %w (give --kubeconfig)", err)
			}
			o.Config.QPS = -1 // watches only: there is nothing to hold back
			if !netAdmin() {
				return fmt.Errorf("%w: run as root, or with CAP_NET_ADMIN", dataplane.ErrNotPermitted)
			}
			return agent.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Node, "node", os.Getenv("NODE_NAME"), "name of this node in the API (default: $NODE_NAME)")
	f.StringVar(&kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "way to the API server; none means the pod's service account")
	f.StringVar(&o.StatusSocket, "status-socket", "", "path of a unix socket on which to tell what is enforced")
	f.StringVar(&o.Server.URL, "server", "", "where the server takes reports of what is enforced, https://HOST:PORT (default: nowhere)")
	f.StringVar(&o.Server.ConfigMap, "server-configmap", "", "the ConfigMap in which the server says that itself, NAMESPACE/NAME")
	f.StringVar(&o.Server.CAFile, "server-ca", "", "what to trust for it, in PEM (default: what this machine trusts)")
	f.StringVar(&o.Server.Name, "server-name", "", "name in its certificate (default: that of --server)")
	f.StringVar(&o.Server.TokenFile, "server-token", reportToken, "file with the token to show it, of audience "+nodereport.Audience)
	f.StringVar(&o.HealthListen, "health-listen", "", "HOST:PORT on which to answer /livez, /readyz and /metrics (default: nowhere)")
	f.Uint16Var(&o.LogGroup, "log-group", 64, "NFLOG group for Log rules")
	f.Uint16Var(&flowGroup, "flow-group", 65, "NFLOG group for what is denied, of which the server is told, as of what is allowed; 0 records no flows")
	f.StringSliceVar(&o.PodInterfaces, "pod-interfaces", nil, "interfaces that lead to pods, NAME or BEGINNING*, for example cali*: closed from their first packet on until their pod is known (default: by the node's podCIDRs)")
	f.BoolVar(&o.CutDenied, "cut-denied", false, "after a change of policy, end the open connections that it denies (default: they go on)")
	f.StringSliceVar(&servers, "dns-server", nil, "DNS server by whose answers domain names are known, where no FelixConfiguration says so: "+
		"ADDRESS[:PORT] or k8s-service:[NAMESPACE/]NAME[:PORT] (default: k8s-service:kube-dns)")
	f.StringVar(&names.File, "dns-file", "", "file in which to keep what is learned of domain names (default: nowhere)")
	f.Uint16Var(&names.Queue, "dns-queue", 101, "NFQUEUE in which DNS answers wait")
	f.Uint16Var(&names.QueryGroup, "dns-query-group", 66, "NFLOG group for copies of DNS queries")
	f.DurationVar(&names.MinTTL, "dns-min-ttl", 0, "how long an address of a domain name counts at least (default: 30s)")
	f.BoolVar(&names.NoPrivate, "dns-ignore-private", false, "do not learn addresses of private networks")
	f.BoolVar(&noNames, "no-dns", false, "do not learn domain names: policy by name denies")
	f.BoolVar(&remove, "remove", false, "take out everything that an agent has put into this node's kernel, and end; with --health-listen, stay and do nothing")
	f.StringVar(&countBytes, "count-bytes", "", "write 1 to this file, net/netfilter/nf_conntrack_acct of a /proc/sys that can be written to, so that flows have bytes, and end")
	f.BoolVarP(&verbose, "verbose", "v", false, "say what each change did")
	cmd.MarkFlagsMutuallyExclusive("server", "server-configmap")
	return cmd
}

// learning is how domain names are learned; nil for not at all.
func learning(names agent.DNS, servers []string, not bool) (*agent.DNS, error) {
	for _, text := range servers {
		s, err := translate.DNSServer(text)
		if err != nil {
			return nil, fmt.Errorf("--dns-server: %w", err)
		}
		names.Servers = append(names.Servers, s)
	}
	if not {
		return nil, nil
	}
	return &names, nil
}

// netAdmin reports whether the process may change the network at all. Whether it
// may do so in the namespace that it is in, the first change shows.
func netAdmin() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return true
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}
