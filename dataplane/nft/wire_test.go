package nft

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/verdict"
)

// wire sends and receives whole frames at a machine's end of its veth pair, so
// that a test can send what no socket would.
type wire struct {
	m  *machine
	fd int

	mu   sync.Mutex
	seen map[uint32]int
}

// magic stands before the number of a packet, at its end.
const magic = 0x7157a11

func (m *machine) wire(t *testing.T) *wire {
	t.Helper()
	w := &wire{m: m, seen: map[uint32]int{}}
	const all = 0x0300 // ETH_P_ALL in network order
	m.lab.in(m.ns, func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
		m.lab.must(err)
		w.fd = fd
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
			t.Skipf("to receive without loss needs root outside of a user namespace: %v", err)
		}
		m.lab.must(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000}))
		m.lab.must(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: m.index}))
	})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); w.receive(stop) }()
	t.Cleanup(func() { close(stop); <-done; unix.Close(w.fd) })
	return w
}

func (w *wire) receive(stop chan struct{}) {
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		select {
		case <-stop:
			return
		default:
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); err != nil || !ok || ll.Pkttype == unix.PACKET_OUTGOING || n < 8 {
			continue
		}
		if binary.BigEndian.Uint32(buf[n-8:]) == magic {
			w.mu.Lock()
			w.seen[binary.BigEndian.Uint32(buf[n-4:])]++
			w.mu.Unlock()
		}
	}
}

// count returns how often a packet of that number came in.
func (w *wire) count(id uint32) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id]
}

// settled waits for what should come of a packet and returns how often it came.
func (w *wire) settled(id uint32, want int) int {
	if want == 0 {
		time.Sleep(50 * time.Millisecond)
	}
	for range 600 {
		if w.count(id) >= want {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return w.count(id)
}

// send puts a packet on the wire, with a number to know it by.
func (w *wire) send(p verdict.Packet, id uint32) {
	frame := w.frame(p, id)
	for {
		_, err := unix.Write(w.fd, frame)
		if err != unix.ENOBUFS && err != unix.EAGAIN {
			w.m.lab.must(err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *wire) frame(p verdict.Packet, id uint32) []byte {
	f := append(append([]byte(nil), w.m.gateway...), w.m.mac...)
	body := transport(p, id)
	if p.Src.Is4() {
		f = append(f, 0x08, 0x00, 0x45, 0)
		f = binary.BigEndian.AppendUint16(f, uint16(20+len(body)))
		f = append(f, 0, 0, 0, 0, 64, p.Protocol, 0, 0)
		f = append(append(f, p.Src.AsSlice()...), p.Dst.AsSlice()...)
		binary.BigEndian.PutUint16(f[24:], ^sum(f[14:34]))
		return append(f, body...)
	}
	f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(len(body)))
	f = append(f, p.Protocol, 64)
	f = append(append(f, p.Src.AsSlice()...), p.Dst.AsSlice()...)
	return append(f, body...)
}

// transport is the packet above IP: the first of a connection, with a valid
// checksum, since conntrack looks.
func transport(p verdict.Packet, id uint32) []byte {
	var b []byte
	ports := func() {
		b = binary.BigEndian.AppendUint16(b, p.SrcPort)
		b = binary.BigEndian.AppendUint16(b, p.DstPort)
	}
	checksum := -1
	switch p.Protocol {
	case verdict.TCP:
		ports()
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0) // a SYN
		checksum = 16
	case verdict.UDP:
		ports()
		b = append(b, 0, 16, 0, 0)
		checksum = 6
	case verdict.UDPLite: // the checksum covers all of it
		ports()
		b = append(b, 0, 0, 0, 0)
		checksum = 6
	case verdict.SCTP:
		ports()
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 32, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0x80, 99, 0, 12) // INIT
	case verdict.ICMP, verdict.ICMPv6:
		b = append(b, byte(p.DstPort>>8), byte(p.DstPort), 0, 0, byte(id>>8), byte(id), 0, 1)
		checksum = 2
	}
	b = binary.BigEndian.AppendUint32(b, magic)
	b = binary.BigEndian.AppendUint32(b, id)
	if checksum >= 0 {
		binary.BigEndian.PutUint16(b[checksum:], ^sum(append(pseudo(p, len(b)), b...)))
	}
	if p.Protocol == verdict.SCTP {
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

// pseudo is the header that a checksum covers besides the packet.
func pseudo(p verdict.Packet, length int) []byte {
	if p.Protocol == verdict.ICMP {
		return nil
	}
	b := append(p.Src.AsSlice(), p.Dst.AsSlice()...)
	return append(b, 0, p.Protocol, byte(length>>8), byte(length))
}

func sum(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func packet(src, dst netip.Addr, protocol uint8, from, to uint16) verdict.Packet {
	return verdict.Packet{Src: src, Dst: dst, Protocol: protocol, SrcPort: from, DstPort: to}
}
