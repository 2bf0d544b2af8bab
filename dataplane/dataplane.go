package dataplane

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Program is everything that a dataplane enforces: the tables, and where on
// this host they hold.
type Program struct {
	// Tables must not be changed after it was handed over.
	Tables *table.Tables
	// Interfaces says which of the host's interfaces belong to an endpoint: a
	// pod's is the host end of its pair; a host endpoint may have several. An
	// endpoint that has none here is not enforced yet, and a pod's addresses
	// are closed as long as they lie in PodNets. Interfaces of a pod that is not
	// in Tables are closed as those of a pod are to what is not its own address:
	// the pod is gone, and its process may not be. Host endpoints that are not
	// there wait.
	Interfaces map[verdict.EndpointID][]string
	Settings
}

// Settings are the parts of a program that hold for the whole host and seldom
// change: where its pods are, and how a node does what the tables decide
// (FelixConfiguration; its failsafe ports are in the tables). The zero value is
// what holds when nothing is configured.
type Settings struct {
	// PodNets are the networks from which this node's pods take their
	// addresses (Node.spec.podCIDRs). Forwarded traffic from or to an address
	// in them that is no programmed endpoint is dropped: closed by default.
	PodNets []netip.Prefix
	// PodInterfaces are interfaces that lead to pods, by name, or by the beginning of
	// their names if it ends in *: there, forwarded traffic of any address, and what
	// goes to this host, is dropped where no pod is programmed.
	PodInterfaces []string
	// PodToHost is what becomes of a connection from a pod to its own node, once
	// the pod's egress has allowed it.
	PodToHost verdict.HostAction
	// Reject answers what is denied, with a TCP reset or ICMP; otherwise it is
	// dropped in silence.
	Reject bool
	// LogPrefix begins what Log rules write, before ": " and the rule; empty is
	// the constant of that name.
	LogPrefix string
	// LogRate is how many lines a Log rule may write in LogPer seconds; 0 is the
	// dataplane's own bound. LogBurst may come at once before it holds; 0 is the
	// kernel's.
	LogRate, LogPer, LogBurst uint32
	// DNS is what is handed over of DNS; nil for nothing.
	DNS *DNS
}

// DNS says which look-ups of local endpoints are handed over to who learns names
// from them. Where nobody listens, they pass.
type DNS struct {
	// Servers are those whose answers count, by the address and port that
	// clients ask, sorted: of a service, the service's own.
	Servers []netip.AddrPort
	// Queue is the NFQUEUE in which answers wait for a verdict: UDP packets, and
	// all segments of TCP connections.
	Queue uint16
	// QueryGroup is the NFLOG group that gets a copy of each query by UDP before
	// it leaves.
	QueryGroup uint16
}

// Change is what leads from the program that is enforced to the next. What it
// does not name stays. It takes work that is proportional to what it names.
type Change struct {
	// Delta is the change of the tables, as compile.Compiler.Apply returns it;
	// nil if they stay. It must not be changed after it was handed over.
	Delta *table.Delta
	// Interfaces holds each endpoint whose interfaces changed, with all that it
	// has now; an empty list if it has none any more.
	Interfaces map[verdict.EndpointID][]string
	// Settings replace all of the program's settings; nil if they stay.
	Settings *Settings
}

// Dataplane enforces programs. It is not safe for concurrent use.
//
// A caller hands over the whole program once, with Apply, and from then on what
// changes, with Change, each delta once and in order. After any error, and when
// it does not know what the dataplane has, it calls Apply again.
type Dataplane interface {
	// Apply makes p what is enforced. Established connections go on. When it
	// returns an error, each packet meets the decision of either the former
	// program or p, and a later Apply puts right whatever was left half done.
	Apply(ctx context.Context, p Program) error
	// Change does the same for the program that c leads to from the one that
	// is enforced. The error wraps ErrOutOfStep if there is none to begin from:
	// before the first Apply and after an error. Apply helps.
	Change(ctx context.Context, c Change) error
	// Remove takes everything out that Apply ever made: traffic is no longer
	// restricted. It is not an error if nothing is there.
	Remove(ctx context.Context) error
}

// Watcher is a Dataplane that notices when somebody else changes what it made.
type Watcher interface {
	// Watch calls report, from a goroutine of its own, soon after each such
	// change, until the context ends; it returns once it listens. From then on
	// Change returns ErrOutOfStep until Apply, with the whole program, has put it
	// right. A caller calls Apply at once.
	Watch(ctx context.Context, report func(Drift)) error
}

// Connection is one that the kernel keeps track of, as policy sees it.
type Connection struct {
	// First is its first packet, after translation of its destination.
	First verdict.Packet
	// Asked is the destination that its first packet had before translation.
	Asked netip.AddrPort
	// Either says that the other end may have opened it: the kernel has not seen
	// its beginning.
	Either bool
}

// Cutter is a Dataplane that can end open connections, which Apply and Change
// leave alone.
type Cutter interface {
	// Cut asks about all connections that are open once the last change holds for
	// every packet, and ends those for which the answer is true, and no other. It
	// returns how many it ended. It may be called while others change the
	// dataplane.
	Cut(ctx context.Context, which func([]Connection) []bool) (int, error)
}

// LogPrefix begins what Log rules write where the settings say nothing else.
const LogPrefix = "tierwall"

// CutLogRule takes apart what Log messages call a rule, tier/policy#rule. number is
// empty for a profile's rule, which has none.
func CutLogRule(text string) (name, number string) {
	if i := strings.LastIndexByte(text, '#'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return text, ""
}

// LogCounter is a Dataplane that bounds how much Log rules write, and counts
// what they did not.
type LogCounter interface {
	// Unlogged returns, by rule (tier/policy#rule), how many packets were not
	// logged. A number that has become smaller has begun again from 0.
	Unlogged() (map[string]uint64, error)
}

// Drift is a change that somebody else made to what a dataplane enforces.
type Drift struct {
	// What says in words what happened: "delete table", by whom if that is known.
	What string
	// Lost says that the kernel's reports were lost: something may have changed.
	Lost bool
}

// ErrNotPermitted is returned (wrapped) when the process lacks the rights to
// change the kernel's tables.
var ErrNotPermitted = errors.New("not permitted to change the kernel's tables")

// ErrOwned is returned (wrapped) when the tables are another process's, which
// alone may change them as long as it runs.
var ErrOwned = errors.New("the kernel's tables belong to another process")

// ErrNotSupported is returned (wrapped) when the kernel lacks what the
// dataplane needs; the message names it.
var ErrNotSupported = errors.New("not supported by this kernel")

// ErrOutOfStep is returned (wrapped) by Change when it is not known what the
// kernel holds. The whole program must be applied first.
var ErrOutOfStep = errors.New("the program in the kernel is not known")
