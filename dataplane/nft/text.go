package nft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// maxText is the longest comment or log prefix, without the zero that ends it:
// what nft and the kernel's log target take.
const maxText = 127

// because says in words which decision it is.
func because(d *table.Decision) string {
	t := d.Trace()
	s := t.Deciding()
	if s == nil {
		return shorten(t.Reason.String(), "")
	}
	return shorten(place(*s), "")
}

// reasons lists the decisions that a row may come to: those of its ports, in
// their order, and then the one for all else.
func reasons(r *table.Row) string {
	if len(r.Protocols) == 0 {
		return because(r.Other)
	}
	var list []string
	add := func(t *table.Decision) {
		if text := because(t); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	for _, p := range r.Protocols {
		for _, b := range p.Bands {
			for _, c := range b.Cells {
				if len(list) < 8 && !c.Decision.Equal(r.Other) {
					add(c.Decision)
				}
			}
		}
	}
	add(r.Other)
	return shorten(strings.Join(list, ", "), "")
}

// place names a step: a rule, a profile or the end of a tier.
func place(s verdict.Step) string {
	switch {
	case s.Profile != "":
		return "profile " + s.Profile
	case s.EndOfTier():
		return "end of tier " + s.Tier
	case s.Rule == verdict.NoRule:
		return "invalid " + s.Tier + "/" + s.Policy.String()
	}
	return fmt.Sprintf("%s/%s#%d", s.Tier, s.Policy, s.Rule)
}

// loggedBy names the rule that logs.
func loggedBy(s verdict.Step) string {
	if s.Rule == verdict.NoRule || s.Policy.IsZero() {
		return place(s)
	}
	return s.Tier + "/" + s.Policy.String() + fmt.Sprintf("#%d", s.Rule)
}

// logPrefix is what stands before the packet in the log: the prefix of the
// settings, and the rule that logs. Of a name that is too long, the end of the
// policy's name is left out, never the number of the rule.
func logPrefix(prefix, rule string) string {
	if prefix == "" {
		prefix = dataplane.LogPrefix
	}
	name, number := dataplane.CutLogRule(rule)
	if number != "" {
		number = "#" + number
	}
	if strings.Contains(prefix, "%") {
		prefix = specify(prefix, name)
	}
	return shorten(prefix+": "+name, number+" ")
}

// shortKinds are the names of kinds in a prefix.
var shortKinds = map[string]string{
	"NetworkPolicy": "np", "GlobalNetworkPolicy": "gnp", "KubernetesNetworkPolicy": "knp", "ClusterNetworkPolicy": "cnp",
}

// specify replaces what a prefix says of a rule's policy: %t its tier, %k its kind,
// %n its name, %p its namespace and name. Of a profile there is only the name.
// Anything else after % stays.
func specify(prefix, rule string) string {
	var tier, kind, policy string
	if name, ok := strings.CutPrefix(rule, "profile "); ok {
		kind, policy = "profile", name
	} else {
		tier, rule, _ = strings.Cut(rule, "/")
		kind, policy, _ = strings.Cut(rule, "/")
		policy = strings.TrimPrefix(policy, "/") // of no namespace
		if short := shortKinds[kind]; short != "" {
			kind = short
		}
	}
	name := policy[strings.LastIndexByte(policy, '/')+1:]
	return strings.NewReplacer("%t", tier, "%k", kind, "%n", name, "%p", policy).Replace(prefix)
}

// describe lists the policies of a set, in order, for its chain's comment.
func describe(s *table.Set) string {
	policies := s.Ends.Policies()
	if len(policies) == 0 {
		return "no policy applies"
	}
	var b strings.Builder
	for i, p := range policies {
		more := fmt.Sprintf(" and %d more", len(policies)-i)
		if b.Len()+len(p.String())+2+len(more) > maxText {
			if i == 0 {
				return shorten(p.String(), fmt.Sprintf(" (%d policies)", len(policies)))
			}
			b.WriteString(more)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return clean(b.String())
}

// shorten joins text and end, taking from text what is too much.
func shorten(text, end string) string {
	if room := maxText - len(end); len(text) > room {
		text = text[:room-3] + "..."
	}
	return clean(text + end)
}

// clean replaces what would break a line of nft's listing. Names of objects
// have none of it; what an API server lets through may change.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' {
			return '?'
		}
		return r
	}, text)
}
