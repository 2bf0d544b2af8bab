// Package live asks conntrack which addresses connections use now.
package live

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_tcp.h.
const (
	getEntries = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1

	tupleOrig, tupleReply, protoInfo = 1, 2, 4
	tupleIP                          = 1
	ipv4Src, ipv4Dst                 = 1, 2
	ipv6Src, ipv6Dst                 = 3, 4
	infoTCP, tcpState                = 1, 1

	timeWait, closed = 7, 8
)

// Of returns those of the addresses to which a connection lives, in a network
// namespace; 0 is that of the calling thread. A connection counts by the address
// that it was opened to and by the one that answers. One of TCP that both sides
// have ended does not live.
func Of(netNS int, addrs map[netip.Addr]bool) (map[netip.Addr]bool, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netNS})
	if err != nil {
		return nil, fmt.Errorf("conntrack: %w", err)
	}
	defer conn.Close()
	_ = conn.SetReadBuffer(4 << 20) // what is smaller is slower, no more
	entries, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: getEntries, Flags: netlink.Request | netlink.Dump},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return nil, fmt.Errorf("conntrack: %w", err)
	}
	found := map[netip.Addr]bool{}
	for _, e := range entries {
		if len(e.Data) < 4 || ended(e.Data[4:]) {
			continue
		}
		for _, a := range peers(e.Data[4:]) {
			if addrs[a] {
				found[a] = true
			}
		}
	}
	return found, nil
}

// each calls do with the attributes of a list; nothing more after one that does
// not fit.
func each(list []byte, do func(typ uint16, value []byte)) {
	for len(list) >= unix.NLA_HDRLEN {
		length := int(binary.NativeEndian.Uint16(list))
		if length < unix.NLA_HDRLEN || length > len(list) {
			return
		}
		do(binary.NativeEndian.Uint16(list[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), list[unix.NLA_HDRLEN:length])
		list = list[min(len(list), (length+3)&^3):]
	}
}

// within returns the value of an attribute in a list, nil if it is not there.
func within(list []byte, typ uint16) (found []byte) {
	each(list, func(t uint16, value []byte) {
		if t == typ {
			found = value
		}
	})
	return found
}

func ended(entry []byte) bool {
	state := within(within(within(entry, protoInfo), infoTCP), tcpState)
	return len(state) == 1 && (state[0] == timeWait || state[0] == closed)
}

// peers are the destination of the first packet and the source of the answers.
func peers(entry []byte) (list []netip.Addr) {
	add := func(tuple, v4, v6 uint16) {
		each(within(within(entry, tuple), tupleIP), func(typ uint16, value []byte) {
			if a, ok := netip.AddrFromSlice(value); ok && (typ == v4 || typ == v6) {
				list = append(list, a)
			}
		})
	}
	add(tupleOrig, ipv4Dst, ipv6Dst)
	add(tupleReply, ipv4Src, ipv6Src)
	return list
}
