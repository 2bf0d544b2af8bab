package fake

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Step is a step of table.Delta. The zero value is none.
type Step uint8

// The steps, in their order.
const (
	Add Step = iota + 1
	Flip
	Drop
)

// String returns "add", "flip" or "drop".
func (s Step) String() string {
	switch s {
	case Add:
		return "add"
	case Flip:
		return "flip"
	case Drop:
		return "drop"
	}
	return "none"
}

// Dataplane keeps programs in memory. It is not safe for concurrent use.
type Dataplane struct {
	// tables are the tables as they stand, which differ from the program's
	// after an Apply that failed.
	tables  *table.Tables
	program dataplane.Program
	// inStep says that tables are the program's: the last call succeeded.
	inStep bool
	deltas []*table.Delta
	// ids remembers every set and row that ever was.
	ids    ids
	failAt Step
	fail   error
}

var _ dataplane.Dataplane = (*Dataplane)(nil)

// New returns a dataplane that enforces nothing.
func New() *Dataplane {
	d := &Dataplane{ids: ids{rows: map[table.RowID]*table.Row{}, sets: map[table.SetID]*table.Set{}}}
	d.clear()
	return d
}

func (d *Dataplane) clear() {
	d.tables = table.New()
	d.program = dataplane.Program{Tables: table.New()}
	d.inStep = false
}

// FailAt makes the next Apply return err before the step, which leaves the
// steps before it done, as a kernel that refuses a transaction would.
func (d *Dataplane) FailAt(step Step, err error) { d.failAt, d.fail = step, err }

// Apply makes p what is enforced. The error is the one that FailAt gave, or
// says which invariant a step broke. After an error the next Apply goes on from
// where that one stopped.
func (d *Dataplane) Apply(ctx context.Context, p dataplane.Program) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.inStep = false
	if err := check(p.Tables); err != nil {
		return err
	}
	if err := d.ids.check(p.Tables); err != nil {
		return err
	}
	delta := table.Diff(d.tables, p.Tables)
	if err := d.take(delta); err != nil {
		return err
	}
	if rest := table.Diff(d.tables, p.Tables); !rest.Empty() {
		return fmt.Errorf("the delta does not lead to the tables: %+v is left", rest)
	}
	d.program = p
	d.inStep = true
	return nil
}

// Change makes what c leads to what is enforced. The error is one of those that
// Apply has, or dataplane.ErrOutOfStep.
func (d *Dataplane) Change(ctx context.Context, c dataplane.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !d.inStep {
		return dataplane.ErrOutOfStep
	}
	d.inStep = false
	if c.Delta != nil {
		if err := d.take(c.Delta); err != nil {
			return err
		}
		if err := d.ids.check(d.tables); err != nil {
			return err
		}
	}
	p := dataplane.Program{Tables: d.tables, Interfaces: maps.Clone(d.program.Interfaces), Settings: d.program.Settings}
	if p.Interfaces == nil {
		p.Interfaces = map[verdict.EndpointID][]string{}
	}
	for id, list := range c.Interfaces {
		if p.Interfaces[id] = list; len(list) == 0 {
			delete(p.Interfaces, id)
		}
	}
	if c.Settings != nil {
		p.Settings = *c.Settings
	}
	d.program = p
	d.inStep = true
	return nil
}

// take goes through the steps of a delta.
func (d *Dataplane) take(delta *table.Delta) error {
	d.tables = d.tables.Clone()
	steps := []struct {
		step Step
		do   func(*table.Delta) error
	}{{Add, d.add}, {Flip, d.flip}, {Drop, d.drop}}
	for _, s := range steps {
		if d.failAt == s.step {
			err := d.fail
			d.failAt, d.fail = 0, nil
			return err
		}
		if err := s.do(delta); err != nil {
			return fmt.Errorf("%s: %w", s.step, err)
		}
	}
	if !delta.Empty() {
		d.deltas = append(d.deltas, delta)
	}
	return nil
}

// Remove forgets everything but which ids were used.
func (d *Dataplane) Remove(context.Context) error {
	d.clear()
	return nil
}

// Program returns what the last Apply or Change that succeeded led to; before
// the first, and after Remove, its tables are empty.
func (d *Dataplane) Program() dataplane.Program { return d.program }

// Deltas returns what each Apply changed, those that changed nothing left out.
func (d *Dataplane) Deltas() []*table.Delta { return d.deltas }

func (d *Dataplane) add(delta *table.Delta) error {
	for _, r := range delta.NewRows {
		d.tables.Rows[r.ID] = r
	}
	for _, s := range delta.NewSets {
		d.tables.Sets[s.ID] = s
	}
	for _, e := range delta.NewEntries {
		if err := d.entry(e); err != nil {
			return err
		}
	}
	return check(d.tables)
}

// flip changes one key after the other, and checks after each. Ranges change
// together: one cannot come before the one that it overlaps goes.
func (d *Dataplane) flip(delta *table.Delta) error {
	for _, e := range delta.Entries {
		if err := d.entry(e); err != nil {
			return err
		}
	}
	for _, h := range delta.Hosts {
		if h.Class == 0 {
			delete(d.tables.Hosts, h.Addr)
		} else {
			d.tables.Hosts[h.Addr] = h.Class
		}
	}
	d.nets(delta)
	for _, e := range delta.Endpoints {
		if e.New == nil {
			delete(d.tables.Endpoints, e.Old.ID)
		} else {
			d.tables.Endpoints[e.New.ID] = e.New
		}
		if err := check(d.tables); err != nil {
			return err
		}
	}
	return check(d.tables)
}

