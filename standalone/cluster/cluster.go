package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/agent"
	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/lab"
)

// Options say how to bring a cluster up.
type Options struct {
	// Name tells labs on one machine apart: 1 to 12 lower-case letters and
	// digits.
	Name string
	// DataDir is where the control plane keeps its data and the agents their
	// kubeconfigs, sockets and logs.
	DataDir string
	// Port is the port of the API on loopback; 0 means 6443.
	Port int
	// Nodes are the nodes of the lab.
	Nodes []*corev1.Node
	// Externals are the machines outside the cluster.
	Externals []lab.External
	// Resolver is the external machine that pods ask for names, and whose answers
	// agents trust; empty for none.
	Resolver string
	// Users are users who get a bearer token, beside the administrator.
	Users []string
	// Log takes what the lab has to say; nil for nothing.
	Log *slog.Logger
}

// Cluster is a running cluster. Its methods are not safe for concurrent use,
// those of its Lab are.
type Cluster struct {
	Plane *controlplane.ControlPlane
	Lab   *lab.Lab
	// Client is the administrator's client.
	Client kubernetes.Interface

	options  Options
	dynamic  dynamic.Interface
	nodes    []string
	holds    map[string]wanted
	versions map[string]string
	logs     []*os.File
	stop     context.CancelFunc
	syncing  sync.WaitGroup
}

// Ports are those on which every machine of the lab answers from its start.
var Ports = []lab.Port{
	{Proto: labhost.TCP, Number: 80}, {Proto: labhost.TCP, Number: 443}, {Proto: labhost.TCP, Number: 8080},
	{Proto: labhost.UDP, Number: 53}, {Proto: labhost.UDP, Number: 80},
}

// ServerPorts are those of a machine that has a DNS server.
var ServerPorts = slices.DeleteFunc(slices.Clone(Ports), func(p lab.Port) bool { return p.Number == 53 })

// LookUp has all nodes look names up: what their agents learn from that is in
// their kernels when it returns.
func (c *Cluster) LookUp(ctx context.Context, names ...string) error {
	for _, node := range c.nodes {
		h, err := c.Lab.Host("node:" + node)
		if err != nil {
			return err
		}
		for _, name := range names {
			r, err := h.Lookup(ctx, labhost.UDP, c.Lab.Resolver(), name)
			if err != nil {
				return err
			}
			if !r.Connected() {
				return fmt.Errorf("look-up of %s on %s: %s %s", name, node, r.Outcome, r.Detail)
			}
		}
	}
	return nil
}

// Up brings a cluster up with nodes, external machines and an agent on each
// node, and without pods and policies. It clears what a killed one of the same
// name left behind.
func Up(ctx context.Context, o Options) (_ *Cluster, err error) {
	c := &Cluster{options: o, holds: map[string]wanted{}, versions: map[string]string{}}
	ctx, c.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	spec := lab.Spec{Name: o.Name, Externals: o.Externals, Resolver: o.Resolver}
	for _, n := range o.Nodes {
		spec.Nodes = append(spec.Nodes, labNode(n))
		c.nodes = append(c.nodes, n.Name)
	}
	// the two halves do not need each other until the agents start
	var planeErr error
	var wait sync.WaitGroup
	wait.Go(func() { planeErr = c.startPlane(ctx) })
	c.Lab, err = lab.New(ctx, spec, lab.Options{Log: o.Log, PodPorts: Ports})
	wait.Wait()
	if err := errors.Join(planeErr, err); err != nil {
		return nil, err
	}
	address, err := c.Lab.ProxyAPI(ctx, c.Plane.Address())
	if err != nil {
		return nil, err
	}
	c.syncing.Go(func() { _ = c.Lab.Sync(ctx, c.Client) })
	reports, err := c.proxyReports(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		if err := c.startAgent(ctx, n, address, reports); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) startPlane(ctx context.Context) error {
	plane, err := controlplane.Start(ctx, controlplane.Options{
		DataDir: c.options.DataDir, Port: c.options.Port, Users: c.options.Users,
		ExtraIPs: []net.IP{lab.FabricAddr().AsSlice()},
	})
	if err != nil {
		return err
	}
	c.Plane = plane
	if err := plane.Install(ctx); err != nil {
		return err
	}
	if c.dynamic, err = dynamic.NewForConfig(plane.Config); err != nil {
		return err
	}
	c.Client, err = kubernetes.NewForConfig(plane.Config)
	return err
}

// labNode takes over what a node object says of addresses.
func labNode(n *corev1.Node) lab.Node {
	out := lab.Node{Name: n.Name, Ports: Ports}
	for _, a := range n.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil {
			out.Addrs = append(out.Addrs, ip)
		}
	}
	for _, cidr := range n.Spec.PodCIDRs {
		if p, err := netip.ParsePrefix(cidr); err == nil {
			out.PodCIDRs = append(out.PodCIDRs, p)
		}
	}
	return out
}

