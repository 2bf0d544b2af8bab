package analysis

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// PolicySentence says in words what a policy does.
func PolicySentence(p *model.Policy) string {
	if p.Selector == nil {
		return "Applies to nothing: its selector cannot be read."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Applies to %s. ", endpointsInWords(p.Selector))
	for _, d := range []verdict.Direction{verdict.Ingress, verdict.Egress} {
		if p.Applies[d] {
			b.WriteString(directionSentence(p, d) + " ")
		}
	}
	if !p.Applies[verdict.Ingress] && !p.Applies[verdict.Egress] {
		b.WriteString("It holds in no direction.")
	}
	return strings.TrimSpace(b.String())
}

// SelectorText is what a policy asks of labels and names to apply to an endpoint,
// as its sentence says it but without the words between: to find it by. Empty
// where it asks nothing.
func SelectorText(p *model.Policy) string {
	if p.Selector == nil || p.Selector.IsAll() {
		return ""
	}
	r := reachOf(p.Selector)
	var parts []string
	if r.labels != "" {
		parts = append(parts, r.labels)
	}
	for _, where := range r.where {
		for _, noun := range placeNouns {
			if of, ok := strings.CutPrefix(where, noun+" "); ok {
				parts = append(parts, of)
				break
			}
		}
	}
	return strings.Join(parts, "; ")
}

// placeNouns begin what placeInWords says of names and labels.
var placeNouns = []string{"of namespaces with", "of namespaces", "of namespace", "running as accounts with", "running as accounts", "running as account"}

func directionSentence(p *model.Policy, d verdict.Direction) string {
	name := "Ingress"
	if d == verdict.Egress {
		name = "Egress"
	}
	n, last := 0, -1
	for _, r := range p.Rules[d] {
		if r.Index != last {
			n, last = n+1, r.Index
		}
	}
	switch {
	case p.Invalid[d]:
		return name + ": a rule cannot be read, so all is denied."
	case n == 0:
		return name + ": no rule, so it leaves all to the end of the tier " + p.Tier + "."
	case n == 1:
		return name + ": 1 rule; what it does not match is left to the policies after it and the end of the tier " + p.Tier + "."
	}
	return fmt.Sprintf("%s: %d rules; what none matches is left to the policies after it and the end of the tier %s.", name, n, p.Tier)
}

func endpointsInWords(s *selector.Selector) string {
	if s.IsAll() {
		return "all pods and host endpoints"
	}
	r := reachOf(s)
	words := []string{"endpoints"}
	if r.pods {
		words[0] = "pods"
	}
	words = append(words, r.where...)
	if r.labels != "" {
		words = append(words, "with "+r.labels)
	}
	return strings.Join(words, " ")
}

// matchedInWords says what a selector of a rule matches: endpoints and network
// sets.
func matchedInWords(s *selector.Selector) string {
	r := reachOf(s)
	var words []string
	switch {
	case r.pods:
		words = append(words, "pods")
	case len(r.where) > 0:
		words = append(words, "what is")
	case r.labels == "":
		return "what is known"
	default:
		return "what has " + r.labels
	}
	words = append(words, r.where...)
	if r.labels != "" {
		words = append(words, "with "+r.labels)
	}
	return strings.Join(words, " ")
}

// RuleSentence says in words what a rule does.
func RuleSentence(r model.Rule) string {
	parts := []string{r.Action.String(), protocolInWords(r)}
	if from := peerInWords(r.Source); from != "" {
		parts = append(parts, "from "+from)
	}
	if to := peerInWords(r.Destination); to != "" {
		parts = append(parts, "to "+to)
	}
	if r.HTTP {
		parts = append(parts, "with the HTTP that the rule asks for")
	}
	return strings.Join(parts, " ") + "."
}

func protocolInWords(r model.Rule) string {
	text := "any traffic"
	if r.Protocol != nil {
		text = verdict.ProtocolName(*r.Protocol)
	}
	if r.NotProtocol != nil {
		text += " but not " + verdict.ProtocolName(*r.NotProtocol)
	}
	if r.IPVersion != 0 {
		text += " over IPv" + strconv.Itoa(int(r.IPVersion))
	}
	if r.ICMP != nil {
		text += icmpInWords(" of", r.ICMP)
	}
	if r.NotICMP != nil {
		text += icmpInWords(" but not of", r.NotICMP)
	}
	return text
}

func icmpInWords(before string, m *model.ICMPMatch) string {
	text := before
	if m.Type != nil {
		text += fmt.Sprintf(" type %d", *m.Type)
	}
	if m.Code != nil {
		text += fmt.Sprintf(" code %d", *m.Code)
	}
	return text
}

// peerInWords is empty for a side that anything matches.
func peerInWords(p model.Peer) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if p.Selector != nil {
		add("%s", matchedInWords(p.Selector))
	}
	if p.NotSelector != nil {
		add("what has not %s", p.NotSelector)
	}
	if p.Nodes != nil {
		add("nodes with %s", p.Nodes)
	}
	if p.Service != nil {
		add("the endpoints of service %s/%s", p.Service.Namespace, p.Service.Name)
	}
	if len(p.Domains) > 0 {
		add("what is known as %s", listed(p.Domains))
	}
	if len(p.Nets) > 0 {
		add("%s", listed(p.Nets))
	}
	if len(p.NotNets) > 0 {
		add("outside %s", listed(p.NotNets))
	}
	text := strings.Join(parts, " and ")
	ports, notPorts := portsInWords(p.Ports, p.NamedPorts), portsInWords(p.NotPorts, p.NotNamedPorts)
	switch {
	case text == "" && ports != "":
		text = ports
	case text == "" && notPorts != "":
		text = "anything"
	case ports != "":
		text += " on " + ports
	}
	if notPorts != "" {
		text += " not on " + notPorts
	}
	return text
}

func portsInWords(ranges []model.PortRange, names []string) string {
	var all []string
	for _, r := range ranges {
		all = append(all, r.String())
	}
	all = append(all, names...)
	switch len(all) {
	case 0:
		return ""
	case 1:
		return "port " + all[0]
	}
	return "ports " + strings.Join(all, ", ")
}

func listed[T fmt.Stringer](all []T) string {
	const most = 5
	texts := texts(all)
	if len(texts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], ", "), len(texts)-most)
	}
	return strings.Join(texts, ", ")
}

// cmpUse orders uses of a network set.
func cmpUse(a, b SetUse) int {
	return cmp.Or(cmp.Compare(a.Policy.String(), b.Policy.String()), cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Rule, b.Rule))
}
