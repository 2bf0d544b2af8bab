package conntrack

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is how many messages one call of the kernel takes.
	batchSize = 64
	// eventSize is more than an event has, which is a message of its own.
	eventSize = 4 << 10
)

// batch receives messages, many with one call (recvmmsg, which Go's libraries
// have for UDP alone).
type batch struct {
	headers [batchSize]header
	vectors [batchSize]unix.Iovec
	space   []byte
}

// header is struct mmsghdr.
type header struct {
	message unix.Msghdr
	length  uint32
}

func newBatch() *batch {
	b := &batch{space: make([]byte, batchSize*eventSize)}
	for i := range b.headers {
		b.vectors[i].Base = &b.space[i*eventSize]
		b.vectors[i].SetLen(eventSize)
		b.headers[i].message.Iov = &b.vectors[i]
		b.headers[i].message.SetIovlen(1)
	}
	return b
}

// receive takes what is there. The error is EAGAIN if there is nothing.
func (b *batch) receive(fd int) (int, error) {
	n, _, err := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

// message returns one of those that were received, until the next are. It reports
// false for one that had to be cut.
func (b *batch) message(i int) (m []byte, whole bool) {
	h := &b.headers[i]
	return b.space[i*eventSize:][:min(h.length, eventSize)], h.message.Flags&unix.MSG_TRUNC == 0
}
