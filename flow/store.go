package flow

import (
	"context"
	"iter"
	"time"
)

// Path is where the server takes records by POST and gives them by GET.
const Path = "/flows/v1"

// Resource is what readers must be allowed to get, in the group tierwall.dev,
// in a namespace or in all: it exists only as the name of this right.
const Resource = "flows"

// Batch is what an agent sends: what it has seen, and what it could not keep.
type Batch struct {
	// Node is the name of the node, Instance another one for each start of the
	// agent, and Sequence counts its batches from 1: one that was sent twice is
	// kept once.
	Node     string `json:"node"`
	Instance string `json:"instance"`
	Sequence uint64 `json:"sequence"`
	// Sent is the node's clock, so that the server can tell how far it is off.
	Sent    time.Time `json:"sent"`
	Records []Record  `json:"records"`
	// Lost is what is missing since the last batch.
	Lost Loss `json:"lost"`
}

// Loss counts what happened and is in no record.
type Loss struct {
	// Node is where; empty for the sum of all.
	Node string `json:"node,omitempty"`
	// Denied are attempts that the kernel denied and did not tell of, since
	// there were too many of them.
	Denied uint64 `json:"denied,omitempty"`
	// Connections are those whose events the kernel or the agent dropped, as far
	// as they can be counted.
	Connections uint64 `json:"connections,omitempty"`
	// Records were dropped while the server could not be reached.
	Records uint64 `json:"records,omitempty"`
	// Logged are packets that Log rules met and did not log, because of their limit
	// or since nobody read them in time.
	Logged uint64 `json:"logged,omitempty"`
}

// Any reports whether anything was lost.
func (l Loss) Any() bool { return l.Denied+l.Connections+l.Records+l.Logged > 0 }

// Add adds what was lost elsewhere.
func (l *Loss) Add(o Loss) {
	l.Denied += o.Denied
	l.Connections += o.Connections
	l.Records += o.Records
	l.Logged += o.Logged
}

// Page is an answer to a question: records, newest first.
type Page struct {
	Records []Record `json:"records"`
	// Next is the Before of the next page; 0 if there is none.
	Next uint64 `json:"next,omitempty"`
	// Lost is what is missing in the time that the store has.
	Lost Loss `json:"lost"`
	// Oldest is when the oldest record in the store was last counted; zero if
	// there is none. Older ones may have been deleted.
	Oldest time.Time `json:"oldest,omitzero"`
	// Since is when agents were told to send their records to this server, where
	// another may have taken them before; zero if there is none.
	Since time.Time `json:"since,omitzero"`
}

// Count is what a rule, the end of a tier, or another reason did.
type Count struct {
	// Tier, Policy and Rule are empty, empty and nil where the reason is none of
	// policy's. At the end of a tier Policy is empty.
	Tier   string `json:"tier,omitempty"`
	Policy string `json:"policy,omitempty"`
	Rule   *int   `json:"rule,omitempty"`
	// Direction is "ingress" or "egress".
	Direction string `json:"direction"`
	// Reason is that of a decision; of a rule that passed or logged, "rule".
	Reason string `json:"reason"`
	// Pending says that it is what a staged policy would have done.
	Pending bool `json:"pending,omitempty"`
	// Allowed, Denied, Passed and Logged count connections and attempts.
	Allowed uint64 `json:"allowed"`
	Denied  uint64 `json:"denied"`
	Passed  uint64 `json:"passed"`
	Logged  uint64 `json:"logged"`
	// Bytes and Packets are those of the connections that it allowed, both ways.
	Bytes   uint64 `json:"bytes"`
	Packets uint64 `json:"packets"`
	// Last is when it was last matched.
	Last time.Time `json:"last"`
}

// Access is what a reader may see. The zero value is nothing.
type Access struct {
	// All is everything; else records with an end in one of Namespaces.
	All        bool
	Namespaces []string
}

// Sees reports whether a record may be seen.
func (a Access) Sees(r *Record) bool { return a.All || r.Touches(a.Namespaces) }

// Reader gives records. Its methods may be called by several at once.
type Reader interface {
	// Page returns the records that match, newest first, as many as the filter's
	// limit.
	Page(ctx context.Context, a Access, f Filter) (Page, error)
	// Follow gives the records that match from now on, until the context ends.
	// A reader that is too slow misses some, and is told how many by an Event
	// without a record.
	Follow(ctx context.Context, a Access, f Filter) <-chan Event
	// Together gives what matches with all that is equal but for its time, source
	// port, node and counts put together, as it was the last time, in no order.
	Together(ctx context.Context, a Access, f Filter) ([]Record, error)
	// Counts sums up what matches, by rule, sorted by tier, policy and rule.
	Counts(ctx context.Context, a Access, f Filter) ([]Count, error)
}

// Event is what a follower gets: a record, or word of what is missing.
type Event struct {
	Record *Record
	Lost   Loss
}

// Each gives the records of a list, in its order, without an error.
func Each(list []Record) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for i := range list {
			if !yield(&list[i], nil) {
				return
			}
		}
	}
}
