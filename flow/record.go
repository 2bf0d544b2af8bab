package flow

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tierwall/tierwall/verdict"
)

// Record is one connection or denied attempt, or several within a short window
// that differ in nothing but the source's port and their counts. What it says
// of its ends and of policy is what held when they began.
type Record struct {
	// ID is given by the store: later records have larger ones. 0 for none yet.
	ID uint64 `json:"id,omitempty"`
	// Node is where it was seen, Reporter which end of it is there.
	Node     string   `json:"node"`
	Reporter Reporter `json:"reporter"`
	// Start is when the first of the connections began, Last when the last of
	// what is counted here happened, by the node's clock.
	Start time.Time `json:"start"`
	Last  time.Time `json:"last"`
	// Ended says that none of the connections goes on.
	Ended bool `json:"ended,omitempty"`

	Source      End `json:"source"`
	Destination End `json:"destination"`
	// Protocol is the name or number (verdict.ProtocolName).
	Protocol string `json:"protocol"`
	// SourcePort is 0 if the record is of several.
	SourcePort uint16 `json:"sourcePort,omitempty"`
	// Port is the destination's, after translation; 0 for protocols without.
	Port uint16 `json:"port"`
	// ICMP is "type/code" for ICMP and ICMPv6; else empty.
	ICMP string `json:"icmp,omitempty"`
	// Service is where the connection was sent to, if that was translated:
	// ADDRESS:PORT; else empty.
	Service string `json:"service,omitempty"`

	// Verdict is what this node did: deny if one of its ends did.
	Verdict Verdict `json:"verdict"`
	// Egress is the decision of the source's policy, Ingress that of the
	// destination's; nil where this node did not ask it.
	Egress  *Decision `json:"egress"`
	Ingress *Decision `json:"ingress"`
	// Host is the decision of the host endpoint through whose interface it was
	// forwarded, of the stage Forward or PreDNAT, where a pod's decision has its
	// place in Egress or Ingress; nil for none.
	Host *Decision `json:"host,omitempty"`
	// Logged says that this is not a connection but what a Log rule logged; nil
	// for connections.
	Logged *Logged `json:"logged,omitempty"`
	// Pending is what would have been if everything staged had been enforced;
	// nil if nothing staged concerns the ends.
	Pending *Pending `json:"pending,omitempty"`

	// Connections counts connections, or attempts if they were denied: a client
	// that tries again counts again.
	Connections uint64 `json:"connections"`
	// Out is what the source sent, In what came back to it. Of denied attempts,
	// it is what was denied.
	Out Volume `json:"out"`
	In  Volume `json:"in"`
}

// Pending is a decision as if everything staged were enforced (semantics.md
// section 13).
type Pending struct {
	Verdict Verdict   `json:"verdict"`
	Egress  *Decision `json:"egress"`
	Ingress *Decision `json:"ingress"`
}

// Volume is an amount of traffic, headers of IP included.
type Volume struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Add adds another amount.
func (v *Volume) Add(o Volume) {
	v.Packets += o.Packets
	v.Bytes += o.Bytes
}

// Verdict is verdict.Verdict with the JSON form "allow" or "deny".
type Verdict verdict.Verdict

// String returns "allow" or "deny".
func (v Verdict) String() string { return verdict.Verdict(v).String() }

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. What is not "allow" is a
// denial.
func (v *Verdict) UnmarshalText(text []byte) error {
	*v = Verdict(verdict.Deny)
	if string(text) == "allow" {
		*v = Verdict(verdict.Allow)
	}
	return nil
}

// Reporter says which end of a connection the node that tells of it has.
type Reporter string

// The reporters. A node that has both ends tells of both as the source's.
const (
	BySource      Reporter = "source"
	ByDestination Reporter = "destination"
	// ByNeither is a node that forwards, or one that has lost track.
	ByNeither Reporter = "neither"
)

// Kind says what an end of a connection is.
type Kind string

// The kinds of ends.
const (
	Pod     Kind = "pod"
	Host    Kind = "host"    // a host endpoint: Name is its name
	Node    Kind = "node"    // a node whose address no host endpoint expects
	NetSet  Kind = "set"     // an address in network sets: the one with the narrowest network
	Address Kind = "address" // any other
)

// End is one end of a connection. It is comparable: records of equal ends can
// be counted together.
type End struct {
	Kind Kind `json:"kind"`
	// Namespace is a pod's, or a namespaced set's.
	Namespace string `json:"namespace,omitempty"`
	// Name is that of the pod, host endpoint, node or set; empty for others.
	Name string `json:"name,omitempty"`
	// Labels are its own labels, as Labels writes them; empty for ends without.
	Labels string `json:"labels,omitempty"`
	// Node is where it is, if that is known.
	Node string `json:"node,omitempty"`
	// Address is what it had.
	Address netip.Addr `json:"address"`
}

// Labels writes the labels of an end: KEY=VALUE, sorted, with commas between.
// Neither key nor value of a Kubernetes label can have '=' or ','. Labels that
// an object gets by its place are left out.
func Labels(all map[string]string) string {
	keys := make([]string, 0, len(all))
	for k := range all {
		if !strings.HasPrefix(k, "projectcalico.org/") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(k)
		b.WriteByte('=')
		b.WriteString(all[k])
	}
	return b.String()
}

// LabelMap reads what Labels wrote; nil for none.
func (e End) LabelMap() map[string]string {
	if e.Labels == "" {
		return nil
	}
	all := map[string]string{}
	for pair := range strings.SplitSeq(e.Labels, ",") {
		k, v, _ := strings.Cut(pair, "=")
		all[k] = v
	}
	return all
}

// String returns the reference of commands.md: NAMESPACE/POD, hep:NAME,
// node:NAME, the address otherwise.
func (e End) String() string {
	switch e.Kind {
	case Pod:
		return e.Namespace + "/" + e.Name
	case Host:
		return "hep:" + e.Name
	case Node:
		return "node:" + e.Name
	}
	return e.Address.String()
}

// Shown is String with what helps to recognise an address.
func (e End) Shown() string {
	switch {
	case e.Kind != NetSet:
		return e.String()
	case e.Namespace != "":
		return e.Address.String() + " (" + e.Namespace + "/" + e.Name + ")"
	}
	return e.Address.String() + " (" + e.Name + ")"
}

// Group is what an end has in common with its replicas: namespace and labels.
// Ends without labels are a group each.
func (e End) Group() string {
	switch {
	case e.Kind == Pod && e.Labels != "":
		return e.Namespace + " {" + e.Labels + "}"
	case e.Kind == NetSet:
		return strings.TrimPrefix(e.Namespace+"/"+e.Name, "/")
	}
	return e.String()
}