// proxyReports lets agents reach Tierwall's server, and returns the flags that
// lead them there.
func (c *Cluster) proxyReports(ctx context.Context) ([]string, error) {
	target, ca := c.Plane.Reports()
	address, err := c.Lab.Proxy(ctx, report.Port, target)
	if err != nil {
		return nil, err
	}
	name, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.options.DataDir, "server-ca.pem")
	if err := os.WriteFile(path, ca, 0o600); err != nil {
		return nil, err
	}
	return []string{"--server", "https://" + address, "--server-ca", path, "--server-name", name}, nil
}

// reportFlags lead a node's agent to Tierwall's server, with a token for it. A
// node that is not in the API yet is put there: its token is bound to it.
func (c *Cluster) reportFlags(ctx context.Context, node string, reports []string) ([]string, error) {
	path := filepath.Join(c.options.DataDir, "agent-"+node+".token")
	_, err := c.Client.CoreV1().Nodes().Create(ctx, c.object(node), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	return append(reports, "--server-token", path), c.Plane.IssueReportToken(ctx, path, node)
}

// object is the node as it was given, without what only the API says.
func (c *Cluster) object(name string) *corev1.Node {
	for _, n := range c.options.Nodes {
		if n.Name == name {
			return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}, Spec: n.Spec, Status: n.Status}
		}
	}
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// startAgent starts the agent of a node, as a process of its own in the node's
// network namespace, with rights of its own.
func (c *Cluster) startAgent(ctx context.Context, node, address string, reports []string) error {
	kubeconfig := filepath.Join(c.options.DataDir, "agent-"+node+".kubeconfig")
	if err := c.Plane.IssueKubeconfig(kubeconfig, controlplane.AgentUser(node), []string{controlplane.AgentGroup}, "https://"+address); err != nil {
		return err
	}
	log, err := os.Create(c.AgentLog(node))
	if err != nil {
		return err
	}
	c.logs = append(c.logs, log)
	program, err := agentProgram()
	if err != nil {
		return err
	}
	argv := []string{program, "agent", "--node", node, "--kubeconfig", kubeconfig, "--status-socket", c.socket(node)}
	if server := c.Lab.Resolver(); server.IsValid() {
		argv = append(argv, "--dns-server", server.String(), "--dns-file", filepath.Join(c.options.DataDir, "agent-"+node+".names"))
	}
	flags, err := c.reportFlags(ctx, node, reports)
	if err != nil {
		return err
	}
	argv = append(argv, flags...)
	_, err = c.Lab.Run(ctx, "node:"+node, argv, nil, io.Writer(log))
	return err
}

// agentProgram is what agents run as: the product's own program if it lies
// beside this one, since it starts faster and is smaller, else this one.
func agentProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	product := filepath.Join(filepath.Dir(self), "tierwall")
	if info, err := os.Stat(product); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return product, nil
	}
	return self, nil
}

// AgentLog is the path of the log of a node's agent.
func (c *Cluster) AgentLog(node string) string {
	return filepath.Join(c.options.DataDir, "agent-"+node+".log")
}

func (c *Cluster) socket(node string) string {
	return filepath.Join(c.options.DataDir, "agent-"+node+".sock")
}

// patience is how long agents may take to catch up. They take milliseconds;
// this is for a machine that is busy with other things.
const patience = 30 * time.Second

// settle waits until every agent has everything in its kernel.
func (c *Cluster) settle(ctx context.Context, gone []wanted) (Settled, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	problems := make([]error, len(c.nodes))
	var wait sync.WaitGroup
	for i, node := range c.nodes {
		wait.Go(func() { problems[i] = c.settleNode(ctx, node, gone) })
	}
	wait.Wait()
	return Settled{After: time.Since(began)}, errors.Join(problems...)
}

func (c *Cluster) settleNode(ctx context.Context, node string, gone []wanted) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		applied, err := agent.AskApplied(ctx, c.socket(node))
		if err == nil {
			err = c.caughtUp(applied.Objects, gone)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s after %s: %w (its log is %s)", node, patience, err, c.AgentLog(node))
		case <-tick.C:
		}
	}
}

// Close takes everything down.
func (c *Cluster) Close() error {
	c.stop()
	c.syncing.Wait()
	var problems []error
	if c.Lab != nil {
		problems = append(problems, c.Lab.Close())
	}
	if c.Plane != nil {
		problems = append(problems, c.Plane.Close())
	}
	for _, l := range c.logs {
		problems = append(problems, l.Close())
	}
	return errors.Join(problems...)
}
