package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/policytest"
	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/lab"
	"github.com/tierwall/tierwall/test/conformance"
)

// Options say how to run the demo.
type Options struct {
	// DataDir is where the demo keeps its state.
	DataDir string
	// Port is the port of the API; 0 means 6443.
	Port int
	// ManagerListen is the address of the Manager, as host:port; empty means
	// 127.0.0.1:8080.
	ManagerListen string
	// Only chooses the steps of Check by their names; nil for all.
	Only *regexp.Regexp
	// Out takes what the user is to read, Progress what is under way.
	Out, Progress io.Writer
	// Log takes what the lab has to say; nil for nothing.
	Log *slog.Logger
}

// Externals are the machines outside the cluster, with the addresses that the
// tutorial's network sets name: .100, .101, .102, .103; then the DNS server and the machines
// that it knows.
func Externals() []lab.External {
	var all []lab.External
	for _, name := range []string{"db", "partner", "saas", "office"} {
		all = append(all, lab.External{Name: name, Ports: cluster.Ports})
	}
	names := Names()
	all = append(all, lab.External{Name: Resolver, Ports: cluster.ServerPorts, Names: names})
	for _, name := range []string{"edge-1", "edge-2"} {
		all = append(all, lab.External{Name: name, Ports: cluster.Ports})
	}
	return all
}

// Resolver is the machine that has the DNS server.
const Resolver = "dns"

// Names are the names of the machines edge-1, .105, and edge-2, .106.
func Names() []labhost.Record {
	addrs := func(number int) []netip.Addr {
		return []netip.Addr{netip.AddrFrom4([4]byte{172, 30, 0, byte(number)}), netip.MustParseAddr(fmt.Sprintf("fd00:172:30::%d", number))}
	}
	return []labhost.Record{
		{Name: "www.example.com", Alias: "edge.cdn.example.net", TTL: 300},
		{Name: "edge.cdn.example.net", Addrs: addrs(105), TTL: 60},
		{Name: "www.example.org", Addrs: addrs(106), TTL: 60},
	}
}

// demo is a running demo.
type demo struct {
	Options
	cluster *cluster.Cluster
	world   []*manifest.Object
	corpus  string
	manager *manager.Manager
}

