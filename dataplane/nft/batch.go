package nft

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// batch collects verbs on objects as netlink messages. Nothing happens until
// it is sent. Messages that may not be parted stay in one transaction; between
// others a long batch may be cut where its user allows it.
type batch struct {
	messages []message
	sets     uint32
	err      error
}

// message is one verb on one object.
type message struct {
	kind, flags uint16
	body        attrs
	// glued messages go into the same transaction as the one before.
	glued bool
	// what says in an error which verb it was.
	what string
}

// Attributes and flags that x/sys/unix does not name.
const (
	chainUserdata  = 12
	tableUserdata  = 6
	setDescConcat  = 2
	setElemKeyEnd  = 10
	flagSetConcat  = 0x80
	udataComment   = 0
	udataSetKey    = 0
	udataSetData   = 1
	udataSetRemark = 7
	hostOrder      = 1
	networkOrder   = 2
)

// maxElements is how many bytes of elements one message holds; the length of
// their list is a 16 bit number.
const maxElements = 60_000

func (b *batch) empty() bool { return len(b.messages) == 0 }

// add appends a message whose first attribute is the table's name.
func (b *batch) add(kind, flags uint16, glued bool, what string, fill func(*attrs)) {
	body := attrs{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}
	body.text(unix.NFTA_TABLE_NAME, tableName)
	fill(&body)
	b.messages = append(b.messages, message{kind, flags, body, glued, what})
}

// glue keeps all messages that fill adds in one transaction.
func (b *batch) glue(fill func()) {
	from := len(b.messages)
	fill()
	for i := from + 1; i < len(b.messages); i++ {
		b.messages[i].glued = true
	}
}

// addTable adds the table if it is not there.
func (b *batch) addTable(flags uint32) {
	b.add(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, false, "add table "+tableName, func(a *attrs) {
		if flags != 0 { // none leaves a table that is there as it is
			a.number(unix.NFTA_TABLE_FLAGS, flags)
		}
		a.bytes(tableUserdata, remark(nil, udataComment, tableComment)...)
	})
}

func (b *batch) deleteTable() {
	b.add(unix.NFT_MSG_DELTABLE, 0, false, "delete table "+tableName, func(*attrs) {})
}

// addChain adds a chain with its rules. A base chain that is there stays, and
// its rules are replaced.
func (b *batch) addChain(c chain) {
	b.glue(func() {
		b.add(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, false, "add chain "+c.name, func(a *attrs) { c.write(a) })
		if c.hook != nil {
			b.flush(c.name)
		}
		for _, r := range c.rules {
			b.addRule(c.name, r)
		}
	})
}

// replaceRules puts others in the place of a chain's rules.
func (b *batch) replaceRules(c chain) {
	b.glue(func() {
		b.flush(c.name)
		for _, r := range c.rules {
			b.addRule(c.name, r)
		}
	})
}

func (c chain) write(a *attrs) {
	a.text(unix.NFTA_CHAIN_NAME, c.name)
	if c.hook != nil {
		a.nest(unix.NFTA_CHAIN_HOOK, func(a *attrs) {
			a.number(unix.NFTA_HOOK_HOOKNUM, uint32(c.hook.num))
			a.number(unix.NFTA_HOOK_PRIORITY, uint32(c.hook.priority))
		})
		a.number(unix.NFTA_CHAIN_POLICY, uint32(nftables.ChainPolicyAccept))
		a.text(unix.NFTA_CHAIN_TYPE, "filter")
	}
	if c.comment != "" {
		a.bytes(chainUserdata, remark(nil, udataComment, c.comment)...)
	}
}

// flush deletes all rules of a chain.
func (b *batch) flush(chain string) {
	b.add(unix.NFT_MSG_DELRULE, 0, false, "flush chain "+chain, func(a *attrs) {
		a.text(unix.NFTA_RULE_CHAIN, chain)
	})
}

