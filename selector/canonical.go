package selector

import (
	"strconv"
	"strings"
)

const canonicalAll = "all()"

// canonical returns the canonical text of the tree (semantics.md section 4).
func (n *node) canonical() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	switch n.op {
	case opAll:
		b.WriteString(canonicalAll)
	case opGlobal:
		b.WriteString("global()")
	case opHas:
		b.WriteString("has(")
		writeKey(b, n.key)
		b.WriteByte(')')
	case opNot:
		b.WriteByte('!')
		n.kids[0].write(b)
	case opAnd, opOr:
		for i, k := range n.kids {
			switch {
			case i == 0:
				b.WriteByte('(')
			case n.op == opAnd:
				b.WriteString(" && ")
			default:
				b.WriteString(" || ")
			}
			k.write(b)
		}
		b.WriteByte(')')
	default:
		n.writeComparison(b)
	}
}

func (n *node) writeComparison(b *strings.Builder) {
	writeKey(b, n.key)
	b.WriteByte(' ')
	b.WriteString(n.op.spelling())
	b.WriteByte(' ')
	if n.op != opIn && n.op != opNotIn {
		writeValue(b, n.value)
		return
	}
	b.WriteByte('{')
	for i, v := range n.set {
		if i > 0 {
			b.WriteString(", ")
		}
		writeValue(b, v)
	}
	b.WriteByte('}')
}

// spelling returns the canonical spelling of a comparison.
func (o op) spelling() string {
	switch o {
	case opEqual:
		return "=="
	case opNotEqual:
		return "!="
	case opContains:
		return "contains"
	case opStartsWith:
		return "starts with"
	case opEndsWith:
		return "ends with"
	case opIn:
		return "in"
	case opNotIn:
		return "not in"
	}
	return ""
}

// writeValue writes a value in the quotes that it allows. A value with both
// kinds must not be written between either: it could then read like another
// selector, and selectors are told apart by their text.
func writeValue(b *strings.Builder, value string) {
	quote := byte('"')
	if strings.Contains(value, `"`) {
		if strings.Contains(value, `'`) {
			writeEscaped(b, value)
			return
		}
		quote = '\''
	}
	b.WriteByte(quote)
	b.WriteString(value)
	b.WriteByte(quote)
}

// writeKey writes a label name, guarding against names that only a constructor
// lets in, for the same reason as in writeValue.
func writeKey(b *strings.Builder, key string) {
	if key == "" || wordLength(key) < len(key) {
		writeEscaped(b, key)
		return
	}
	b.WriteString(key)
}

// writeEscaped writes what the grammar has no form for. The backslash, which
// begins no token, makes every parser refuse it.
func writeEscaped(b *strings.Builder, s string) {
	b.WriteByte('\\')
	b.WriteString(strconv.Quote(s))
}
