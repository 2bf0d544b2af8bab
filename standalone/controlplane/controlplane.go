package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/tierwall/tierwall/server"
	"github.com/tierwall/tierwall/server/flows"
	"github.com/tierwall/tierwall/server/manager"
)

// Options say where a control plane keeps its data and where it listens.
type Options struct {
	// DataDir is where everything is kept; it is made if it is not there.
	DataDir string
	// EtcdServers are the URLs of an external etcd; none means the embedded one.
	EtcdServers []string
	// Address is the IP address to listen on; empty means 127.0.0.1.
	Address string
	// Port is the port of the API; 0 means 6443.
	Port int
	// ExtraIPs are further addresses that the server's certificate is for.
	ExtraIPs []net.IP
	// Users are users, beside the administrator, who get a bearer token; what
	// they may do is for roles to say.
	Users []string
	// Sync makes etcd wait for the disk at every write. A lab goes without.
	Sync bool
	// Kubelets says that it is for nodes with kubelets, and that a
	// kube-controller-manager runs: the controllers are left out, the API server
	// calls kubelets, and pods reach it by its service's address.
	Kubelets bool
	// OIDC is a provider whose ID tokens the API server takes; its Issuer is
	// empty if there is none.
	OIDC OIDC
}

// OIDC is a provider of ID tokens. Users and groups of it are called oidc:NAME.
type OIDC struct {
	// Issuer is its URL, with https.
	Issuer string
	// ClientID is whom tokens have to be for.
	ClientID string
	// CAFile is what its certificate is checked with, in PEM; empty means what
	// the machine trusts.
	CAFile string
	// UsernameClaim and GroupsClaim are where tokens have the name and the groups
	// of the user; empty means sub and groups.
	UsernameClaim, GroupsClaim string
}

// ErrInUse is returned (wrapped) when another process has the data directory
// or the port.
var ErrInUse = errors.New("in use")

// ControlPlane is a running control plane.
type ControlPlane struct {
	// URL is where the API listens.
	URL string
	// Config is the administrator's way in.
	Config *rest.Config
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string

	options   Options
	authority *authority
	lock      *os.File
	etcd      *embed.Etcd
	cancel    context.CancelFunc
	server    *server.Server
	serverLog *os.File
	flows     *flows.Store
	manager   *manager.Manager
	// done is closed when the API server has ended; nil before it was started.
	done chan struct{}
}

// Start starts a control plane and returns when its API is ready. It ends when
// the context does or by Close.
func Start(ctx context.Context, o Options) (*ControlPlane, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = 6443
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	p := &ControlPlane{options: o}
	p.URL = "https://" + p.Address()
	ctx, p.cancel = context.WithCancel(ctx)
	if err := p.start(ctx); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *ControlPlane) start(ctx context.Context) error {
	var err error
	if p.lock, err = lockDir(p.options.DataDir); err != nil {
		return err
	}
	if err := portFree(p.options.Address, p.options.Port); err != nil {
		return err
	}
	if err := p.certificates(); err != nil {
		return err
	}
	if err := p.tokens(); err != nil {
		return err
	}
	servers := p.options.EtcdServers
	if len(servers) == 0 {
		if p.etcd, err = startEtcd(p.path("etcd"), p.options.Sync); err != nil {
			return err
		}
		servers = []string{p.etcd.Config().ListenClientUrls[0].String()}
	}
	restore, err := logTo(p.path("apiserver.log"))
	if err != nil {
		return err
	}
	defer restore()
	failed := p.serve(ctx, servers)
	if err := p.waitReady(ctx, failed); err != nil {
		return err
	}
	if p.options.Kubelets {
		return nil
	}
	return p.controllers(ctx)
}

// Address is where the API listens, as host:port.
func (p *ControlPlane) Address() string {
	return net.JoinHostPort(p.options.Address, strconv.Itoa(p.options.Port))
}

func (p *ControlPlane) path(name ...string) string {
	return filepath.Join(append([]string{p.options.DataDir}, name...)...)
}

// lockDir takes the directory for this process until the file is closed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is %w by another tierwall-standalone: stop that one, or give this one a directory of its own with --data-dir", dir, ErrInUse)
	}
	return f, nil
}

// portFree gives the clear sentence that the API server would not.
func portFree(address string, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d of %s is %w by another program: stop it, or choose another port with --port", port, address, ErrInUse)
	}
	if err != nil {
		return err
	}
	return l.Close()
}

