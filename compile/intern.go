package compile

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// interner gives equal things equal ids, from one build to the next. Ids are
// never used again: what was not asked for in a build is forgotten at its end,
// and would get a new id if it came back.
type interner struct {
	atoms     ids[uint32]
	classes   ids[table.ClassID]
	sets      ids[table.SetID]
	rows      ids[table.RowID]
	decisions ids[uint32]
	traces    map[uint32]*table.Decision
}

type ids[ID ~uint32] struct {
	last      ID
	now, then map[string]ID
}

func newIDs[ID ~uint32](first ID) ids[ID] {
	return ids[ID]{last: first - 1, now: map[string]ID{}, then: map[string]ID{}}
}

// id returns the id for the key, and whether it is the first time that it is
// asked for in this build.
func (i *ids[ID]) id(key string) (ID, bool) {
	if id, ok := i.now[key]; ok {
		return id, false
	}
	id, ok := i.then[key]
	if !ok {
		i.last++
		id = i.last
	}
	i.now[key] = id
	return id, true
}

func (i *ids[ID]) next() { i.then, i.now = i.now, map[string]ID{} }

func newInterner() *interner {
	return &interner{
		atoms:     newIDs[uint32](1),
		classes:   newIDs(table.FirstClass),
		sets:      newIDs[table.SetID](1),
		rows:      newIDs[table.RowID](1),
		decisions: newIDs[uint32](1),
		traces:    map[uint32]*table.Decision{},
	}
}

// next ends a build.
func (n *interner) next() {
	kept := make(map[uint32]*table.Decision, len(n.decisions.now))
	for _, id := range n.decisions.now {
		kept[id] = n.traces[id]
	}
	n.traces = kept
	n.atoms.next()
	n.classes.next()
	n.sets.next()
	n.rows.next()
	n.decisions.next()
}

// decision returns the one trace that is equal to t, with its id.
func (n *interner) decision(t verdict.Trace) (uint32, *table.Decision) {
	id, first := n.decisions.id(traceKey(&t))
	if kept := n.traces[id]; !first || kept != nil {
		return id, kept
	}
	n.traces[id] = table.Decided(t)
	return id, n.traces[id]
}

// traceKey is equal for equal traces only. No name contains a newline.
func traceKey(t *verdict.Trace) string {
	var b strings.Builder
	b.WriteByte('0' + byte(t.Verdict))
	b.WriteByte('0' + byte(t.Reason))
	for _, s := range t.Steps {
		b.WriteByte('\n')
		b.WriteString(s.Tier + "\n" + s.Policy.String() + "\n" + s.Profile + "\n" + strconv.Itoa(s.Rule))
		b.WriteByte('0' + byte(s.Action))
		for _, p := range s.Applied {
			b.WriteString("," + p.String())
		}
	}
	return b.String()
}

// rowKey is equal for rows of equal content only.
func rowKey(r *row) string {
	b := make([]byte, 0, 64)
	b = binary.BigEndian.AppendUint32(b, r.other)
	for _, p := range r.protocols {
		b = append(b, p.number)
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.bands)))
		for _, band := range p.bands {
			b = binary.BigEndian.AppendUint16(b, band.to)
			b = binary.BigEndian.AppendUint32(b, uint32(len(band.cells)))
			for _, c := range band.cells {
				b = binary.BigEndian.AppendUint16(b, c.to)
				b = binary.BigEndian.AppendUint32(b, c.decision)
			}
		}
	}
	return string(b)
}
