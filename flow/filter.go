package flow

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tierwall/tierwall/verdict"
)

// Filter says which records are meant. All that is set must hold; the zero
// value means all.
type Filter struct {
	// Namespaces: an end is a pod of one of them, or a set of it.
	Namespaces []string
	// Endpoint: an end is this, as End.String prints it, or has this address.
	Endpoint string
	// From and To are the same for the source and the destination.
	From, To string
	// Verdict is "allow" or "deny".
	Verdict string
	// Policy is Kind/namespace/name, or the name alone, of a policy on the way
	// of a decision, pending ones included. Rule narrows it to one rule; nil for any.
	Policy string
	Rule   *int
	// Tier is one that is on the way.
	Tier string
	// Protocol is a name or number, Port the destination's; 0 for any.
	Protocol string
	Port     uint16
	// Event is Connections or LogEvents.
	Event string
	// Reporter is one of the reporters.
	Reporter Reporter
	// Node is the node that tells.
	Node string
	// Newly is "denied" or "allowed": what enforcing all that is staged would
	// change so; "any" for both.
	Newly string
	// Since and Until bound Last: from Since on, and before Until.
	Since, Until time.Time
	// Before is an ID: records with smaller ones. It is how a page follows on
	// another.
	Before uint64
	// Limit is how many at most; 0 means DefaultLimit.
	Limit int
}

// DefaultLimit and MaxLimit are how many records a page has unless it is asked
// for otherwise, and at most.
const (
	DefaultLimit = 500
	MaxLimit     = 10_000
)

// Values writes the filter as the parameters of a URL.
func (f Filter) Values() url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	for _, n := range f.Namespaces {
		v.Add("namespace", n)
	}
	set("endpoint", f.Endpoint)
	set("from", f.From)
	set("to", f.To)
	set("verdict", f.Verdict)
	set("policy", f.Policy)
	if f.Rule != nil {
		set("rule", strconv.Itoa(*f.Rule))
	}
	set("tier", f.Tier)
	set("protocol", f.Protocol)
	set("port", number(uint64(f.Port)))
	set("event", f.Event)
	set("reporter", string(f.Reporter))
	set("node", f.Node)
	set("newly", f.Newly)
	set("since", timeText(f.Since))
	set("until", timeText(f.Until))
	set("before", number(f.Before))
	set("limit", number(uint64(max(f.Limit, 0))))
	return v
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ParseFilter reads what Values writes. The error says which parameter is
// wrong; parameters that are not a filter's are left alone.
func ParseFilter(v url.Values) (Filter, error) {
	f := Filter{
		Namespaces: slices.DeleteFunc(slices.Clone(v["namespace"]), func(n string) bool { return n == "" }), Endpoint: v.Get("endpoint"), From: v.Get("from"), To: v.Get("to"),
		Verdict: v.Get("verdict"), Policy: v.Get("policy"), Tier: v.Get("tier"), Protocol: v.Get("protocol"),
		Event: v.Get("event"), Reporter: Reporter(v.Get("reporter")), Node: v.Get("node"), Newly: v.Get("newly"),
	}
	if len(f.Namespaces) == 0 {
		f.Namespaces = nil
	}
	var rule, port, limit uint64
	for _, n := range []struct {
		key  string
		to   *uint64
		bits int
	}{{"rule", &rule, 31}, {"port", &port, 16}, {"limit", &limit, 31}, {"before", &f.Before, 63}} {
		text := v.Get(n.key)
		if text == "" {
			continue
		}
		x, err := strconv.ParseUint(text, 10, n.bits)
		if err != nil {
			return f, fmt.Errorf("%s: %q is not a number from 0 to %d", n.key, text, uint64(1)<<n.bits-1)
		}
		*n.to = x
	}
	if v.Get("rule") != "" {
		f.Rule = new(int(rule))
	}
	f.Port, f.Limit = uint16(port), int(limit)
	for key, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := v.Get(key); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return f, fmt.Errorf("%s: %q is not a time such as 2026-11-25T14:00:00Z", key, text)
			}
			*to = t
		}
	}
	return f, f.check()
}

// check refuses words that mean nothing.
func (f Filter) check() error {
	for _, c := range []struct {
		key, value string
		known      []string
	}{
		{"verdict", f.Verdict, []string{"allow", "deny"}},
		{"newly", f.Newly, []string{"denied", "allowed", "any"}},
		{"event", f.Event, []string{Connections, LogEvents}},
		{"reporter", string(f.Reporter), []string{string(BySource), string(ByDestination), string(ByNeither)}},
	} {
		if c.value != "" && !slices.Contains(c.known, c.value) {
			return fmt.Errorf("%s: %q is not one of %s", c.key, c.value, strings.Join(c.known, ", "))
		}
	}
	return nil
}

// Matches reports whether a record is meant.
func (f Filter) Matches(r *Record) bool {
	is := func(want string, e End) bool {
		return want == "" || want == e.String() || e.Address.IsValid() && want == e.Address.String()
	}
	switch {
	case f.Verdict != "" && f.Verdict != r.Verdict.String(),
		f.Port != 0 && f.Port != r.Port,
		f.Protocol != "" && !strings.EqualFold(f.Protocol, r.Protocol),
		f.Event != "" && (f.Event == LogEvents) != (r.Logged != nil),
		f.Reporter != "" && f.Reporter != r.Reporter,
		f.Node != "" && f.Node != r.Node,
		!f.Since.IsZero() && r.Last.Before(f.Since),
		!f.Until.IsZero() && !r.Last.Before(f.Until),
		f.Before != 0 && r.ID >= f.Before,
		!is(f.From, r.Source), !is(f.To, r.Destination),
		!is(f.Endpoint, r.Source) && !is(f.Endpoint, r.Destination),
		f.Namespaces != nil && !r.Touches(f.Namespaces),
		f.Newly != "" && (r.Newly() == "" || f.Newly != "any" && f.Newly != r.Newly()):
		return false
	}
	return f.Policy == "" && f.Tier == "" || r.any(f.onWay)
}

// Touches reports whether an end of the record is in one of the namespaces.
func (r *Record) Touches(namespaces []string) bool {
	in := func(e End) bool { return e.Namespace != "" && slices.Contains(namespaces, e.Namespace) }
	return in(r.Source) || in(r.Destination)
}

// Decisions returns those of the record that there are, pending ones last.
func (r *Record) Decisions() []*Decision {
	all := []*Decision{r.Egress, r.Ingress, r.Host}
	if r.Pending != nil {
		all = append(all, r.Pending.Egress, r.Pending.Ingress)
	}
	return slices.DeleteFunc(all, func(d *Decision) bool { return d == nil })
}

func (r *Record) any(ok func(verdict.Step) bool) bool {
	for _, d := range r.Decisions() {
		if slices.ContainsFunc(d.Trace.Steps, ok) {
			return true
		}
	}
	return r.Logged != nil && ok(r.Logged.step())
}

// onWay reports whether a step is of the policy and tier that the filter names.
// At the end of a tier, those that applied are meant too.
func (f Filter) onWay(s verdict.Step) bool {
	if f.Tier != "" && f.Tier != s.Tier {
		return false
	}
	is := func(p verdict.PolicyID) bool { return f.Policy == p.Name || f.Policy == p.String() }
	switch {
	case f.Policy == "":
		return f.Tier != ""
	case f.Rule != nil:
		return s.Rule == *f.Rule && is(s.Policy)
	}
	return is(s.Policy) || slices.ContainsFunc(s.Applied, is)
}
