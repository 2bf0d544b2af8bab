package status

import (
	"cmp"
	"slices"

	"github.com/tierwall/tierwall/report"
)

// has reports whether a node has a policy as it is now.
func (n *node) has(p *policy) bool { return !n.heard.IsZero() && n.versions[p.kind] >= p.version }

// roll is how far all nodes are in one kind of policy. With it, what is said of
// a policy costs as much as the nodes where it applies, not as all of them.
type roll struct {
	// heard are the versions of the nodes that are heard of, in order.
	heard []uint64
	// silent are the others, in the order of their versions.
	silent []*node
	// cutting are the nodes where a policy cuts something.
	cutting []*node
	kind    string
}

func (b *board) roll(kind string) *roll {
	r := &roll{kind: kind}
	for _, n := range b.nodes {
		if n.state == report.Silent || n.state == report.NoAgent {
			r.silent = append(r.silent, n)
		} else {
			r.heard = append(r.heard, n.reached(kind))
		}
		if len(n.cuts) > 0 {
			r.cutting = append(r.cutting, n)
		}
	}
	slices.Sort(r.heard)
	slices.SortFunc(r.silent, func(a, b *node) int { return cmp.Compare(a.reached(kind), b.reached(kind)) })
	return r
}

// reached is how far a node is; 0 if it never reported.
func (n *node) reached(kind string) uint64 {
	if n.heard.IsZero() {
		return 0
	}
	return n.versions[kind]
}

// late is how many nodes that are heard of are not as far as a version.
func (r *roll) late(version uint64) int {
	i, _ := slices.BinarySearch(r.heard, version)
	return i
}

// silentBefore are the names of the others that are not.
func (r *roll) silentBefore(version uint64) []string {
	i, _ := slices.BinarySearchFunc(r.silent, version, func(n *node, v uint64) int { return cmp.Compare(n.reached(r.kind), v) })
	names := make([]string, 0, i)
	for _, n := range r.silent[:i] {
		names = append(names, n.name)
	}
	return names
}

// line has the policies of a kind in the order of their versions, with places
// that are old still in it.
type line struct{ places []place }

type place struct {
	version uint64
	key     string
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.key, b.key))
}

// put notes a policy. now returns the version that a policy has.
func (l *line) put(version uint64, key string, now func(key string) uint64) {
	p := place{version, key}
	if i, have := slices.BinarySearchFunc(l.places, p, place.compare); !have {
		l.places = slices.Insert(l.places, i, p) // nearly always at the end
	}
	if n := len(l.places); n > 1024 && n&(n-1) == 0 { // now and then
		l.places = slices.DeleteFunc(l.places, func(p place) bool { return now(p.key) != p.version })
	}
}

// between are the policies after one version and up to another, and some that
// have been there.
func (l *line) between(after, upTo uint64) []string {
	var keys []string
	i, _ := slices.BinarySearchFunc(l.places, after+1, func(p place, v uint64) int { return cmp.Compare(p.version, v) })
	for ; i < len(l.places) && l.places[i].version <= upTo; i++ {
		keys = append(keys, l.places[i].key)
	}
	return keys
}
