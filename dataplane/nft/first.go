package nft

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

// Where nothing has used connection tracking so far, the kernel knows none of the
// connections that are open when the first table comes: their next packets look
// like those of new ones, from whichever end they are, and policy would cut what
// it would have allowed. So at first TCP packets that open nothing are accepted,
// by which the kernel gets to know the connections that they belong to. Nothing
// can be opened by such packets: who gets one that he does not expect resets it.

// firstGrace is how long they are accepted unless the options say otherwise:
// longer than the pings of clients that hold connections open, such as those of
// the API server.
const firstGrace = time.Minute

// begin finds out whether this is the first table, on a machine that does not
// track connections yet.
func (d *Dataplane) begin(found inventory) {
	if len(found.chains) > 0 || d.options.Grace < 0 || tracked(d.options.NetNS) {
		return
	}
	length := d.options.Grace
	if length == 0 {
		length = firstGrace
	}
	d.graceEnds = time.Now().Add(length)
	time.AfterFunc(length, d.endGrace)
}

// tracked reports whether the kernel knows any connection. A machine with an
// agent has one at least, that to the API server, if it is tracked at all.
//
// The kernel's answer to the netlink request for the same number lets some
// versions of the netlink library wait for ever, so it is read from a file.
func tracked(ns int) bool {
	entries := 0
	read := func() {
		if text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count"); err == nil {
			entries, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	}
	if ns == 0 {
		read()
		return entries > 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		if unix.Setns(ns, unix.CLONE_NEWNET) == nil {
			read()
		}
	}()
	<-done
	return entries > 0
}

// inGrace reports whether the grace lasts.
func (d *Dataplane) inGrace() bool { return time.Now().Before(d.graceEnds) }

// waitGrace waits until the grace is over: what is cut before would go on.
func (d *Dataplane) waitGrace(ctx context.Context) error {
	for {
		d.Lock()
		left := time.Until(d.graceEnds)
		d.Unlock()
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(left):
		}
	}
}

// unsureFlows are the TCP connections of which the kernel may have seen an answer
// first, by their ids: of those it takes the wrong end for the one that opened
// them. nil if they cannot be read.
func unsureFlows(ns int) map[uint32]bool {
	c, err := conntrack.Dial(&netlink.Config{NetNS: ns})
	if err != nil {
		return nil
	}
	defer func() { _ = c.Close() }()
	flows, err := c.Dump(nil)
	if err != nil {
		return nil
	}
	ids := map[uint32]bool{}
	for _, f := range flows {
		if f.TupleOrig.Proto.Protocol == verdict.TCP {
			ids[f.ID] = true
		}
	}
	return ids
}

// endGrace takes the rules of the grace out.
func (d *Dataplane) endGrace() {
	d.Lock()
	defer d.Unlock()
	d.graceEnds = time.Time{}
	if d.options.CutDenied {
		d.unsure = unsureFlows(d.options.NetNS)
	}
	if d.now == nil || !d.now.grace { // what comes next is without
		return
	}
	d.now.grace = false
	s, err := d.open()
	if err == nil {
		var b batch
		b.glue(func() {
			for _, c := range d.now.baseChains() {
				b.addChain(c)
			}
		})
		err = s.commit(context.Background(), &b, uncut)
	}
	if err != nil {
		d.failed = explain(err)
		d.now = nil
		if d.report != nil {
			go d.report(dataplane.Drift{What: d.failed.Error()})
		}
	}
}

// graceRules accept TCP packets that belong to no connection that is known and
// open none.
func (b builder) graceRules() []rule {
	if !b.grace {
		return nil
	}
	unknown := []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: reg1}, equals(ctState(expr.CtStateBitNEW)), accept}
	return []rule{{exprs: append(tcpFlags(syn, 0), unknown...), comment: "for the first minute: connections from before there was a table"}}
}