func (b *batch) deleteChain(name string) {
	b.add(unix.NFT_MSG_DELCHAIN, 0, false, "delete chain "+name, func(a *attrs) {
		a.text(unix.NFTA_CHAIN_NAME, name)
	})
}

// addRule appends a rule, after its anonymous map if it has one.
func (b *batch) addRule(chain string, r rule) {
	name := ""
	if r.anonymous != nil {
		name = b.addAnonymous(*r.anonymous)
	}
	what := "add rule to chain " + chain
	b.add(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, r.anonymous != nil, what, func(a *attrs) {
		a.text(unix.NFTA_RULE_CHAIN, chain)
		a.nest(unix.NFTA_RULE_EXPRESSIONS, func(a *attrs) {
			for _, e := range r.exprs {
				a.bytes(unix.NFTA_LIST_ELEM|nested, b.marshal(e, name)...)
			}
		})
		if r.comment != "" {
			a.bytes(unix.NFTA_RULE_USERDATA, remark(nil, udataComment, r.comment)...)
		}
	})
}

// marshal encodes an expression; a look-up without a name is one in the
// anonymous map that was added last.
func (b *batch) marshal(e expr.Any, anonymous string) []byte {
	if l, ok := e.(*expr.Lookup); ok && l.SetName == "" {
		named := *l
		named.SetName, named.SetID = anonymous, b.sets
		e = &named
	}
	if own, ok := e.(interface{ encode() []byte }); ok {
		return own.encode()
	}
	data, err := expr.Marshal(unix.NFPROTO_INET, e)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("marshal %T: %w", e, err)
	}
	return data
}

func (b *batch) addAnonymous(m anonymous) string {
	name := "__set%d"
	if m.isMap() {
		name = "__map%d"
	}
	b.sets++
	b.add(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, false, "add an anonymous map", func(a *attrs) {
		a.text(unix.NFTA_SET_NAME, name)
		a.number(unix.NFTA_SET_ID, b.sets)
		m.write(a, unix.NFT_SET_ANONYMOUS|unix.NFT_SET_CONSTANT, len(m.elements), "")
	})
	b.elements(unix.NFT_MSG_NEWSETELEM, name, b.sets, m.elements)
	return name
}

// addMap declares a map or set; elements come later.
func (b *batch) addMap(m namedMap) {
	b.sets++
	b.add(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, false, "add map "+m.name, func(a *attrs) {
		a.text(unix.NFTA_SET_NAME, m.name)
		a.number(unix.NFTA_SET_ID, b.sets)
		m.write(a, 0, 0, m.comment)
	})
}

func (b *batch) deleteMap(name string) {
	b.add(unix.NFT_MSG_DELSET, 0, false, "delete map "+name, func(a *attrs) { a.text(unix.NFTA_SET_NAME, name) })
}

// write writes what a declaration says of a map's shape. A size of 0 is open.
func (t mapType) write(a *attrs, flags uint32, size int, comment string) {
	if t.interval {
		flags |= unix.NFT_SET_INTERVAL
	}
	if t.interval && len(t.key) > 1 {
		flags |= flagSetConcat
	}
	if t.timeout > 0 {
		flags |= unix.NFT_SET_TIMEOUT
		a.bytes(unix.NFTA_SET_TIMEOUT, bigEndian64(t.timeout)...)
	}
	if t.isMap() {
		flags |= unix.NFT_SET_MAP
		magic := t.data.GetNFTMagic()
		if t.data.Name == verdictOf.Name {
			magic = unix.NFT_DATA_VERDICT
		}
		a.number(unix.NFTA_SET_DATA_TYPE, magic)
		a.number(unix.NFTA_SET_DATA_LEN, t.data.Bytes)
	}
	a.number(unix.NFTA_SET_FLAGS, flags)
	key := t.keyType()
	a.number(unix.NFTA_SET_KEY_TYPE, key.GetNFTMagic())
	a.number(unix.NFTA_SET_KEY_LEN, key.Bytes)
	a.nest(unix.NFTA_SET_DESC, func(a *attrs) {
		if size > 0 {
			a.number(unix.NFTA_SET_DESC_SIZE, uint32(size))
		}
		if flags&flagSetConcat != 0 {
			a.nest(setDescConcat, func(a *attrs) { t.writeFields(a) })
		}
	})
	udata := t.byteOrders()
	if comment != "" {
		udata = remark(udata, udataSetRemark, comment)
	}
	a.bytes(unix.NFTA_SET_USERDATA, udata...)
}