// start brings the cluster up with the tutorial's objects and no policy.
func start(ctx context.Context, o Options) (*demo, error) {
	began := time.Now()
	d := &demo{Options: o, corpus: filepath.Join(o.DataDir, "tutorial")}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	var nodes []*corev1.Node
	for _, object := range d.world {
		if n, ok := object.Value.(*corev1.Node); ok {
			nodes = append(nodes, n)
		}
	}
	fmt.Fprintln(o.Progress, "starting the control plane and the lab")
	var err error
	d.cluster, err = cluster.Up(ctx, cluster.Options{
		Name: "demo", DataDir: o.DataDir, Port: o.Port, Nodes: nodes, Externals: Externals(), Resolver: Resolver, Log: o.Log,
		Users: []string{SecurityEngineer, Developer},
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(o.Progress, "making %d objects\n", len(d.world))
	if _, err := d.cluster.Sync(ctx, d.world); err != nil {
		return nil, errors.Join(err, d.cluster.Close())
	}
	if err := d.users(ctx); err != nil {
		return nil, errors.Join(err, d.cluster.Close())
	}
	fmt.Fprintf(o.Progress, "up after %s\n", time.Since(began).Round(10*time.Millisecond))
	return d, nil
}

// prepare clears the state of an earlier demo and writes the tutorial's files
// down, for the user to look at and to apply.
func (d *demo) prepare() error {
	if err := os.MkdirAll(d.DataDir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	for _, old := range []string{"etcd", "tutorial"} {
		if err := os.RemoveAll(filepath.Join(d.DataDir, old)); err != nil {
			return err
		}
	}
	if err := os.CopyFS(d.corpus, conformance.Files()); err != nil {
		return fmt.Errorf("the tutorial's files: %w", err)
	}
	docs, problems, err := manifest.Read([]string{filepath.Join(d.corpus, "cluster.yaml")}, nil)
	if err != nil {
		return err
	}
	objects, more := manifest.Objects(docs)
	if problems = append(problems, more...); len(problems) > 0 {
		return fmt.Errorf("the tutorial's cluster: %s", problems[0])
	}
	d.world = objects
	return nil
}

// Run brings the demo up, prints what to try, and keeps it up until the
// context ends.
func Run(ctx context.Context, o Options) error {
	d, err := start(ctx, o)
	if err != nil {
		return err
	}
	listen := cmp.Or(o.ManagerListen, "127.0.0.1:8080")
	if d.manager, err = d.cluster.Plane.StartManager(ctx, manager.Options{Listen: listen}); err != nil {
		return errors.Join(err, d.cluster.Close())
	}
	d.explainYourself()
	<-ctx.Done()
	fmt.Fprintln(o.Progress, "\ntaking the lab down")
	return d.cluster.Close()
}

func (d *demo) explainYourself() {
	self := "tierwall-standalone"
	if path, err := os.Executable(); err == nil {
		self = short(path)
	}
	product := filepath.Join(filepath.Dir(self), "tierwall")
	config := short(d.cluster.Plane.Kubeconfig)
	fmt.Fprintf(d.Out, `
The tutorial's cluster is up: 3 nodes, 4 namespaces, 13 pods, 3 host endpoints, network sets, and 7 machines
outside, one of them a DNS server. Every node, pod and machine is a network namespace with real traffic; a Tierwall agent runs on each node.

  Manager  %[11]s
  API      %[1]s

Log in to the Manager with one of these tokens:

  %[12]s   the administrator, who may do everything
  %[13]s   a security engineer: tier "security"
  %[14]s   a developer: tier "default", in the namespace "blue"

In another terminal:

  export KUBECONFIG=%[2]s
  kubectl get pods -A --show-labels           # no kubectl? use: %[3]s kubectl get pods -A --show-labels
  kubectl apply -f - <<'EOF'
  apiVersion: projectcalico.org/v3
  kind: NetworkPolicy
  metadata: {name: backend, namespace: blue}
  spec:
    selector: app/tier == 'BE'
    ingress:
    - {action: Allow, protocol: TCP, source: {selector: app/tier == 'FE'}, destination: {ports: [80]}}
  EOF
  %[4]s explain --from red/fe-1 --to blue/be-1 --port tcp/80
  %[4]s effective blue/be-1
  sudo ip netns exec %[5]s nft list table inet tierwall     # what the node's kernel has
  sudo ip netns exec %[6]s bash -c 'exec 3<>/dev/tcp/%[7]s/80 && echo it is open'

That is the administrator. There are two more users, with kubeconfigs of their own:

  %[9]s
      a security engineer, who writes policies in the tier "security" (create it, as the administrator, to see it)
  %[10]s
      a developer, who writes policies in the tier "default", in the namespace "blue"

The tutorial's steps are files in %[8]s.
To walk them all with real connections: %[3]s demo --check

Ctrl-C takes everything down.
`, d.cluster.Plane.URL, config, self, product, d.cluster.Lab.Netns("node:node-1"),
		d.cluster.Lab.Netns("red/fe-1"), d.address("blue/be-1"), short(d.corpus),
		short(d.kubeconfig(SecurityEngineer)), short(d.kubeconfig(Developer)),
		d.manager.URL(), d.token(controlplane.Administrator), d.token(SecurityEngineer), d.token(Developer))
}

// token is what a user logs in with; where its file is, if it cannot be read.
func (d *demo) token(user string) string {
	path := d.cluster.Plane.TokenFile(user)
	data, err := os.ReadFile(path)
	if err != nil {
		return short(path)
	}
	return strings.TrimSpace(string(data))
}

func (d *demo) address(ref string) string {
	if a := d.cluster.Lab.Addrs(ref); len(a) > 0 {
		return a[0].String()
	}
	return ref
}

// short writes a path as the user would from where he is.
func short(path string) string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

// tests reads the tutorial's PolicyTests.
func (d *demo) tests() ([]*policytest.Test, error) {
	files, err := fs.Glob(conformance.Files(), "*.yaml")
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, f := range files {
		if f != "cluster.yaml" {
			paths = append(paths, filepath.Join(d.corpus, f))
		}
	}
	tests, problems, err := policytest.Load(paths, nil)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("the tutorial: %s", problems[0])
	}
	return tests, nil
}
