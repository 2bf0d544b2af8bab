package realtest

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/verdict"
)

// arrive is how long records may take to be in the store.
const arrive = 5 * time.Second

// attempt is what a record tells of, and what a probe was.
type attempt struct {
	from, to netip.Addr
	protocol uint8
	port     uint16
}

// flows compares what was recorded since a time with the oracle: each decision
// must be the oracle's with its way, and each denied connection in a record.
func (r *Result) flows(ctx context.Context, c *cluster.Cluster, s *model.State, results []cluster.Result, since time.Time) error {
	missing := map[attempt]cluster.Result{}
	for _, p := range results {
		if from, ok := source(c, p.Probe); ok && p.Verdict == verdict.Deny && p.Expect == verdict.Deny {
			missing[attempt{from, p.Addr, p.Protocol, portOf(p.Protocol, p.Port)}] = p
		}
	}
	var records []flow.Record
	for deadline := time.Now().Add(arrive); ; {
		var err error
		if records, err = recorded(ctx, c, since); err != nil {
			return err
		}
		for i := range records {
			if p, ok := packetOf(&records[i]); ok && records[i].Verdict == flow.Verdict(verdict.Deny) {
				delete(missing, attempt{p.Src, p.Dst, p.Protocol, portOf(p.Protocol, p.DstPort)})
			}
		}
		if len(missing) == 0 || time.Now().After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	for _, p := range missing {
		r.Disagreements = append(r.Disagreements, fmt.Sprintf("flows: %s to %s was denied, and no record says so", p.From, p.To))
	}
	r.Recorded = len(records)
	oracle := evaluate.New(s)
	for i := range records {
		for _, wrong := range disagreements(s, oracle, &records[i]) {
			r.Disagreements = append(r.Disagreements, "flows: "+wrong)
		}
	}
	return nil
}

// recorded are the records of connections that began since a time.
func recorded(ctx context.Context, c *cluster.Cluster, since time.Time) ([]flow.Record, error) {
	var list []flow.Record
	for record, err := range c.Plane.Flows().All(ctx, flow.Access{All: true}, flow.Filter{Since: since, Event: flow.Connections}) {
		if err != nil {
			return nil, err
		}
		if record.Connections > 0 && !record.Start.Before(since) {
			list = append(list, *record)
		}
	}
	return list, nil
}

// source is the address from which a probe was made.
func source(c *cluster.Cluster, p cluster.Probe) (netip.Addr, bool) {
	for _, a := range c.Lab.Addrs(p.From) {
		if a.Is4() == p.Addr.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// portOf is the port of protocols that have one: ICMP's types are not told apart.
func portOf(protocol uint8, port uint16) uint16 {
	if verdict.HasPorts(protocol) {
		return port
	}
	return 0
}

// packetOf is the first packet that a record tells of. It reports false for one
// whose protocol is not known by name.
func packetOf(r *flow.Record) (verdict.Packet, bool) {
	p := verdict.Packet{Src: r.Source.Address, Dst: r.Destination.Address, SrcPort: r.SourcePort, DstPort: r.Port}
	for _, number := range []uint8{verdict.TCP, verdict.UDP, verdict.ICMP, verdict.ICMPv6, verdict.SCTP, verdict.UDPLite} {
		if verdict.ProtocolName(number) == r.Protocol {
			p.Protocol = number
		}
	}
	if verdict.HasPorts(p.Protocol) && p.SrcPort == 0 {
		p.SrcPort = 32768 // one of several
	}
	if text, code, ok := strings.Cut(r.ICMP, "/"); ok {
		a, err1 := strconv.ParseUint(text, 10, 8)
		b, err2 := strconv.ParseUint(code, 10, 8)
		if err1 != nil || err2 != nil {
			return p, false
		}
		p.DstPort = verdict.ICMPKey(uint8(a), uint8(b))
	}
	return p, p.Protocol != 0
}

// disagreements says where a record does not say what the oracle says.
func disagreements(s *model.State, oracle *evaluate.Oracle, r *flow.Record) (wrong []string) {
	p, ok := packetOf(r)
	if !ok {
		return nil
	}
	denies := false
	for d, dir := range map[*flow.Decision]verdict.Direction{r.Egress: verdict.Egress, r.Ingress: verdict.Ingress, r.Host: r.HostDirection()} {
		if d == nil {
			continue
		}
		denies = denies || d.Trace.Verdict == verdict.Deny
		e := endpoint(s, d.Endpoint)
		if e == nil {
			wrong = append(wrong, fmt.Sprintf("%s: %s of %q, which is no endpoint", p, dir, d.Endpoint))
			continue
		}
		want := oracle.DecideStage(e, d.Stage, dir, p)
		if !d.Trace.Equal(&want) {
			wrong = append(wrong, fmt.Sprintf("%s on %s: %s at %s was recorded as %s; the oracle says %s", p, r.Node, dir, d.Endpoint, &d.Trace, &want))
		}
	}
	if denies != (r.Verdict == flow.Verdict(verdict.Deny)) {
		wrong = append(wrong, fmt.Sprintf("%s on %s: %s, and no decision of it says so", p, r.Node, r.Verdict))
	}
	return wrong
}

// endpoint finds an endpoint by how it prints itself.
func endpoint(s *model.State, ref string) *model.Endpoint {
	if name, ok := strings.CutPrefix(ref, "hep:"); ok {
		return s.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: name}]
	}
	namespace, name, _ := strings.Cut(ref, "/")
	return s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: namespace, Name: name}]
}
