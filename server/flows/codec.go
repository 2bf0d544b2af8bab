package flows

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// A frame's payload is a list of items, each after its tag. What records have in
// common (texts, ends, decisions) is an item of its own when it first comes in a
// segment; records name it by its number.
const (
	itemText byte = iota + 1
	itemEnd
	itemDecision
	itemRecord
	itemLoss
	itemBatch
	itemLogLoss
)

// writer encodes items for one segment.
type writer struct {
	b         []byte
	texts     map[string]uint64
	ends      map[flow.End]uint64
	decisions map[string]uint64
}

func newWriter() *writer {
	return &writer{texts: map[string]uint64{}, ends: map[flow.End]uint64{}, decisions: map[string]uint64{}}
}

// items is how much a reader of the segment has to keep.
func (w *writer) items() int { return len(w.texts) + len(w.ends) + len(w.decisions) }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }

func (w *writer) bytes(b []byte) {
	w.number(uint64(len(b)))
	w.b = append(w.b, b...)
}

// text returns the number of a text, writing it first if it is new; the empty
// text is 0.
func (w *writer) text(s string) uint64 {
	if s == "" {
		return 0
	}
	n, ok := w.texts[s]
	if !ok {
		n = uint64(len(w.texts)) + 1
		w.texts[s] = n
		w.b = append(w.b, itemText)
		w.bytes([]byte(s))
	}
	return n
}

func (w *writer) end(e flow.End) uint64 {
	n, ok := w.ends[e]
	if !ok {
		address, _ := e.Address.MarshalBinary() // does not fail
		fields := []uint64{w.text(string(e.Kind)), w.text(e.Namespace), w.text(e.Name), w.text(e.Labels), w.text(e.Node)}
		n = uint64(len(w.ends))
		w.ends[e] = n
		w.b = append(w.b, itemEnd)
		for _, f := range fields {
			w.number(f)
		}
		w.bytes(address)
	}
	return n
}

// decision returns the number of a decision, 0 for nil.
func (w *writer) decision(d *flow.Decision) (uint64, error) {
	if d == nil {
		return 0, nil
	}
	text, err := json.Marshal(d)
	if err != nil {
		return 0, err
	}
	n, ok := w.decisions[string(text)]
	if !ok {
		n = uint64(len(w.decisions)) + 1
		w.decisions[string(text)] = n
		w.b = append(w.b, itemDecision)
		w.bytes(text)
	}
	return n, nil
}

// The flags of a record.
const (
	flagAllow = 1 << iota
	flagEnded
	flagPending
	flagPendingAllow
	flagHost
	flagLogged
)

func (w *writer) record(r *flow.Record) error {
	flags := uint64(0)
	set := func(on bool, flag uint64) {
		if on {
			flags |= flag
		}
	}
	set(r.Verdict == flow.Verdict(verdict.Allow), flagAllow)
	set(r.Ended, flagEnded)
	set(r.Host != nil, flagHost)
	set(r.Logged != nil, flagLogged)
	var pending flow.Pending
	if r.Pending != nil {
		pending = *r.Pending
		set(true, flagPending)
		set(pending.Verdict == flow.Verdict(verdict.Allow), flagPendingAllow)
	}
	var decisions [5]uint64
	for i, d := range []*flow.Decision{r.Egress, r.Ingress, pending.Egress, pending.Ingress, r.Host} {
		var err error
		if decisions[i], err = w.decision(d); err != nil {
			return err
		}
	}
	fields := []uint64{
		r.ID, zigzag(r.Start.UnixNano()), zigzag(int64(r.Last.Sub(r.Start))), flags,
		w.text(r.Node), w.text(string(r.Reporter)), w.end(r.Source), w.end(r.Destination),
		w.text(r.Protocol), uint64(r.SourcePort), uint64(r.Port), w.text(r.ICMP), w.text(r.Service),
		decisions[0], decisions[1], r.Connections, r.Out.Packets, r.Out.Bytes, r.In.Packets, r.In.Bytes,
	}
	if r.Pending != nil {
		fields = append(fields, decisions[2], decisions[3])
	}
	if r.Host != nil {
		fields = append(fields, decisions[4])
	}
	if l := r.Logged; l != nil {
		fields = append(fields, w.text(l.Prefix), w.text(l.Tier), w.text(l.Policy), w.text(l.Profile), zigzag(int64(l.Rule)), w.text(l.Direction), l.Packets)
	}
	w.b = append(w.b, itemRecord)
	for _, f := range fields {
		w.number(f)
	}
	return nil
}

// all encodes a batch, with ids for its records from next on. It returns the id
// after those, and what the batch says is lost.
func (w *writer) all(b *flow.Batch, next uint64, now time.Time) (uint64, flow.Loss, error) {
	w.b = w.b[:0]
	w.batch(b.Node, b.Instance, b.Sequence)
	lost := b.Lost
	lost.Node = b.Node
	for i := range b.Records {
		r := &b.Records[i]
		r.ID = next
		next++
		if err := w.record(r); err != nil {
			return next, lost, err
		}
	}
	if lost.Any() {
		w.loss(lost, now)
	}
	return next, lost, nil
}

