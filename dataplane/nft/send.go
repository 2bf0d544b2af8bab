package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// wantBuffer is the socket buffer that is asked for; a process that is root in
// a user namespace only gets what the host allows.
const wantBuffer = 64 << 20

// cut is the size at which a batch that may be cut is cut, in bytes: enough
// for speed, and short enough not to hold up the tables of others.
const cut = 256 << 10

// uncut asks commit not to cut a batch unless the socket makes it.
const uncut = wantBuffer

// batchError is what the kernel said to one message of a transaction. Nothing
// of the transaction was done.
type batchError struct {
	what string
	err  error
}

func (e *batchError) Error() string { return e.what + ": " + e.err.Error() }
func (e *batchError) Unwrap() error { return e.err }

// socket sends transactions to the kernel's nf_tables in one network namespace.
type socket struct {
	conn   *netlink.Conn
	buffer int
	// port is the address of the socket: the kernel's reports of what was
	// changed by it bear it.
	port uint32
}

func dial(ns int) (*socket, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns})
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn}
	err = s.control(func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, wantBuffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, wantBuffer)
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		if own, ok := name.(*unix.SockaddrNetlink); ok {
			s.port = own.Pid
		}
		s.buffer, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		return err
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *socket) control(do func(fd int) error) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}

// commit sends a batch in transactions of about size bytes. It stops at the
// first that the kernel refuses.
func (s *socket) commit(ctx context.Context, b *batch, size int) error {
	return s.commitInSteps(ctx, b, size, nil)
}

// commitInSteps is commit with a pause between the transactions; nil for none.
func (s *socket) commitInSteps(ctx context.Context, b *batch, size int, pause func()) error {
	if b.err != nil {
		return b.err
	}
	size = min(size, s.buffer/2)
	for from := 0; from < len(b.messages); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, length := from, 0
		for to < len(b.messages) && (to == from || b.messages[to].glued || length+len(b.messages[to].body) < size) {
			length += len(b.messages[to].body) + unix.NLMSG_HDRLEN
			to++
		}
		if err := s.transaction(b.messages[from:to]); err != nil {
			return err
		}
		if from = to; pause != nil && from < len(b.messages) {
			pause()
		}
	}
	return nil
}

// transaction sends messages as one batch. The kernel has done everything, or
// refused it, before the send returns, so that the answers are already there.
func (s *socket) transaction(messages []message) error {
	data := appendMessage(nil, unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, 0, []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES})
	for i, m := range messages {
		flags := m.flags | unix.NLM_F_REQUEST
		if i == len(messages)-1 {
			flags |= unix.NLM_F_ACK
		}
		data = appendMessage(data, unix.NFNL_SUBSYS_NFTABLES<<8|m.kind, flags, uint32(i+1), m.body)
	}
	data = appendMessage(data, unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, uint32(len(messages)+1), []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES})
	return s.control(func(fd int) error {
		if err := unix.Sendto(fd, data, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return os.NewSyscallError("send", err)
		}
		return s.answers(fd, messages)
	})
}

// answers reads what the kernel said to a transaction: the first error, or the
// acknowledgement of the last message.
func (s *socket) answers(fd int, messages []message) error {
	buf := make([]byte, 64<<10)
	var first error
	acknowledged := false
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN) && (acknowledged || first != nil):
			return first
		case errors.Is(err, unix.EAGAIN):
			return errors.New("the kernel did not acknowledge a transaction")
		case err != nil:
			return errors.Join(first, os.NewSyscallError("receive", err))
		}
		for msg := buf[:n]; len(msg) >= unix.NLMSG_HDRLEN+4; {
			length := int(binary.NativeEndian.Uint32(msg))
			if length < unix.NLMSG_HDRLEN+4 || length > len(msg) {
				break
			}
			if binary.NativeEndian.Uint16(msg[4:]) == unix.NLMSG_ERROR {
				acknowledged = true
				first = errors.Join(first, answer(msg[:length], messages, first))
			}
			msg = msg[min(len(msg), (length+3)&^3):]
		}
	}
}

// answer reads one acknowledgement. Errors after the first add nothing: they
// follow from it.
func answer(msg []byte, messages []message, first error) error {
	code := int32(binary.NativeEndian.Uint32(msg[unix.NLMSG_HDRLEN:]))
	if code == 0 || first != nil {
		return nil
	}
	what := "transaction"
	if i := int(binary.NativeEndian.Uint32(msg[8:])); i >= 1 && i <= len(messages) {
		what = messages[i-1].what
	}
	return &batchError{what, unix.Errno(-code)}
}

func appendMessage(data []byte, kind, flags uint16, seq uint32, body []byte) []byte {
	data = binary.NativeEndian.AppendUint32(data, uint32(unix.NLMSG_HDRLEN+len(body)))
	data = binary.NativeEndian.AppendUint16(data, kind)
	data = binary.NativeEndian.AppendUint16(data, flags)
	data = binary.NativeEndian.AppendUint32(data, seq)
	data = binary.NativeEndian.AppendUint32(data, 0)
	return append(data, body...)
}

// grace waits until every packet that is in the kernel's hooks now has left
// them: they run as readers of RCU, and the global memory barrier waits for
// such readers. Where the kernel cannot (nohz_full), a pause must do.
func grace() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		time.Sleep(20 * time.Millisecond)
	}
}
