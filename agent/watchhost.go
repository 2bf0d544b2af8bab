package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hostEvent is one report of the kernel, or all that it says if all is set.
type hostEvent struct {
	link  *netlink.LinkUpdate
	addr  *netlink.AddrUpdate
	route *netlink.RouteUpdate
	all   *host
	// lost says that reports were lost before all was read.
	lost bool
}

// take brings the host up to date and says what that concerns.
func (h *host) take(e hostEvent) touched {
	switch {
	case e.link != nil && e.link.Family == unix.AF_BRIDGE:
		return touched{} // it became, or is no longer, a port of a bridge
	case e.link != nil:
		return h.setLink(e.link.Link, e.link.Header.Type == unix.RTM_DELLINK)
	case e.addr != nil:
		a, ok := netip.AddrFromSlice(e.addr.LinkAddress.IP)
		if !ok {
			return touched{}
		}
		return h.setAddr(e.addr.LinkIndex, a.Unmap(), !e.addr.NewAddr)
	case e.route != nil:
		return h.setRoute(e.route.Route, e.route.Type == unix.RTM_DELROUTE, e.route.NlFlags&unix.NLM_F_REPLACE != 0)
	case e.all != nil:
		*h = *e.all
		return touched{all: true, links: true}
	}
	return touched{}
}

// readHost asks the kernel for everything: a few dumps, milliseconds.
func readHost() (*host, error) {
	h := newHost()
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list of interfaces: %w", err)
	}
	for _, l := range links {
		h.setLink(l, false)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		addrs, err := netlink.AddrList(nil, family)
		if err != nil {
			return nil, fmt.Errorf("list of addresses: %w", err)
		}
		for _, a := range addrs {
			if ip, ok := netip.AddrFromSlice(a.IP); ok {
				h.setAddr(a.LinkIndex, ip.Unmap(), false)
			}
		}
		routes, err := netlink.RouteList(nil, family)
		if err != nil {
			return nil, fmt.Errorf("list of routes: %w", err)
		}
		for _, r := range routes {
			h.setRoute(r, false, false)
		}
	}
	return h, nil
}

const (
	// receiveBuffer is for the reports of a node on which hundreds of pods
	// start at once, in bytes. What does not fit is noticed and read anew.
	receiveBuffer = 4 << 20
	// readAgain is how often the host is read anew although nothing is missing:
	// the kernel does not report every route that it drops.
	readAgain = time.Minute
	// readSoon is when it is read anew after an interface was reported down.
	readSoon = 100 * time.Millisecond
	// readRetry is the wait after the host could not be read.
	readRetry = time.Second
)

// hostWatch follows the host.
type hostWatch struct {
	events chan hostEvent
	log    *slog.Logger
	// buffer is the size of the receive buffers in bytes.
	buffer int
}

// run follows the host until the context ends. Whenever the kernel could not
// deliver, everything is read again.
func (w *hostWatch) run(ctx context.Context) {
	for lost := false; ctx.Err() == nil; lost = true {
		err := w.session(ctx, lost)
		if ctx.Err() != nil {
			return
		}
		w.log.Warn("the kernel's reports of interfaces and routes were interrupted; all are read again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// streams are the kernel's reports. Each is closed when it can not go on.
type streams struct {
	links  chan netlink.LinkUpdate
	addrs  chan netlink.AddrUpdate
	routes chan netlink.RouteUpdate
	errors chan error
}

func (w *hostWatch) subscribe(ctx context.Context) (*streams, error) {
	s := &streams{make(chan netlink.LinkUpdate, 64), make(chan netlink.AddrUpdate, 64), make(chan netlink.RouteUpdate, 256), make(chan error, 3)}
	report := func(err error) {
		select {
		case s.errors <- err:
		default: // one reason is enough
		}
	}
	done := ctx.Done()
	// a process without rights over the machine gets the size that it may have
	if err := netlink.LinkSubscribeWithOptions(s.links, done, netlink.LinkSubscribeOptions{ErrorCallback: report, ReceiveBufferSize: w.buffer}); err != nil {
		return nil, fmt.Errorf("subscription to interfaces: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(s.addrs, done, netlink.AddrSubscribeOptions{ErrorCallback: report, ReceiveBufferSize: w.buffer}); err != nil {
		return nil, fmt.Errorf("subscription to addresses: %w", err)
	}
	if err := netlink.RouteSubscribeWithOptions(s.routes, done, netlink.RouteSubscribeOptions{ErrorCallback: report, ReceiveBufferSize: w.buffer}); err != nil {
		return nil, fmt.Errorf("subscription to routes: %w", err)
	}
	return s, nil
}

// session subscribes, reads everything, and passes reports on until one of the
// subscriptions fails. Reports from before the reading may come after it; they
// end in the state that was read, or a later one.
func (w *hostWatch) session(ctx context.Context, lost bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := w.subscribe(ctx)
	if err != nil {
		return err
	}
	again := time.NewTimer(0)
	defer again.Stop()
	soon := false
	for {
		var e hostEvent
		ok := true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
			soon = false
			h, err := readHost()
			if err != nil {
				w.log.Warn("the node's interfaces and routes could not be read; trying again", "error", err, "in", readRetry.String())
				again.Reset(readRetry)
				continue
			}
			again.Reset(readAgain)
			e, lost = hostEvent{all: h, lost: lost}, false
		case u, more := <-s.links:
			e.link, ok = &u, more
			if more && u.Link.Attrs().Flags&net.FlagUp == 0 && !soon {
				soon = true
				again.Reset(readSoon)
			}
		case u, more := <-s.addrs:
			e.addr, ok = &u, more
		case u, more := <-s.routes:
			e.route, ok = &u, more
		}
		if !ok {
			select {
			case err := <-s.errors:
				return err
			default:
				return fmt.Errorf("the subscription ended")
			}
		}
		select {
		case w.events <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
