package status

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/report"
)

// learn takes over what a report says of domain names.
func (b *board) learn(n *node, r report.Report) {
	if r.Full {
		b.namesNew = b.namesNew || len(n.learned) > 0
		clear(n.learned)
	}
	for _, a := range r.Forgotten {
		delete(n.learned, a)
	}
	left := r.Unreported
	for _, l := range r.Learned {
		if _, known := n.learned[l.Address]; known || len(n.learned) < report.MaxLearned {
			n.learned[l.Address] = l
		} else {
			left++
		}
	}
	b.namesNew = b.namesNew || len(r.Learned)+len(r.Forgotten) > 0 || n.unreported != left
	n.unreported = left
}

// domains puts together what the nodes that are heard of know of names.
func (b *board) domains() report.Domains {
	out := report.Domains{Names: []report.Domain{}}
	byName := map[string]map[netip.Addr]report.DomainAddress{}
	for _, name := range slices.Sorted(maps.Keys(b.nodes)) {
		n := b.nodes[name]
		if n.state == report.Silent {
			continue
		}
		out.LeftOut += n.unreported
		for at, l := range n.learned {
			if byName[at.Name] == nil {
				byName[at.Name] = map[netip.Addr]report.DomainAddress{}
			}
			byName[at.Name][at.Addr] = joined(byName[at.Name][at.Addr], l, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		addrs := slices.SortedFunc(maps.Values(byName[name]), func(x, y report.DomainAddress) int { return x.Addr.Compare(y.Addr) })
		out.Names = append(out.Names, report.Domain{Name: name, Addresses: addrs})
	}
	return out
}

// joined adds what one node knows of an address to what those before it know.
func joined(a report.DomainAddress, l report.Learned, node string) report.DomainAddress {
	a.Addr = l.Addr
	if a.NodeCount == 0 || a.Seen.Before(l.Seen) {
		a.Via, a.Server, a.Seen = l.Via, l.Server, l.Seen
	}
	if a.Expires.Before(l.Expires) {
		a.Expires = l.Expires
	}
	if a.NodeCount++; a.NodeCount <= report.MaxNodes {
		a.Nodes = append(a.Nodes, node)
	}
	return a
}

// encodeDomains writes the names, one a line. Those that do not fit are counted.
func encodeDomains(d report.Domains) (string, error) {
	var text strings.Builder
	text.WriteString(`{"names":[`)
	left := d.LeftOut
	for i, one := range d.Names {
		line, err := json.Marshal(one)
		if err != nil {
			return "", err
		}
		if text.Len()+len(line) > maxList {
			for _, rest := range d.Names[i:] {
				left += len(rest.Addresses)
			}
			break
		}
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
		text.Write(line)
	}
	end, err := json.Marshal(left)
	if err != nil {
		return "", err
	}
	text.WriteString("\n],\"leftOut\":" + string(end) + "}\n")
	return text.String(), nil
}
