package nft

import (
	"maps"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// logSnaplen is how much of a logged packet is handed over: its headers.
const logSnaplen = 64

// logKeys says which fields of expr.Log are set.
const logKeys = 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_SNAPLEN

// builder turns tables into objects of one epoch. Rows must be entered into its
// book before sets that use them are built.
type builder struct {
	names
	book     *rowBook
	settings dataplane.Settings
	// needs are the posts at which a host endpoint has policy.
	needs needs
	// queue is how the kernel hands packets over.
	queue queueing
	// grace says that connections from before there was a table may be unknown.
	grace bool
	// cuts says that connections may be cut.
	cuts bool
	// record is how decisions leave traces.
	record   recording
	logGroup uint16
	logRate  uint64
	logBurst uint32
}

// base is the id after which the chain and the map of a set are called.
func (b builder) base(id table.SetID) table.SetID {
	if b.book != nil {
		if base, ok := b.book.base[id]; ok {
			return base
		}
	}
	return id
}

// set and rows name the chain and the map of a set.
func (b builder) set(id table.SetID, d verdict.Direction) string { return b.names.set(b.base(id), d) }
func (b builder) rows(id table.SetID) string                     { return b.names.rows(b.base(id)) }

// setMap is the declaration of a set's map from class to row.
func (b builder) setMap(id table.SetID) namedMap {
	return namedMap{name: b.rows(id), mapType: rowOfClass}
}

// setElements are the rows of a set's classes, sorted by class.
func (b builder) setElements(s *table.Set, rows map[table.RowID]*table.Row) []element {
	var list []element
	for _, c := range slices.Sorted(maps.Keys(s.Rows)) {
		list = append(list, b.rowElement(s, c, rows[s.Rows[c]]))
	}
	return list
}

// setChain is the chain of a set: find the peer's class, then its row, then
// the family's default.
func (b builder) setChain(s *table.Set, rows map[table.RowID]*table.Row) chain {
	c := chain{name: b.set(s.ID, s.Direction)}
	if s.Kind == verdict.Host && s.Stage == verdict.Normal {
		c.rules = append(c.rules, dropInvalid())
	}
	c.rules = append(c.rules,
		rule{exprs: []expr.Any{jumpTo(b.peerClass(s.Direction))}, comment: describe(s)})
	c.rules = append(c.rules, b.noted(s)...)
	c.rules = append(c.rules,
		rule{exprs: []expr.Any{meta(expr.MetaKeyPRIORITY), vmap(b.rows(s.ID))}})
	v4, v6 := rows[s.Default[0]], rows[s.Default[1]]
	if v4 != v6 {
		c.rules = append(c.rules, b.defaultRule(s, v4, family(true)...))
	}
	c.rules = append(c.rules, b.defaultRule(s, v6))
	return c
}

func (b builder) defaultRule(s *table.Set, r *table.Row, when ...expr.Any) rule {
	return rule{exprs: append(when, b.rowVerdict(s, r)), comment: reasons(r)}
}

// peerClass names the chain that finds the class of the peer's address.
func (b builder) peerClass(d verdict.Direction) string {
	if d == verdict.Egress {
		return b.of("destination-class")
	}
	return b.of("source-class")
}

// peerClassChain leaves the class of the source's or destination's address in
// the packet's priority: single addresses first, ranges second, and what is in
// neither is the family's Other.
func (b builder) peerClassChain(d verdict.Direction) chain {
	c := chain{name: b.peerClass(d)}
	source := d == verdict.Ingress
	for _, v4 := range []bool{true, false} {
		for _, name := range []string{b.hosts(v4), b.nets(v4)} {
			find := append(family(v4), address(v4, source, reg1),
				&expr.Lookup{SourceRegister: reg1, DestRegister: reg1, IsDestRegSet: true, SetName: name})
			c.rules = append(c.rules, rule{exprs: append(find, setClass(), back)})
		}
	}
	c.rules = append(c.rules,
		rule{exprs: append(family(true), &expr.Immediate{Register: reg1, Data: class(table.OtherIPv4)}, setClass(), back)},
		rule{exprs: []expr.Any{&expr.Immediate{Register: reg1, Data: class(table.OtherIPv6)}, setClass()}})
	return c
}
