package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/florianl/go-nflog/v2"

	"github.com/tierwall/tierwall/agent/flows"
	"github.com/tierwall/tierwall/dataplane"
)

// logRules reads what Log rules send to the NFLOG group until the context ends:
// a line for each packet, with the tier, the policy and the rule that asked for it
// and the connection, and an event among the flows.
func (a *agent) logRules(ctx context.Context) error {
	nf, err := nflog.Open(&nflog.Config{Group: a.LogGroup, Copymode: nflog.CopyPacket, Bufsize: 128, Flags: nflog.FlagSeq})
	if err != nil {
		return fmt.Errorf("log group %d: %w", a.LogGroup, err)
	}
	lost := flows.Gaps{}
	hook := func(m nflog.Attribute) int {
		a.unread(lost.Since(m.Seq))
		if l, ok := flows.ParseLogged(m, a.recorder.hostAt); ok {
			a.Log.Info("policy log", logged(l)...)
			a.recorder.logged(l)
		}
		return 0
	}
	// A full socket buffer loses messages, never the listener: their numbers are
	// missing.
	onError := func(error) int { return 0 }
	if err := nf.RegisterWithErrorFunc(ctx, hook, onError); err != nil {
		_ = nf.Close()
		return fmt.Errorf("log group %d: %w", a.LogGroup, err)
	}
	context.AfterFunc(ctx, func() { _ = nf.Close() })
	return nil
}

// logged are the attributes of a line.
func logged(l flows.Logged) (attrs []any) {
	if l.Prefix != dataplane.LogPrefix {
		attrs = append(attrs, "prefix", l.Prefix)
	}
	return append(attrs, "rule", l.Rule, "connection", l.Packet.String())
}

// unread counts messages of Log rules that were not read in time.
func (a *agent) unread(packets uint64) {
	if packets > 0 {
		a.Log.Warn("messages of Log rules were lost", "packets", packets)
		a.metrics.unlogged.Add(float64(packets))
		a.recorder.unlogged(packets)
	}
}

// unlogged tells how much Log rules did not write since it was last asked,
// because of the limit.
type unlogged struct {
	last map[string]uint64
}

// since returns what came to the counts, and keeps them.
func (u *unlogged) since(counts map[string]uint64) (total uint64, byRule map[string]uint64) {
	byRule = map[string]uint64{}
	for rule, n := range counts {
		if n >= u.last[rule] {
			n -= u.last[rule]
		}
		if n > 0 {
			byRule[rule] = n
			total += n
		}
	}
	u.last = counts
	return total, byRule
}

// countUnlogged counts what Log rules did not write, and says so.
func (a *agent) countUnlogged() {
	c, ok := a.Dataplane.(dataplane.LogCounter)
	if !ok {
		return
	}
	counts, err := c.Unlogged()
	if err != nil {
		a.Log.Warn("what Log rules did not write could not be counted", "error", err)
		return
	}
	total, byRule := a.unlogged.since(counts)
	a.metrics.unlogged.Add(float64(total))
	a.recorder.unlogged(total)
	for _, rule := range slices.Sorted(maps.Keys(byRule)) {
		a.Log.Info("policy log: over the limit, not written", "rule", rule, "packets", byRule[rule])
	}
}
