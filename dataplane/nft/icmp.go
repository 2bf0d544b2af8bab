package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/verdict"
)

// byICMP and byICMPv6 have ranges of the type and of the code as their key.
var (
	byICMP   = mapType{key: []nftables.SetDatatype{nftables.TypeICMPType, nftables.TypeICMPCode}, data: verdictOf, interval: true}
	byICMPv6 = mapType{key: []nftables.SetDatatype{nftables.TypeICMP6Type, nftables.TypeICMPV6Code}, data: verdictOf, interval: true}
)

var allCodes = [2]uint16{0, 255}

// icmpEntry is a verdict for ranges of types and codes.
type icmpEntry struct {
	types, codes [2]uint16
	verdict      *expr.Verdict
}

// rectangles cuts a range of types with codes, as verdict.ICMPKey writes them,
// into ranges of types that have the same range of codes: at most three.
//
//	2/4 to 6/1  =  2/4-255, 3-5/0-255, 6/0-1
func rectangles(from, to uint16, v *expr.Verdict) []icmpEntry {
	first, last := from>>8, to>>8
	lowest, highest := from&255, to&255
	if first == last {
		return []icmpEntry{{[2]uint16{first, last}, [2]uint16{lowest, highest}, v}}
	}
	var list []icmpEntry
	if lowest > 0 {
		list = append(list, icmpEntry{[2]uint16{first, first}, [2]uint16{lowest, 255}, v})
		first++
	}
	if highest < 255 {
		last--
	}
	if first <= last {
		list = append(list, icmpEntry{[2]uint16{first, last}, allCodes, v})
	}
	if highest < 255 {
		list = append(list, icmpEntry{[2]uint16{last + 1, last + 1}, [2]uint16{0, highest}, v})
	}
	return list
}

// icmpRules returns the entries of one of the protocols as rules, or as one
// rule with a map.
func icmpRules(number uint8, list []icmpEntry) []rule {
	is := []expr.Any{meta(expr.MetaKeyL4PROTO), equals([]byte{number})}
	if len(list) > fewRules {
		t := byICMP
		if number == verdict.ICMPv6 {
			t = byICMPv6
		}
		var elements []element
		for _, e := range list {
			elements = append(elements, element{
				key:    join(octet(e.types[0]), octet(e.codes[0])),
				keyEnd: join(octet(e.types[1]), octet(e.codes[1])), verdict: e.verdict})
		}
		return mapRule(t, elements, append(is, header(0, reg1), header(1, reg32_1))...)
	}
	var rules []rule
	for _, e := range list {
		match := append(append([]expr.Any(nil), is...), octetWithin(0, e.types)...)
		rules = append(rules, rule{exprs: append(append(match, octetWithin(1, e.codes)...), e.verdict)})
	}
	return rules
}

// octet is a number of one byte as a key of a concatenation.
func octet(n uint16) []byte { return []byte{byte(n), 0, 0, 0} }

// header loads one byte of the header above IP.
func header(offset, reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1}
}

// octetWithin is the condition that a byte of the header lies in a range;
// nothing for all values.
func octetWithin(offset uint32, r [2]uint16) []expr.Any {
	switch {
	case r == allCodes:
		return nil
	case r[0] == r[1]:
		return []expr.Any{header(offset, reg1), equals([]byte{byte(r[0])})}
	}
	return []expr.Any{header(offset, reg1),
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg1, Data: []byte{byte(r[0])}},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg1, Data: []byte{byte(r[1])}}}
}
