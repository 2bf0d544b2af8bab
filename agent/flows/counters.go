package flows

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// maxSeries is how many rules, ends of tiers and other reasons are counted each
// for itself. Each has up to seven numbers.
const maxSeries = 4000

// Counters count what each policy and rule did on this node, as metrics. What is
// counted is what records tell. A nil one counts nothing. It may be used by several
// at once.
type Counters struct {
	mu     sync.Mutex
	series map[series]*tally
	// policies, profiles and tiers are those that there are.
	policies map[verdict.PolicyID]shape
	profiles map[string]shape
	tiers    map[string]bool
	// folded counts connections that are in other alone.
	folded uint64
}

// series is what is counted for itself.
type series struct {
	tier      string
	policy    verdict.PolicyID
	profile   string
	rule      int
	direction verdict.Direction
	reason    verdict.Reason
}

// other is where that is counted which has no place of its own.
var other = series{policy: verdict.PolicyID{Kind: "other"}, rule: verdict.NoRule}

// shape is what a policy or profile has that may be counted: its tier, and rules
// with numbers below some, by direction.
type shape struct {
	tier  string
	rules [2]int
}

func shapeOf(tier string, rules [2][]model.Rule) shape {
	s := shape{tier: tier}
	for dir, list := range rules {
		for _, r := range list {
			s.rules[dir] = max(s.rules[dir], r.Index+1)
		}
	}
	return s
}

// tally is what one did.
type tally struct {
	by             [len(actions)]uint64 // connections, by action
	packets, bytes uint64
	last           time.Time
}

// actions are the values of the label.
var actions = [...]struct {
	action verdict.Action
	label  string
}{{verdict.ActionAllow, "allow"}, {verdict.ActionDeny, "deny"}, {verdict.ActionPass, "pass"}, {verdict.ActionLog, "log"}}

// NewCounters returns counters that know no policy yet.
func NewCounters() *Counters {
	return &Counters{series: map[series]*tally{}, policies: map[verdict.PolicyID]shape{}, profiles: map[string]shape{}, tiers: map[string]bool{}}
}

// See learns a change of the world: what is counted of a policy, rule or tier goes
// with it.
func (c *Counters) See(change model.Change) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := change.Key
	switch k.Kind {
	case model.KindPolicy:
		id := verdict.PolicyID{Kind: k.PolicyKind, Namespace: k.Namespace, Name: k.Name}
		if p, ok := change.Object.(*model.Policy); ok && p != nil {
			c.policies[id] = shapeOf(p.Tier, p.Rules)
		} else {
			delete(c.policies, id)
		}
		c.drop(func(s series) bool { return s.policy == id })
	case model.KindProfile:
		if p, ok := change.Object.(*model.Profile); ok && p != nil {
			c.profiles[k.Name] = shapeOf("", p.Rules)
		} else {
			delete(c.profiles, k.Name)
		}
		c.drop(func(s series) bool { return s.profile == k.Name })
	case model.KindTier:
		if change.Object != nil {
			c.tiers[k.Name] = true
			return
		}
		delete(c.tiers, k.Name)
		c.drop(func(s series) bool { return s.tier == k.Name })
	}
}

// drop forgets those of some series of which nothing is left.
func (c *Counters) drop(some func(series) bool) {
	for s := range c.series {
		if some(s) && !c.there(s) {
			delete(c.series, s)
		}
	}
}

// there reports whether the policy, rule or tier of a series is there.
func (c *Counters) there(s series) bool {
	has, ok := shape{tier: s.tier}, true
	switch {
	case !s.policy.IsZero():
		has, ok = c.policies[s.policy]
	case s.profile != "":
		has, ok = c.profiles[s.profile]
	case s.tier != "":
		ok = c.tiers[s.tier]
	}
	return ok && has.tier == s.tier && (s.rule == verdict.NoRule || s.rule < has.rules[s.direction])
}

