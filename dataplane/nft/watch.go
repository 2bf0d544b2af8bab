package nft

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
)

// Watch listens to what the kernel reports of changes of tables, as
// dataplane.Watcher says. Reports that overflow the socket's buffer count as a
// change: what was in them is not known.
func (d *Dataplane) Watch(ctx context.Context, report func(dataplane.Drift)) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: d.options.NetNS})
	if err != nil {
		return explain(err)
	}
	// A whole table that is loaded comes back as reports. What a process without
	// rights outside of its user namespace gets is smaller.
	if size := cmp.Or(d.reportBuffer, wantBuffer); setReadBuffer(conn, size) != nil {
		_ = conn.SetReadBuffer(size)
	}
	if err := conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		_ = conn.Close()
		return explain(err)
	}
	d.Lock()
	d.report = report
	d.Unlock()
	ended := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-ended:
		}
		_ = conn.Close()
	}()
	go func() {
		defer close(ended)
		d.listen(ctx, conn, report)
	}()
	return nil
}

func setReadBuffer(conn *netlink.Conn, size int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	err = raw.Control(func(fd uintptr) { done = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) })
	return errors.Join(err, done)
}

// listen reports what others do until the socket is closed.
func (d *Dataplane) listen(ctx context.Context, conn *netlink.Conn, report func(dataplane.Drift)) {
	tell := func(drift dataplane.Drift) {
		d.drifted.Store(true)
		report(drift)
	}
	for {
		messages, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, unix.ENOBUFS):
			tell(dataplane.Drift{What: "more changes than could be read", Lost: true})
			continue
		case err != nil:
			tell(dataplane.Drift{What: fmt.Sprintf("changes cannot be read any more: %v", err), Lost: true})
			return
		}
		for _, m := range messages {
			if what := foreign(m, d.port.Load()); what != "" {
				tell(dataplane.Drift{What: what})
				break // the rest of what was read has the same cure
			}
		}
	}
}

// foreign says what a report is about if it is about our table and somebody
// else's change, else it is empty.
func foreign(m netlink.Message, own uint32) string {
	const tableAttr = 1 // of all kinds: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and so on
	kind := uint16(m.Header.Type)
	if kind>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.PID == own || len(m.Data) < 4 || m.Data[0] != unix.NFPROTO_INET {
		return ""
	}
	what, ok := reports[kind&0xff]
	if !ok {
		return ""
	}
	table, _, err := nameOf(m.Data, tableAttr, 0)
	if err != nil || table != tableName {
		return ""
	}
	return what
}

// reports are the kinds of changes that the kernel tells of, in words.
var reports = map[uint16]string{
	unix.NFT_MSG_NEWTABLE: "add table", unix.NFT_MSG_DELTABLE: "delete table",
	unix.NFT_MSG_NEWCHAIN: "add chain", unix.NFT_MSG_DELCHAIN: "delete chain",
	unix.NFT_MSG_NEWRULE: "add rule", unix.NFT_MSG_DELRULE: "delete rule",
	unix.NFT_MSG_NEWSET: "add set", unix.NFT_MSG_DELSET: "delete set",
	unix.NFT_MSG_NEWSETELEM: "add element", unix.NFT_MSG_DELSETELEM: "delete element",
	unix.NFT_MSG_NEWOBJ: "add object", unix.NFT_MSG_DELOBJ: "delete object",
}
