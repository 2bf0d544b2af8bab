package nft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
)

// Options says where and how a dataplane works. The zero value is ready to
// use: the namespace of the calling thread, log group 64.
type Options struct {
	// NetNS is a file descriptor of the network namespace to work in; 0 is the
	// current one. It must stay open as long as the dataplane is used.
	NetNS int
	// LogGroup is the NFLOG group that Log rules send to; 0 is 64.
	LogGroup uint16
	// LogRate is how many packets a second each Log rule may send; 0 is 100.
	LogRate uint64
	// LogBurst is how many it may send at once; 0 is 200.
	LogBurst uint32
	// FlowGroup is the NFLOG group that gets what is denied; 0 leaves neither
	// records of denials nor labels at connections.
	FlowGroup uint16
	// FlowRate is how many denied packets a second are sent to it; 0 is 20,000.
	FlowRate uint64
	// Warn hears of what the kernel cannot do although a program asks for it,
	// where the rest is enforced all the same; nil if nobody needs to know.
	Warn func(error)
	// Own makes the table the dataplane's own as long as it lives: others cannot
	// change it, where the kernel can prevent that.
	Own bool
	// Grace is how long the first table accepts TCP packets that open nothing, on
	// a machine that tracks no connections yet; 0 is a minute, less than 0 none.
	Grace time.Duration
	// CutDenied prepares for Cut, at the cost of a look-up a new connection.
	CutDenied bool
}

// Dataplane enforces programs by nftables. It is not safe for concurrent use.
type Dataplane struct {
	options Options
	later
	// failed is why the work that came later failed, nil if it did not.
	failed error
	// bridges counts the classes that bridges had, so that none is used again soon.
	bridges table.ClassID
	// now is what the kernel holds, nil as long as that is not known.
	now *state
	// socket is the one that changes the table, nil if there is none yet. Its
	// port tells our changes from those of others.
	socket *socket
	// flags are those of the table; unowned says that the kernel would not give it.
	flags   uint32
	unowned bool
	// checked says that the kernel has all parts that are needed.
	checked bool
	// graceEnds is when the grace of the first table does.
	graceEnds time.Time
	// unsure are connections that the kernel has got to know by it.
	unsure map[uint32]bool
	// port is its netlink port, 0 for none.
	port atomic.Uint32
	// queue is how the kernel hands packets over, once that was asked.
	queue queueing
	// tag is in the labels of connections; 0 before the first Apply. group is the
	// group of denials; 0 if nothing is recorded.
	tag, group atomic.Uint32
	// reportBuffer is the size of Watch's socket buffer in bytes; 0 is wantBuffer.
	reportBuffer int
	// drifted says that somebody else changed the table.
	drifted atomic.Bool
}

var (
	_ dataplane.Dataplane  = (*Dataplane)(nil)
	_ dataplane.Watcher    = (*Dataplane)(nil)
	_ dataplane.LogCounter = (*Dataplane)(nil)
	_ dataplane.Cutter     = (*Dataplane)(nil)
	_ dataplane.Recorder   = (*Dataplane)(nil)
)

// New returns a dataplane that has done nothing yet. What a former process
// left in the kernel stays in force until the first Apply.
func New(options Options) *Dataplane {
	if options.LogGroup == 0 {
		options.LogGroup = 64
	}
	if options.LogRate == 0 {
		options.LogRate = 100
	}
	if options.LogBurst == 0 {
		options.LogBurst = 200
	}
	if options.FlowRate == 0 {
		options.FlowRate = 20_000
	}
	d := &Dataplane{options: options}
	d.group.Store(uint32(options.FlowGroup))
	d.changed, d.outlast = sync.NewCond(&d.later), grace
	return d
}

// Apply makes p what is enforced, as dataplane.Dataplane says. The first Apply,
// and each after an error, builds the whole table anew beside the old; all
// others change what differs. A table that somebody deleted is loaded again at
// once, if anything differs.
func (d *Dataplane) Apply(ctx context.Context, p dataplane.Program) error {
	d.Lock()
	defer d.Unlock()
	s, err := d.open()
	if err != nil {
		return explain(err)
	}
	if err := d.findQueue(ctx, s, &p.Settings); err != nil {
		return explain(err)
	}
	_ = d.settled() // whatever failed, this puts it right
	if d.drifted.Swap(false) {
		d.now = nil
	}
	if d.now != nil && sameRules(d.now.settings, p.Settings) {
		d.now.queue = d.queue
		err := d.change(ctx, s, d.now.changeTo(p))
		if err == nil {
			return d.settled()
		}
		if !errors.Is(err, unix.ENOENT) {
			return explain(err)
		}
	}
	d.now, err = d.loadRecording(ctx, s, p)
	return explain(err)
}

