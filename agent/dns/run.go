package dns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/florianl/go-nflog/v2"
	"github.com/florianl/go-nfqueue/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// queueLength is how many packets may wait in the kernel. What comes beyond them
	// goes on unseen.
	queueLength = 8192
	// receiveBuffer is for the packets that were not read yet, in bytes.
	receiveBuffer = 8 << 20
	// copyLength is as long as the longest packet.
	copyLength = 0xffff
)

// Listen begins to take what the kernel hands over, until the context ends.
func (l *Learner) Listen(ctx context.Context) error {
	if err := l.listenQueries(ctx); err != nil {
		return err
	}
	if err := l.listenAnswers(ctx); err != nil {
		return err
	}
	go l.expireAll(ctx)
	return nil
}

func (l *Learner) listenQueries(ctx context.Context) error {
	nf, err := nflog.Open(&nflog.Config{Group: l.QueryGroup, NetNS: l.NetNS, Copymode: nflog.CopyPacket, Bufsize: 1024, QThresh: 1})
	if err != nil {
		return fmt.Errorf("copies of DNS queries, log group %d: %w", l.QueryGroup, err)
	}
	enlarge(nf.Con)
	take := func(a nflog.Attribute) int {
		if a.Payload != nil {
			l.Asked(*a.Payload)
		}
		return 0
	}
	if err := nf.RegisterWithErrorFunc(ctx, take, l.lostSome(ctx)); err != nil {
		_ = nf.Close()
		return fmt.Errorf("copies of DNS queries, log group %d: %w", l.QueryGroup, err)
	}
	context.AfterFunc(ctx, func() { _ = nf.Close() })
	return nil
}

func (l *Learner) listenAnswers(ctx context.Context) error {
	nf, err := nfqueue.Open(&nfqueue.Config{NetNS: l.NetNS, NfQueue: l.Queue, MaxQueueLen: queueLength, MaxPacketLen: copyLength,
		Copymode: nfqueue.NfQnlCopyPacket, Flags: nfqueue.NfQaCfgFlagFailOpen})
	if err != nil {
		return fmt.Errorf("DNS answers, queue %d: %w", l.Queue, err)
	}
	enlarge(nf.Con)
	take := func(a nfqueue.Attribute) int {
		if a.PacketID == nil {
			return 0
		}
		id := *a.PacketID
		release := func() {
			if err := nf.SetVerdict(id, nfqueue.NfAccept); err != nil && ctx.Err() == nil {
				l.Log.Debug("a DNS answer could not be let go", "error", err)
			}
		}
		if a.Payload == nil {
			release()
			return 0
		}
		l.Answered(*a.Payload, release)
		return 0
	}
	if err := nf.RegisterWithErrorFunc(ctx, take, l.lostSome(ctx)); err != nil {
		_ = nf.Close()
		return fmt.Errorf("DNS answers, queue %d: %w", l.Queue, err)
	}
	context.AfterFunc(ctx, func() { _ = nf.Close() })
	return nil
}

// enlarge makes room for bursts; what a process without rights outside of its user
// namespace gets is smaller.
func enlarge(conn *netlink.Conn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
	})
}

// lostSome goes on listening after an overflow.
func (l *Learner) lostSome(ctx context.Context) func(error) int {
	return func(err error) int {
		if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
			return 1
		}
		l.metrics.lost.Inc()
		l.Log.Warn("DNS packets could not be read in time: they went on, and nothing was learned from them", "error", err)
		return 0
	}
}

const (
	// lookAgain is after what time a lease is looked at again that a connection
	// keeps.
	lookAgain = 30 * time.Second
	// breathe is the shortest time between two looks, and shareOfTime how much of
	// the time they may take where there are very many connections: one part in it.
	breathe     = time.Second
	shareOfTime = 50
)

// expireAll ends leases when their time is over.
func (l *Learner) expireAll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	notBefore := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.due:
		case <-timer.C:
			began := time.Now()
			l.expire(began)
			notBefore = time.Now().Add(max(breathe, shareOfTime*time.Since(began)))
		}
		l.mu.Lock()
		next, ok := l.book.Due()
		l.mu.Unlock()
		if ok {
			timer.Reset(max(time.Until(next), time.Until(notBefore)))
		}
	}
}

// expire ends what no connection keeps. If it cannot be known which live, all do.
func (l *Learner) expire(now time.Time) {
	l.mu.Lock()
	ending := l.book.Ending(now)
	l.mu.Unlock()
	if len(ending) == 0 {
		return
	}
	live, err := l.live(ending)
	if err != nil {
		l.Log.Warn("it is not known which connections live: names keep their addresses", "error", err)
		live = ending
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, gone := l.book.Expire(now, live, lookAgain)
	l.written(l.journal.Append(each(nil), each(gone)))
	for _, lease := range gone {
		l.reports.forget(lease)
		delete(l.crowded, lease.Name)
	}
	l.tell(changed)
	l.count()
}