func (p *ControlPlane) certificates() error {
	a, err := openAuthority(p.path("pki"))
	if err != nil {
		return err
	}
	p.authority = a
	ips := append([]net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("10.96.0.1"), net.ParseIP(p.options.Address)}, p.options.ExtraIPs...)
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if err := a.serving("apiserver", names, ips); err != nil {
		return err
	}
	if err := a.serviceAccountKey(); err != nil {
		return err
	}
	if p.options.Kubelets {
		if err := a.clientFiles(kubeletClient, "tierwall:api-server", []string{"system:masters"}); err != nil {
			return err
		}
	}
	p.Kubeconfig = p.path("admin.kubeconfig")
	if err := p.IssueKubeconfig(p.Kubeconfig, Administrator, []string{administrators}, p.URL); err != nil {
		return err
	}
	p.Config, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		return err
	}
	p.Config.QPS = -1 // the process that serves need not be slowed down by itself
	return nil
}

// IssueKubeconfig writes a kubeconfig for a user in groups, with a new client
// certificate in it, that leads to server.
func (p *ControlPlane) IssueKubeconfig(path, user string, groups []string, server string) error {
	cert, key, err := p.authority.client(user, groups)
	if err != nil {
		return err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["tierwall"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: p.authority.pem}
	c.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	c.Contexts["tierwall"] = &clientcmdapi.Context{Cluster: "tierwall", AuthInfo: user}
	c.CurrentContext = "tierwall"
	b, err := clientcmd.Write(*c)
	if err != nil {
		return err
	}
	return writeFile(path, b)
}

// IssueServing makes sure that the folder pki of the data directory has a
// certificate of that name, NAME.crt and NAME.key, to serve at the addresses.
func (p *ControlPlane) IssueServing(name string, names []string, addresses []net.IP) error {
	return p.authority.serving(name, names, addresses)
}

// maxSocketPath is the longest name that the kernel takes for a unix socket.
const maxSocketPath = 107

func startEtcd(dir string, sync bool) (*embed.Etcd, error) {
	c := embed.NewConfig()
	c.Dir = dir
	c.Logger, c.LogLevel = "zap", "error"
	c.LogOutputs = []string{filepath.Join(filepath.Dir(dir), "etcd.log")}
	c.UnsafeNoFsync = !sync
	c.TickMs, c.ElectionMs = 10, 100 // one member: there is nobody to wait for
	c.AutoCompactionMode, c.AutoCompactionRetention = "periodic", "5m"
	client := url.URL{Scheme: "unix", Path: dir + ".sock:0"}
	peer := url.URL{Scheme: "unix", Path: dir + "-peer.sock:0"}
	if len(peer.Path) > maxSocketPath {
		return nil, fmt.Errorf("data directory %s: its path is too long for a socket in it: choose one that is %d characters shorter with --data-dir",
			filepath.Dir(dir), len(peer.Path)-maxSocketPath)
	}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case <-time.After(30 * time.Second):
		e.Close()
		return nil, errors.New("etcd was not ready within 30 s; its log is etcd.log in the data directory")
	}
}

// waitReady returns when the API server says that it is ready, or has failed.
func (p *ControlPlane) waitReady(ctx context.Context, failed <-chan error) error {
	client, err := kubernetes.NewForConfig(p.Config)
	if err != nil {
		return err
	}
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(2 * time.Minute)
	for {
		body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Raw()
		if err == nil && string(body) == "ok" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return fmt.Errorf("API server: %w (its log is %s)", err, p.path("apiserver.log"))
		case <-limit:
			return fmt.Errorf("API server was not ready within 2 minutes: %w (its log is %s)", err, p.path("apiserver.log"))
		case <-tick.C:
		}
	}
}

// shutdown is how long Close waits for the API server.
const shutdown = 2 * time.Second

// Close ends the control plane. The API server would wait a minute for clients
// that watch; after a moment etcd is closed all the same, whole, and what is
// left of the server ends with the process.
func (p *ControlPlane) Close() error {
	p.cancel()
	problems := []error{p.stopManager(), p.StopServer()}
	if p.done != nil {
		select {
		case <-p.done:
		case <-time.After(shutdown):
		}
	}
	if p.etcd != nil {
		p.etcd.Close()
	}
	if p.flows != nil {
		problems = append(problems, p.flows.Close())
	}
	if p.lock != nil {
		problems = append(problems, p.lock.Close())
	}
	return errors.Join(problems...)
}