func (w *writer) loss(l flow.Loss, at time.Time) {
	node := w.text(l.Node)
	w.b = append(w.b, itemLoss)
	for _, f := range []uint64{node, zigzag(at.UnixNano()), l.Denied, l.Connections, l.Records} {
		w.number(f)
	}
	if l.Logged > 0 {
		w.b = append(w.b, itemLogLoss)
		w.number(node)
		w.number(zigzag(at.UnixNano()))
		w.number(l.Logged)
	}
}

func (w *writer) batch(node, instance string, sequence uint64) {
	n, i := w.text(node), w.text(instance)
	w.b = append(w.b, itemBatch)
	w.number(n)
	w.number(i)
	w.number(sequence)
}

func zigzag(n int64) uint64   { return uint64(n<<1) ^ uint64(n>>63) }
func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

// sink takes what a reader finds; a nil func takes nothing. A record is
// overwritten when record returns; false ends the reading.
type sink struct {
	record func(*flow.Record) bool
	loss   func(flow.Loss, time.Time)
	batch  func(node, instance string, sequence uint64)
}

var errDamaged = errors.New("the content of a frame makes no sense")

// reader decodes the frames of one segment in their order.
type reader struct {
	b         []byte
	bad       bool
	texts     []string
	ends      []flow.End
	decisions []*flow.Decision
	out       flow.Record
}

func newReader() *reader { return &reader{texts: []string{""}, decisions: []*flow.Decision{nil}} }

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func at[T any](r *reader, list []T) (v T) {
	n := r.number()
	if n >= uint64(len(list)) {
		r.bad = true
		return v
	}
	return list[n]
}

func (r *reader) text() string { return at(r, r.texts) }

// frame decodes the items of a frame. It reports false if the sink wants no more.
func (r *reader) frame(payload []byte, to sink) (more bool, err error) {
	r.b = payload
	for len(r.b) > 0 {
		tag := r.b[0]
		r.b = r.b[1:]
		switch tag {
		case itemText:
			r.texts = append(r.texts, string(r.bytes()))
		case itemEnd:
			r.readEnd()
		case itemDecision:
			d := new(flow.Decision)
			if json.Unmarshal(r.bytes(), d) != nil {
				r.bad = true
			}
			r.decisions = append(r.decisions, d)
		case itemRecord:
			if r.readRecord(); !r.bad && to.record != nil && !to.record(&r.out) {
				return false, nil
			}
		case itemLoss:
			l := flow.Loss{Node: r.text()}
			when := time.Unix(0, unzigzag(r.number())).UTC()
			l.Denied, l.Connections, l.Records = r.number(), r.number(), r.number()
			if !r.bad && to.loss != nil {
				to.loss(l, when)
			}
		case itemLogLoss:
			l := flow.Loss{Node: r.text()}
			when := time.Unix(0, unzigzag(r.number())).UTC()
			l.Logged = r.number()
			if !r.bad && to.loss != nil {
				to.loss(l, when)
			}
		case itemBatch:
			node, instance, sequence := r.text(), r.text(), r.number()
			if !r.bad && to.batch != nil {
				to.batch(node, instance, sequence)
			}
		default:
			r.bad = true
		}
		if r.bad {
			return false, errDamaged
		}
	}
	return true, nil
}

func (r *reader) readEnd() {
	e := flow.End{Kind: flow.Kind(r.text()), Namespace: r.text(), Name: r.text(), Labels: r.text(), Node: r.text()}
	if e.Address.UnmarshalBinary(r.bytes()) != nil {
		r.bad = true
	}
	r.ends = append(r.ends, e)
}

func (r *reader) readRecord() {
	o := &r.out
	*o = flow.Record{ID: r.number()}
	o.Start = time.Unix(0, unzigzag(r.number())).UTC()
	o.Last = o.Start.Add(time.Duration(unzigzag(r.number())))
	flags := r.number()
	o.Node, o.Reporter = r.text(), flow.Reporter(r.text())
	o.Source, o.Destination = at(r, r.ends), at(r, r.ends)
	o.Protocol, o.SourcePort, o.Port = r.text(), uint16(r.number()), uint16(r.number())
	o.ICMP, o.Service = r.text(), r.text()
	o.Egress, o.Ingress = at(r, r.decisions), at(r, r.decisions)
	o.Connections = r.number()
	o.Out = flow.Volume{Packets: r.number(), Bytes: r.number()}
	o.In = flow.Volume{Packets: r.number(), Bytes: r.number()}
	if flags&flagAllow != 0 {
		o.Verdict = flow.Verdict(verdict.Allow)
	}
	o.Ended = flags&flagEnded != 0
	if flags&flagPending != 0 {
		p := flow.Pending{Egress: at(r, r.decisions), Ingress: at(r, r.decisions)}
		if flags&flagPendingAllow != 0 {
			p.Verdict = flow.Verdict(verdict.Allow)
		}
		o.Pending = &p
	}
	if flags&flagHost != 0 {
		o.Host = at(r, r.decisions)
	}
	if flags&flagLogged != 0 {
		o.Logged = &flow.Logged{Prefix: r.text(), Tier: r.text(), Policy: r.text(), Profile: r.text(), Rule: int(unzigzag(r.number())), Direction: r.text(), Packets: r.number()}
	}
}