// Change makes what c leads to what is enforced, as dataplane.Dataplane says.
//
// It returns when every new packet meets the new decision. What nothing points
// at any more is taken out of the kernel after that; should this fail, the next
// Change says so, and Watch reports it.
func (d *Dataplane) Change(ctx context.Context, c dataplane.Change) error {
	d.want()
	defer d.done()
	d.free(c.Delta)
	if d.failed != nil {
		err := d.failed
		d.failed = nil
		return fmt.Errorf("%w: %w", dataplane.ErrOutOfStep, err)
	}
	if d.now == nil {
		return dataplane.ErrOutOfStep
	}
	if d.drifted.Load() {
		return fmt.Errorf("%w: somebody else changed it", dataplane.ErrOutOfStep)
	}
	s, err := d.open()
	if err != nil {
		return explain(err)
	}
	if err := d.findQueue(ctx, s, c.Settings); err != nil {
		return explain(err)
	}
	d.now.queue = d.queue
	if c.Settings != nil && !sameRules(d.now.settings, *c.Settings) {
		err = d.reload(ctx, s, c)
	} else {
		err = d.change(ctx, s, c)
	}
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", dataplane.ErrOutOfStep, err)
	}
	return explain(err)
}

// sameRules reports whether two settings lead to the same rules: those of one
// epoch never change but for what a table.Delta says. The base chains, and with
// them what hands DNS over, belong to none.
func sameRules(a, b dataplane.Settings) bool {
	a.PodNets, b.PodNets = nil, nil
	a.DNS, b.DNS = nil, nil
	return reflect.DeepEqual(a, b)
}

// reload builds what a change leads to in a new epoch.
func (d *Dataplane) reload(ctx context.Context, s *socket, c dataplane.Change) error {
	_ = d.settled()
	now := d.now
	if d.now = nil; now == nil {
		return dataplane.ErrOutOfStep
	}
	if _, err := newChanges(now, c, firstBridge, hot{}); err != nil {
		return err
	}
	if c.Delta != nil {
		now.forget(c.Delta)
	}
	next, err := d.load(ctx, s, dataplane.Program{Tables: now.tables, Interfaces: now.interfaces, Settings: *c.Settings})
	d.now = next
	return err
}

func (d *Dataplane) builder(epoch int) builder {
	return builder{
		names: names{epoch: epoch}, book: newRowBook(), grace: d.inGrace(), cuts: d.options.CutDenied, queue: d.queue, record: d.recording(epoch),
		logGroup: d.options.LogGroup, logRate: d.options.LogRate, logBurst: d.options.LogBurst,
	}
}

// Remove deletes the table. Connections and other tables are left alone.
func (d *Dataplane) Remove(ctx context.Context) error {
	d.Lock()
	defer d.Unlock()
	_ = d.settled()
	d.now = nil
	s, err := d.open()
	if err != nil {
		return explain(err)
	}
	var b batch
	b.deleteTable()
	err = s.commit(ctx, &b, uncut)
	if errors.Is(err, unix.EPERM) {
		err = s.owned(err)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return explain(err)
	}
	return nil
}

// open returns the socket by which the table is changed.
func (d *Dataplane) open() (*socket, error) {
	if d.socket != nil {
		return d.socket, nil
	}
	s, err := dial(d.options.NetNS)
	if err != nil {
		return nil, err
	}
	d.socket = s
	d.port.Store(s.port)
	return s, nil
}

// explain turns what the kernel refuses into the errors of package dataplane,
// with a sentence on what to do.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, dataplane.ErrOwned), errors.Is(err, dataplane.ErrNotSupported):
		return err
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: run as root, or with CAP_NET_ADMIN in the network namespace (%w)", dataplane.ErrNotPermitted, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%w: nf_tables is missing or too old; it needs Linux 5.10 with CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NFT_CT (%w)", dataplane.ErrNotSupported, err)
	}
	return fmt.Errorf("nftables: %w", err)
}