func (d *Dataplane) nets(delta *table.Delta) {
	d.tables.Nets = slices.DeleteFunc(d.tables.Nets, func(n table.Net) bool { return slices.Contains(delta.OldNets, n) })
	d.tables.Nets = append(d.tables.Nets, delta.NewNets...)
	slices.SortFunc(d.tables.Nets, func(a, b table.Net) int { return a.From.Compare(b.From) })
}

func (d *Dataplane) drop(delta *table.Delta) error {
	for _, e := range delta.OldEntries {
		if err := d.entry(e); err != nil {
			return err
		}
	}
	for _, id := range delta.OldSets {
		delete(d.tables.Sets, id)
	}
	for _, id := range delta.OldRows {
		delete(d.tables.Rows, id)
	}
	return check(d.tables)
}

// entry changes one row of a set, on a copy: sets are shared with programs.
func (d *Dataplane) entry(e table.Entry) error {
	old, ok := d.tables.Sets[e.Set]
	if !ok {
		return fmt.Errorf("entry for class %d in set %d, which is not there", e.Class, e.Set)
	}
	s := *old
	s.Rows = maps.Clone(old.Rows)
	if s.Rows == nil {
		s.Rows = map[table.ClassID]table.RowID{}
	}
	if e.Row == 0 {
		delete(s.Rows, e.Class)
	} else {
		s.Rows[e.Class] = e.Row
	}
	d.tables.Sets[e.Set] = &s
	return nil
}

// Lookup decides for one endpoint as the tables stand, half done ones too; nil
// is a drop.
func (d *Dataplane) Lookup(id verdict.EndpointID, dir verdict.Direction, p verdict.Packet) *table.Decision {
	return d.tables.Lookup(id, dir, p)
}

// Decide says what the pod of an interface, if it has one, makes of the first
// packet of a forwarded connection: Egress is what comes in by the interface,
// from the pod, Ingress what leaves by it. The trace is nil where no pod's
// policy decided: a lie about the address and an address in PodNets that is not
// programmed are denied, all else is allowed.
func (d *Dataplane) Decide(iface string, dir verdict.Direction, p verdict.Packet) (verdict.Verdict, *table.Decision) {
	pod, governed := d.podAt(iface, dir, p)
	if governed {
		if pod == nil {
			return verdict.Deny, nil
		}
		t := d.Lookup(*pod, dir, p)
		if t == nil {
			return verdict.Deny, nil
		}
		return t.Verdict, t
	}
	inside := func(n netip.Prefix) bool { return n.Contains(p.Local(dir)) }
	if slices.ContainsFunc(d.program.PodNets, inside) {
		return verdict.Deny, nil
	}
	return verdict.Allow, nil
}

// DecideHost says what the host endpoint of an interface, if one governs it,
// makes of a packet of the host's own: what comes in by the interface is
// Ingress, what leaves by it is Egress. Interfaces of pods and lo, and those
// that no host endpoint governs, are not restricted.
func (d *Dataplane) DecideHost(iface string, dir verdict.Direction, p verdict.Packet) (verdict.Verdict, *table.Decision) {
	id, ok := d.hostAt(iface)
	if !ok {
		return verdict.Allow, nil
	}
	t := d.Lookup(id, dir, p)
	if t == nil {
		return verdict.Deny, nil
	}
	return t.Verdict, t
}

// podAt returns the pod that has the packet's local address on the interface.
// Governed says whether the interface is a pod's at all, or was one's that is gone.
func (d *Dataplane) podAt(iface string, dir verdict.Direction, p verdict.Packet) (id *verdict.EndpointID, governed bool) {
	for _, e := range d.endpoints(verdict.Pod) {
		if !slices.Contains(d.program.Interfaces[e.ID], iface) {
			continue
		}
		governed = true
		if e.SetFor(dir, p.Local(dir)) != 0 {
			return &e.ID, true
		}
	}
	return nil, governed || d.leftOn(iface)
}

// leftOn reports whether an interface is that of a pod that is not in the tables.
func (d *Dataplane) leftOn(iface string) bool {
	for id, list := range d.program.Interfaces {
		if id.Kind == verdict.Pod && d.tables.Endpoints[id] == nil && slices.Contains(list, iface) {
			return true
		}
	}
	return false
}

// hostAt returns the host endpoint that governs an interface: the first by
// name that has it, else the first for all interfaces.
func (d *Dataplane) hostAt(iface string) (verdict.EndpointID, bool) {
	for _, e := range d.endpoints(verdict.Pod) {
		if slices.Contains(d.program.Interfaces[e.ID], iface) {
			return verdict.EndpointID{}, false
		}
	}
	if d.leftOn(iface) {
		return verdict.EndpointID{}, false
	}
	var all *table.Endpoint
	for _, e := range d.endpoints(verdict.Host) {
		if e.Interface == "*" {
			if all == nil {
				all = e
			}
		} else if slices.Contains(d.program.Interfaces[e.ID], iface) {
			return e.ID, true
		}
	}
	if all == nil || iface == "lo" {
		return verdict.EndpointID{}, false
	}
	return all.ID, true
}

// endpoints lists the endpoints of a kind by name.
func (d *Dataplane) endpoints(kind verdict.EndpointKind) []*table.Endpoint {
	var list []*table.Endpoint
	for _, e := range d.tables.Endpoints {
		if e.ID.Kind == kind {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *table.Endpoint) int { return a.ID.Compare(b.ID) })
	return list
}
