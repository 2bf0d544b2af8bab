package agent

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// guard looks out for policy that would cut what the node itself needs, or
// Tierwall's server if that is a pod here. It warns, in the log and by the policy's status, before the
// policy is in the kernel, and holds nothing up but for that: who may write the
// policy may mean it.
type guard struct {
	needs []need
	// said are the cuts that were spoken of: what they say, by policy, or by
	// what else cuts.
	said map[string]string
	// nodes are the addresses of all nodes.
	nodes map[string][]netip.Addr
}

// warnFor is how long a change waits for the server to take the warning that
// goes before it: after it, nothing may get there any more.
const warnFor = time.Second

// guardNode warns of what the tables as they are now would cut.
func (a *agent) guardNode() {
	cuts := a.cuts()
	if maps.Equal(cuts, a.guard.said) {
		return
	}
	fresh := false
	for _, key := range slices.Sorted(maps.Keys(cuts)) {
		if a.guard.said[key] != cuts[key] {
			fresh = true
			a.Log.Warn("policy cuts what this node itself needs; it is applied all the same", "by", key, "cuts", cuts[key],
				"hint", "allow it by a rule that comes first, or, for a host endpoint, by a failsafe port")
		}
	}
	for key := range a.guard.said {
		if cuts[key] == "" {
			a.Log.Info("policy no longer cuts what this node itself needs", "by", key)
		}
	}
	a.guard.said = cuts
	taken := a.reporter.cutting(cuts)
	if fresh && taken != nil {
		select {
		case <-taken:
		case <-time.After(warnFor):
		}
	}
}

// cuts says which needs are cut, by the policy that does it.
func (a *agent) cuts() map[string]string {
	found := map[string][]string{}
	needs := a.serverNeeds()
	if len(a.places.hosts) > 0 {
		needs = append(needs, a.guard.needs...)
	}
	for _, n := range needs {
		var by map[string]string
		for _, w := range n.ways {
			if by = a.blocked(w); by == nil {
				break
			}
		}
		for key, how := range by {
			if line := n.what + " (" + how + ")"; !slices.Contains(found[key], line) {
				found[key] = append(found[key], line)
			}
		}
	}
	out := map[string]string{}
	for key, list := range found {
		slices.Sort(list)
		out[key] = strings.Join(list, ", ")
	}
	return out
}

// blocked returns what denies a connection, by policy, with the rule; nil if
// nothing does.
func (a *agent) blocked(w way) map[string]string {
	if w.pod != (verdict.EndpointID{}) {
		if d := a.compiler.Lookup(w.pod, verdict.Normal, w.direction, w.packet); d != nil && d.Verdict == verdict.Deny {
			return blame(w.pod, w.direction, d)
		}
		return nil
	}
	id, ok := a.places.hostOn[w.iface]
	if !ok {
		return nil // nobody polices it
	}
	ask := a.compiler.Lookup
	if w.anyone {
		ask = a.compiler.LookupAny
	}
	stages := []verdict.Stage{verdict.Untracked, verdict.PreDNAT, verdict.Normal}
	if w.direction == verdict.Egress { // the raw table comes first at the output hook too
		stages = []verdict.Stage{verdict.Untracked, verdict.Normal}
	}
	for _, stage := range stages {
		d := ask(id, stage, w.direction, w.packet)
		switch {
		case d == nil:
		case d.Verdict == verdict.Deny:
			return blame(id, w.direction, d)
		case stage != verdict.Normal && d.Reason == verdict.ByRule:
			return nil // it skips the stages that follow
		}
	}
	return nil
}

// blame names what a denial comes from: the policy of the rule, those of the
// tier at whose end it is, or else the endpoint, which is closed to what no
// policy or profile allows.
func blame(id verdict.EndpointID, direction verdict.Direction, d *table.Decision) map[string]string {
	trace := d.Trace()
	s := trace.Deciding()
	switch {
	case s == nil, s.Profile != "":
		kind := "HostEndpoint"
		if id.Kind == verdict.Pod {
			kind = "Pod"
		}
		return map[string]string{kind + "/" + id.Namespace + "/" + id.Name: trace.Reason.String()}
	case s.EndOfTier():
		out := map[string]string{}
		for _, p := range s.Applied {
			out[p.String()] = "no rule of tier " + s.Tier + " allows it"
		}
		return out
	case s.Rule == verdict.NoRule:
		return map[string]string{s.Policy.String(): "it cannot be read"}
	}
	return map[string]string{s.Policy.String(): fmt.Sprintf("%s rule %d", direction, s.Rule)}
}
