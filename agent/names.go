package agent

import (
	"cmp"
	"context"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/agent/dns"
	"github.com/tierwall/tierwall/agent/dns/book"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
)

// DNS says how domain names are learned.
type DNS struct {
	// Queue and QueryGroup are the NFQUEUE and the NFLOG group that the kernel hands
	// DNS over by.
	Queue, QueryGroup uint16
	// File is where it is kept what was learned; empty for nowhere.
	File string
	// Servers are those that are trusted if no FelixConfiguration says which are;
	// nil for the service kube-dns.
	Servers []model.DNSServer
	// MinTTL is how long an address counts at least; 0 is the learner's own.
	MinTTL time.Duration
	// NoPrivate refuses addresses of private networks.
	NoPrivate bool
}

// teller tells what is learned of domain names, as dns.Learner does.
type teller interface {
	News() <-chan struct{}
	Next() (names []*model.Learned, known func())
}

// namer is what of the agent has to do with domain names.
type namer struct {
	DNS
	learner *dns.Learner
	// from tells what is learned: the learner.
	from    teller
	servers *dnsServers
	// asked are the patterns that the tables ask for, told what of the settings was
	// handed on.
	asked []domain.Pattern
	told  *model.DNSSettings
	// stale says that the tables may ask for other names than asked.
	stale bool
	// capture is what the kernel hands over; nil for nothing.
	capture *dataplane.DNS
}

// startNames begins to learn, and takes over what an earlier process knew. Nothing
// else depends on it: what does not work is said, and policy without names is
// enforced.
func (a *agent) startNames(ctx context.Context) error {
	o := dns.Options{Queue: a.DNS.Queue, QueryGroup: a.DNS.QueryGroup, File: a.DNS.File, Settings: a.DNS.settings(0),
		Metrics: a.metrics.registry, Log: a.Log}
	learner, names, err := dns.New(o)
	if err != nil {
		a.Log.Error("what is learned of domain names will not be kept on disk", "error", err)
		o.File = ""
		if learner, names, err = dns.New(o); err != nil {
			return err
		}
	}
	core, err := kubernetes.NewForConfig(a.Config)
	if err != nil {
		return err
	}
	a.names = &namer{DNS: *a.DNS, stale: true, learner: learner, from: learner, servers: newDNSServers(core)}
	restored := Learning{Names: names}
	a.held = append(a.held, restored.changes()...)
	if err := learner.Listen(ctx); err != nil {
		a.Log.Error("no domain name can be learned: policy by name denies", "error", err)
	}
	return nil
}

func (d DNS) settings(extra time.Duration) book.Settings {
	s := book.DefaultSettings()
	s.Floor, s.Extra, s.NoPrivate = cmp.Or(d.MinTTL, s.Floor), extra, d.NoPrivate
	return s
}

// news says that there is something that was learned.
func (n *namer) news() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.from.News()
}

// next is what was learned since it was last asked.
func (n *namer) next() []Learning {
	names, known := n.from.Next()
	return []Learning{{Names: names, Done: known}}
}

// serversFound tells the channel by which the servers' addresses come.
func (n *namer) serversFound() <-chan []netip.AddrPort {
	if n == nil {
		return nil
	}
	return n.servers.found
}

// handOver says which servers' answers the kernel hands over from now on.
func (n *namer) handOver(servers []netip.AddrPort) {
	n.capture = &dataplane.DNS{Servers: servers, Queue: n.Queue, QueryGroup: n.QueryGroup}
}

// changed notes that the tables may ask for other names.
func (n *namer) changed(changes []model.Change) {
	if n != nil {
		n.stale = n.stale || slices.ContainsFunc(changes, func(c model.Change) bool { return c.Key.Kind != model.KindLearned })
	}
}

// ask brings up to date which names the tables ask for.
func (n *namer) ask(c *compile.Compiler) {
	if n == nil || !n.stale {
		return
	}
	n.stale = false
	now := c.Domains()
	if n.asked == nil || !slices.Equal(now, n.asked) {
		n.asked = append([]domain.Pattern{}, now...)
		n.learner.Want(now)
	}
}

// settle hands on what the settings say, and returns what the kernel is to hand
// over, nothing as long as no policy here speaks of names, and what is forgotten.
func (n *namer) settle(ctx context.Context, s model.DNSSettings) (*dataplane.DNS, []model.Change) {
	if n == nil {
		return nil, nil
	}
	var forgotten Learning
	if n.told == nil || !reflect.DeepEqual(*n.told, s) {
		n.told = &s
		forgotten.Names = n.learner.Set(n.settings(time.Duration(s.Extra)*time.Millisecond), time.Duration(s.Hold)*time.Millisecond, s.Epoch)
		n.servers.trust(ctx, s.Servers)
	}
	if len(n.asked) == 0 {
		return nil, forgotten.changes()
	}
	return n.capture, forgotten.changes()
}

// reportNames has the server hear of what was learned: not of each answer, of which
// there may be a thousand a second.
func (a *agent) reportNames(ctx context.Context) {
	often := time.NewTicker(time.Second)
	defer often.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-often.C:
			if a.names.learner.Unreported() {
				a.reporter.stir()
			}
		}
	}
}