// add counts what the decisions of a record did.
func (c *Counters) add(r *flow.Record) {
	if c == nil || r.Logged != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	count := func(d *flow.Decision, dir verdict.Direction) {
		if d != nil && d.Known() {
			flow.Deeds(&d.Trace, dir, func(deed flow.Deed) { c.count(r, deed) })
		}
	}
	count(r.Egress, verdict.Egress)
	count(r.Ingress, verdict.Ingress)
	count(r.Host, r.HostDirection())
}

func (c *Counters) count(r *flow.Record, d flow.Deed) {
	t := c.of(series{d.Tier, d.Policy, d.Profile, d.Rule, d.Direction, d.Reason}, r.Connections)
	for i, a := range actions {
		if a.action == d.Action {
			t.by[i] += r.Connections
		}
	}
	if d.Decides {
		t.packets += r.Out.Packets + r.In.Packets
		t.bytes += r.Out.Bytes + r.In.Bytes
	}
	if r.Connections > 0 && r.Last.After(t.last) {
		t.last = r.Last
	}
}

// of returns the tally of a series: other if what it is of is gone, or if there are
// too many.
func (c *Counters) of(s series, connections uint64) *tally {
	t := c.series[s]
	if t == nil && (len(c.series) >= maxSeries || !c.there(s)) {
		c.folded += connections
		s = other
		t = c.series[s]
	}
	if t == nil {
		t = &tally{}
		c.series[s] = t
	}
	return t
}

var (
	ruleLabels     = []string{"tier", "kind", "namespace", "name", "rule", "direction"}
	connectionsOf  = prometheus.NewDesc("tierwall_policy_connections_total", "Connections and attempts, by rule and what it did.", append(ruleLabels[:len(ruleLabels):len(ruleLabels)], "action"), nil)
	bytesOf        = prometheus.NewDesc("tierwall_policy_bytes_total", "Bytes of the connections and attempts that it decided, both ways.", ruleLabels, nil)
	packetsOf      = prometheus.NewDesc("tierwall_policy_packets_total", "Packets of the connections and attempts that it decided, both ways.", ruleLabels, nil)
	lastOf         = prometheus.NewDesc("tierwall_policy_last_match_timestamp_seconds", "When it was last met, in Unix time.", ruleLabels, nil)
	foldedOf       = prometheus.NewDesc("tierwall_agent_policy_folded_total", "Connections that are counted in kind=other, since there are too many rules or theirs is gone.", nil, nil)
	seriesOf       = prometheus.NewDesc("tierwall_agent_policy_series", "Rules, ends of tiers and other reasons that are counted.", nil, nil)
	allPolicyDescs = []*prometheus.Desc{connectionsOf, bytesOf, packetsOf, lastOf, foldedOf, seriesOf}
)

// Describe implements prometheus.Collector.
func (c *Counters) Describe(to chan<- *prometheus.Desc) {
	for _, d := range allPolicyDescs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Counters) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for s, t := range c.series {
		labels := s.labels()
		decides := t.packets > 0
		for i, a := range actions {
			if t.by[i] > 0 {
				counter(connectionsOf, t.by[i], append(labels[:len(labels):len(labels)], a.label)...)
				decides = decides || a.action == verdict.ActionAllow
			}
		}
		if decides {
			counter(bytesOf, t.bytes, labels...)
			counter(packetsOf, t.packets, labels...)
		}
		if !t.last.IsZero() {
			to <- prometheus.MustNewConstMetric(lastOf, prometheus.GaugeValue, float64(t.last.UnixNano())/1e9, labels...)
		}
	}
	counter(foldedOf, c.folded)
	to <- prometheus.MustNewConstMetric(seriesOf, prometheus.GaugeValue, float64(len(c.series)))
}

// labels are the values of ruleLabels.
func (s series) labels() []string {
	kind, name, rule := s.policy.Kind, s.policy.Name, strconv.Itoa(s.rule)
	if s.profile != "" {
		kind, name = "Profile", s.profile
	}
	if s.rule == verdict.NoRule {
		rule = s.reason.String()
	}
	if s == other {
		return []string{"", kind, "", "", "", ""}
	}
	return []string{s.tier, kind, s.policy.Namespace, name, rule, s.direction.String()}
}
