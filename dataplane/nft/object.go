package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// The objects of a table as plain values. What turns policy into them (row.go,
// set.go, dispatch.go, base.go) is pure; what puts them into the kernel is in
// batch.go and knows nothing of policy.

// chain is a chain with all its rules. Comment is for people, empty for none.
type chain struct {
	name, comment string
	hook          *hook
	rules         []rule
}

// hook makes a base chain with policy accept, at the priority of filters if it
// has no other.
type hook struct {
	num      nftables.ChainHook
	priority int32
}

// rule is one rule. A Lookup among its expressions whose SetName is empty
// stands for the rule's anonymous map.
type rule struct {
	exprs     []expr.Any
	anonymous *anonymous
	comment   string
}

// anonymous is a map (or a set) that belongs to one rule and never changes.
type anonymous struct {
	mapType
	elements []element
}

// namedMap is the declaration of a map or set, without its elements.
type namedMap struct {
	name, comment string
	mapType
}

// mapType is the shape of a map. More than one key is a concatenation; a data
// type that is zero makes a set.
type mapType struct {
	key      []nftables.SetDatatype
	data     nftables.SetDatatype
	interval bool
	// timeout is how long elements stay, in milliseconds; 0 is for ever.
	timeout uint64
}

func (t mapType) isMap() bool { return t.data.Name != "" }

// element is one entry of a map or set. For intervals of a single key, end
// marks the first value after the interval; for intervals of concatenations,
// keyEnd is the last value of the interval. A map's element has either data
// or a verdict.
type element struct {
	key, keyEnd []byte
	end         bool
	data        []byte
	verdict     *expr.Verdict
	comment     string
}
