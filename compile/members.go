package compile

import (
	"net/netip"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
)

// directory finds the addresses that a selector stands for (semantics.md
// section 6.3). Selectors are evaluated once for each distinct set of labels,
// not once for each endpoint.
type directory struct {
	groups []labelGroup
	cache  map[string][]netip.Prefix
}

// labelGroup is the networks of all objects with the same labels.
type labelGroup struct {
	labels model.Labels
	nets   []netip.Prefix
}

func newDirectory(s *model.State) *directory {
	d := &directory{cache: map[string][]netip.Prefix{}}
	byKey := map[string]int{}
	for _, e := range s.SortedEndpoints() {
		if len(e.Addrs) == 0 {
			continue
		}
		key := labelsKey(e)
		i, ok := byKey[key]
		if !ok {
			i = len(d.groups)
			byKey[key] = i
			d.groups = append(d.groups, labelGroup{labels: s.Labels(e)})
		}
		for _, a := range e.Addrs {
			d.groups[i].nets = append(d.groups[i].nets, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for _, n := range s.SortedNetworkSets() {
		d.groups = append(d.groups, labelGroup{labels: s.SetLabels(n), nets: n.Nets})
	}
	return d
}

// members returns the networks of everything that s selects, with repetitions.
func (d *directory) members(s *selector.Selector) []netip.Prefix {
	key := s.String()
	if nets, ok := d.cache[key]; ok {
		return nets
	}
	var nets []netip.Prefix
	for i := range d.groups {
		if s.Matches(d.groups[i].labels) {
			nets = append(nets, d.groups[i].nets...)
		}
	}
	d.cache[key] = nets
	return nets
}