// writeFields says how long each field of a concatenation is.
func (t mapType) writeFields(a *attrs) {
	for _, k := range t.key {
		a.nest(unix.NFTA_LIST_ELEM, func(a *attrs) { a.number(1, k.Bytes) })
	}
}

// byteOrders tells the nft program how to print keys and data.
func (t mapType) byteOrders() []byte {
	var udata []byte
	if len(t.key) == 1 {
		udata = append(udata, udataSetKey, 4, order(t.key[0]), 0, 0, 0)
	}
	if t.isMap() && t.data.Name != verdictOf.Name {
		udata = append(udata, udataSetData, 4, order(t.data), 0, 0, 0)
	}
	return udata
}

func order(t nftables.SetDatatype) byte {
	switch t.Name {
	case nftables.TypeClassID.Name, nftables.TypeCTState.Name, nftables.TypeIFName.Name:
		return hostOrder
	}
	return networkOrder
}

func (b *batch) addElements(name string, list []element) {
	b.elements(unix.NFT_MSG_NEWSETELEM, name, 0, list)
}

func (b *batch) deleteElements(name string, list []element) {
	b.elements(unix.NFT_MSG_DELSETELEM, name, 0, list)
}

// elements writes as many messages as the elements need.
func (b *batch) elements(kind uint16, name string, id uint32, list []element) {
	verb := "add to map "
	if kind == unix.NFT_MSG_DELSETELEM {
		verb = "delete from map "
	}
	for len(list) > 0 {
		b.add(kind, unix.NLM_F_CREATE, id != 0, verb+name, func(a *attrs) {
			a.text(unix.NFTA_SET_ELEM_LIST_SET, name)
			if id != 0 {
				a.number(unix.NFTA_SET_ELEM_LIST_SET_ID, id)
			}
			a.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *attrs) {
				for from := len(*a); len(list) > 0 && len(*a)-from < maxElements; list = list[1:] {
					a.nest(unix.NFTA_LIST_ELEM, list[0].write)
				}
			})
		})
	}
}

func (e element) write(a *attrs) {
	if e.end {
		a.number(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	}
	a.nest(unix.NFTA_SET_ELEM_KEY, func(a *attrs) { a.bytes(unix.NFTA_DATA_VALUE, e.key...) })
	if e.keyEnd != nil {
		a.nest(setElemKeyEnd, func(a *attrs) { a.bytes(unix.NFTA_DATA_VALUE, e.keyEnd...) })
	}
	switch {
	case e.verdict != nil:
		a.nest(unix.NFTA_SET_ELEM_DATA, func(a *attrs) {
			a.nest(unix.NFTA_DATA_VERDICT, func(a *attrs) {
				a.number(unix.NFTA_VERDICT_CODE, uint32(e.verdict.Kind))
				if e.verdict.Chain != "" {
					a.text(unix.NFTA_VERDICT_CHAIN, e.verdict.Chain)
				}
			})
		})
	case e.data != nil:
		a.nest(unix.NFTA_SET_ELEM_DATA, func(a *attrs) { a.bytes(unix.NFTA_DATA_VALUE, e.data...) })
	}
	if e.comment != "" {
		a.bytes(unix.NFTA_SET_ELEM_USERDATA, remark(nil, udataComment, e.comment)...)
	}
}

// remark appends a comment to userdata as the nft program reads it.
func remark(udata []byte, typ byte, text string) []byte {
	if len(text) > maxText {
		text = text[:maxText]
	}
	udata = append(udata, typ, byte(len(text)+1))
	return append(append(udata, text...), 0)
}
