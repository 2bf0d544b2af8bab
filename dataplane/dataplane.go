package dataplane

import (
	"context"
	"errors"
	"net/netip"

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
	// are closed as long as they lie in PodNets.
	Interfaces map[verdict.EndpointID][]string
	// PodNets are the networks from which this node's pods take their
	// addresses (Node.spec.podCIDRs). Forwarded traffic from or to an address
	// in them that is no programmed endpoint is dropped: closed by default.
	PodNets []netip.Prefix
}

// Dataplane enforces programs. It is not safe for concurrent use.
type Dataplane interface {
	// Apply makes p what is enforced. Established connections go on. When it
	// returns an error, each packet meets the decision of either the former
	// program or p, and a later Apply puts right whatever was left half done.
	Apply(ctx context.Context, p Program) error
	// Remove takes everything out that Apply ever made: traffic is no longer
	// restricted. It is not an error if nothing is there.
	Remove(ctx context.Context) error
}

// ErrNotPermitted is returned (wrapped) when the process lacks the rights to
// change the kernel's tables.
var ErrNotPermitted = errors.New("not permitted to change the kernel's tables")

// ErrNotSupported is returned (wrapped) when the kernel lacks what the
// dataplane needs; the message names it.
var ErrNotSupported = errors.New("not supported by this kernel")
