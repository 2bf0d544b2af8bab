package table

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/verdict"
)

// ClassID names a PeerClass: addresses of one family that no rule in force can
// tell apart. 0 is not a class.
type ClassID uint32

// The classes of addresses that no rule names, one a family. They always
// exist and have no entries anywhere: they are what a miss means.
const (
	OtherIPv4 ClassID = 1
	OtherIPv6 ClassID = 2
	// FirstClass is the first id that a compiler may give. Ids from 1<<30 on
	// are a dataplane's own, for the time of a change.
	FirstClass ClassID = 16
)

// SetID names a LocalSet. 0 is not a set.
type SetID uint32

// RowID names a Row. 0 is not a row.
type RowID uint32

// Tables is everything that one agent (or one analysis) needs to decide every
// connection of its endpoints. Treat it as immutable once it is handed out.
type Tables struct {
	// Hosts gives single addresses their class; it is asked first. An address
	// that is in neither Hosts nor Nets is OtherIPv4 or OtherIPv6.
	Hosts map[netip.Addr]ClassID
	// Nets gives ranges of addresses their class: sorted, disjoint, each
	// within one family. A range may cover addresses that are in Hosts.
	Nets []Net
	// Endpoints are the endpoints that are policed here.
	Endpoints map[verdict.EndpointID]*Endpoint
	Sets      map[SetID]*Set
	Rows      map[RowID]*Row

	// ranges4 finds IPv4 addresses in Nets; nil if Index was not called.
	ranges4 *ranges4
}

// New returns tables with nothing in them: no endpoint is policed.
func New() *Tables {
	return &Tables{
		Hosts:     map[netip.Addr]ClassID{},
		Endpoints: map[verdict.EndpointID]*Endpoint{},
		Sets:      map[SetID]*Set{},
		Rows:      map[RowID]*Row{},
	}
}

// Net gives the addresses From to To, both included, to a class.
type Net struct {
	From, To netip.Addr
	Class    ClassID
}

// Endpoint is one policed endpoint: for each direction, which set holds for
// which of its own addresses.
type Endpoint struct {
	ID verdict.EndpointID
	// Interface is a host endpoint's interface name, "*" for all of the host's
	// interfaces, empty if it is found by address; always empty for pods.
	Interface string
	// Spans are sorted and disjoint. A pod has one a direction and address; a
	// host endpoint's cover both families whole. A local address in no span is
	// not this endpoint's: nothing may pass.
	Spans [2][]Span
	// Stages are the same for the stages of a host endpoint other than Normal.
	// One that is not there has no policy: the packet goes on.
	Stages map[verdict.Stage][2][]Span
}

// Span says that Set holds for the local addresses From to To, both included.
type Span struct {
	From, To netip.Addr
	Set      SetID
}

// Set is a LocalSet in one direction: the local endpoints to which the same
// policies apply in the same order with the same outcome of all that concerns
// the local side.
type Set struct {
	ID        SetID
	Direction verdict.Direction
	// Kind is the kind of the endpoints in the set; sets are not shared
	// between pods and host endpoints.
	Kind verdict.EndpointKind
	// Stage is the stage of host endpoints that the set is for; sets are not
	// shared between stages.
	Stage verdict.Stage
	// Ends are the policies that apply, in order, by tier. They are a part of
	// every decision that comes to the end of a tier; nil if the rows' decisions
	// are full as they are.
	Ends *Ends
	// Default is the row of each class that is not in Rows, for IPv4 at 0 and
	// for IPv6 at 1.
	Default [2]RowID
	// Rows are the rows of the classes that differ from the default.
	Rows map[ClassID]RowID
}

// Row says what happens to each protocol and port. Two rows of one Tables
// are never equal in content.
type Row struct {
	ID RowID
	// Other is the decision for every protocol that is not in Protocols.
	Other *Decision
	// Protocols is sorted by number; none in it equals Other in all its cells.
	Protocols []Protocol
}

// Protocol is the part of a row for one IP protocol. Bands are sorted and
// cover every source port. A protocol without ports has one band of one cell.
type Protocol struct {
	Number uint8
	Bands  []Band
}

// Band holds for the source ports From to To, both included; nearly always
// that is all of them. Cells are sorted and cover every destination port.
type Band struct {
	From, To uint16
	Cells    []Cell
}

// Cell is the decision for the destination ports From to To, both included.
type Cell struct {
	From, To uint16
	Decision *Decision
}

// Equal reports whether two rows have the same content, ids apart.
func (r *Row) Equal(o *Row) bool {
	return r.Other.Equal(o.Other) && slices.EqualFunc(r.Protocols, o.Protocols, func(a, b Protocol) bool {
		return a.Number == b.Number && slices.EqualFunc(a.Bands, b.Bands, Band.equal)
	})
}

func (b Band) equal(o Band) bool {
	return b.From == o.From && b.To == o.To && slices.EqualFunc(b.Cells, o.Cells, func(x, y Cell) bool {
		return x.From == y.From && x.To == y.To && x.Decision.Equal(y.Decision)
	})
}

// Clone returns a copy, without an index, whose maps can be changed without touching t. Rows,
// sets and endpoints are shared, since they are never changed in place.
func (t *Tables) Clone() *Tables {
	return &Tables{
		Hosts:     maps.Clone(t.Hosts),
		Nets:      slices.Clone(t.Nets),
		Endpoints: maps.Clone(t.Endpoints),
		Sets:      maps.Clone(t.Sets),
		Rows:      maps.Clone(t.Rows),
	}
}
