// Package report is what agents tell the server about their nodes, and what the
// server answers: the words of docs/design/008-status.md. It is a leaf.
package report

import (
	"net/netip"
	"time"
)

// Path is where the server takes reports, by POST.
const Path = "/report/v1"

// Port is where it takes them unless it is told otherwise. It is one of the
// ports that failsafe rules leave open in both directions: a host policy must
// not be able to hide what it does.
const Port = 5473

// The resource that an agent must be allowed to create, by RBAC: it exists
// only as the name of this right.
const (
	Group    = "tierwall.dev"
	Resource = "nodereports"
)

// Audience is for whom the tokens are that agents show: the server takes no
// others, and nobody else, the API server among them, takes these. Who poses as
// the server learns nothing that is of use elsewhere.
const Audience = "tierwall-server"

// Report is what a node enforces, or what changed in that since its last
// report.
type Report struct {
	// Node is the name of the node.
	Node string `json:"node"`
	// Instance is another one for each start of the agent.
	Instance string `json:"instance"`
	// Sequence counts the reports of an instance from 1. One that does not
	// follow on the last that the server knows must be Full.
	Sequence uint64 `json:"sequence"`
	// Full says that the report holds everything, not what changed.
	Full bool `json:"full,omitempty"`
	// Versions are, by kind of policy, the resource versions up to which
	// everything is in the kernel.
	Versions map[string]string `json:"versions,omitempty"`
	// Applies are the policies (Kind/namespace/name) that now apply to
	// something on the node, Gone those that no longer do.
	Applies []string `json:"applies,omitempty"`
	Gone    []string `json:"gone,omitempty"`
	// Error is why the kernel is behind; empty if it is not.
	Error string `json:"error,omitempty"`
	// Behind is since when it is; nil if it is not.
	Behind *time.Time `json:"behind,omitempty"`
	// Drift counts the times that somebody else changed the kernel's tables.
	Drift uint64 `json:"drift,omitempty"`
	// Learned are the addresses that domain names in force here were learned to
	// have, or those about which something changed; Forgotten are those that
	// count no more. A full report holds MaxLearned at most; Unreported is how
	// many more there are.
	Learned    []Learned `json:"learned,omitempty"`
	Forgotten  []Address `json:"forgotten,omitempty"`
	Unreported int       `json:"unreported,omitempty"`
	// Warning says what is wrong though the kernel is in step: that pods behind a
	// bridge are not policed among themselves, or, with learning names, that there are too many, or that they are not kept on disk.
	Warning string `json:"warning,omitempty"`
	// Cuts says, by policy, which needs of the node itself it cuts.
	Cuts map[string]string `json:"cuts,omitempty"`
}

// MaxLearned is how many learned addresses of one node the server keeps.
const MaxLearned = 10_000

// Address is an address that a domain name has, on one node.
type Address struct {
	// Name is in the normal form of package domain.
	Name string     `json:"name"`
	Addr netip.Addr `json:"addr"`
}

// Learned is an address with how it was learned.
type Learned struct {
	Address
	// Via is the name at the end of the chain of CNAMEs whose record it was; empty
	// if it was the name's own.
	Via string `json:"via,omitempty"`
	// Server is the DNS server that gave the answer.
	Server netip.Addr `json:"server,omitzero"`
	// Seen is when the last answer came that had it.
	Seen time.Time `json:"seen"`
	// Expires is when it stops to count if nobody asks again and no connection
	// uses it. It may be past: then a connection does.
	Expires time.Time `json:"expires"`
}

// Answer is what the server says to a report that it took. One that it could
// not follow it answers with 409 Conflict: a full report is due.
type Answer struct {
	// Pace is how long to gather changes before the next report, so that many
	// nodes do not all speak at once.
	Pace time.Duration `json:"pace"`
}

// Heartbeat is how often an agent reports although nothing has changed.
const Heartbeat = 30 * time.Second

// Node is the state of one node, as the server publishes it.
type Node struct {
	Name string `json:"name"`
	// State is one of the constants below.
	State string `json:"state"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// Error is the agent's last error if it is behind.
	Error string `json:"error,omitempty"`
	// Warning is what is wrong there though policy is enforced.
	Warning string `json:"warning,omitempty"`
	// Policies is how many policies apply to something there.
	Policies int `json:"policies"`
	// Drift counts the times that somebody else changed the kernel's tables.
	Drift uint64 `json:"drift,omitempty"`
}

// The states of nodes.
const (
	InStep   = "in step"
	IsBehind = "behind"
	Silent   = "silent"   // has not reported for some time
	NoAgent  = "no agent" // has never reported
)

// ConfigMap is the name of the object in which the server publishes the nodes,
// as a JSON list under the key NodesKey.
const (
	ConfigMap = "tierwall-nodes"
	NodesKey  = "nodes"
)

// Domains is what all nodes learned of domain names, as the server publishes it.
type Domains struct {
	// Names are sorted by name; only those of nodes that are heard of.
	Names []Domain `json:"names"`
	// LeftOut is how many addresses more there are than fit, and than nodes told.
	LeftOut int `json:"leftOut,omitempty"`
}

// Domain is a name with its addresses, sorted.
type Domain struct {
	Name      string          `json:"name"`
	Addresses []DomainAddress `json:"addresses"`
}

// DomainAddress is an address with how it was learned last.
type DomainAddress struct {
	Addr netip.Addr `json:"addr"`
	// Via and Server are as in Learned, of the latest answer.
	Via    string     `json:"via,omitempty"`
	Server netip.Addr `json:"server,omitzero"`
	Seen   time.Time  `json:"seen"`
	// Expires is the latest of all nodes.
	Expires time.Time `json:"expires"`
	// Nodes are the first MaxNodes of those that know it, by name; NodeCount is how
	// many do.
	Nodes     []string `json:"nodes"`
	NodeCount int      `json:"nodeCount"`
}

// MaxNodes is how many nodes are named for one address.
const MaxNodes = 3

// DomainsConfigMap is the name of the object in which the server publishes
// Domains, in JSON, under the key DomainsKey.
const (
	DomainsConfigMap = "tierwall-domains"
	DomainsKey       = "domains"
)

// Policy is how far the nodes are with a policy whose kind has no status of its
// own, as the server publishes it.
type Policy struct {
	// Policy is Kind/namespace/name, as in reports.
	Policy     string `json:"policy"`
	Generation int64  `json:"generation"`
	// Status, Reason and Message are those of the condition Programmed.
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
}

// PoliciesConfigMap is the name of the object in which the server publishes the
// policies whose kinds have no status, as a JSON list under the key PoliciesKey.
const (
	PoliciesConfigMap = "tierwall-policies"
	PoliciesKey       = "policies"
)

// Namespace is where the server and what it publishes are unless it is told
// otherwise.
const Namespace = "tierwall"

// ServerName is the name of what the servers of a namespace have in common: the
// Lease that says which of them leads, the Secret with their authority, and the
// ConfigMap in which agents read where to report to and what to trust.
const ServerName = "tierwall-server"

// The keys of that ConfigMap: the URL of the server that leads, the name in its
// certificate, and what to trust for it, in PEM; the last is empty if that is
// what machines trust anyhow.
const (
	URLKey  = "url"
	NameKey = "name"
	CAKey   = "ca.crt"
)
