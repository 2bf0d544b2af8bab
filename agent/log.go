package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/florianl/go-nflog/v2"

	"github.com/tierwall/tierwall/agent/flows"
	"github.com/tierwall/tierwall/dataplane"
)

// LogRules reads what Log rules send to the NFLOG group until the context ends,
// and writes a line for each packet: the tier, the policy and the rule that
// asked for it, and the connection.
func LogRules(ctx context.Context, group uint16, log *slog.Logger) error {
	nf, err := nflog.Open(&nflog.Config{Group: group, Copymode: nflog.CopyPacket, Bufsize: 128})
	if err != nil {
		return fmt.Errorf("log group %d: %w", group, err)
	}
	hook := func(a nflog.Attribute) int {
		attrs := []any{}
		if a.Prefix != nil {
			prefix, rule := parsePrefix(*a.Prefix)
			if prefix != dataplane.LogPrefix {
				attrs = append(attrs, "prefix", prefix)
			}
			attrs = append(attrs, "rule", rule)
		}
		if a.Payload != nil {
			if p, _, ok := flows.ParsePacket(*a.Payload); ok {
				attrs = append(attrs, "connection", p.String())
			}
		}
		log.Info("policy log", attrs...)
		return 0
	}
	// A full socket buffer loses messages, never the listener.
	onError := func(err error) int {
		log.Warn("messages of Log rules were lost", "error", err)
		return 0
	}
	if err := nf.RegisterWithErrorFunc(ctx, hook, onError); err != nil {
		_ = nf.Close()
		return fmt.Errorf("log group %d: %w", group, err)
	}
	context.AfterFunc(ctx, func() { _ = nf.Close() })
	return nil
}

// parsePrefix parts the prefix of the settings from the rule. No name of a rule
// has a colon in it.
func parsePrefix(text string) (prefix, rule string) {
	text = strings.TrimRight(text, " \x00")
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[:i], text[i+2:]
	}
	return "", text
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
	for _, rule := range slices.Sorted(maps.Keys(byRule)) {
		a.Log.Info("policy log: over the limit, not written", "rule", rule, "packets", byRule[rule])
	}
}
