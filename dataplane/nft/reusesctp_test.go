package nft

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/verdict"
)

// abort sends the end of an SCTP association that was asked for by wire.send.
func (w *wire) abort(p verdict.Packet, id uint32) {
	f := w.frame(p, id)
	const chunk = 12
	b := f[14+20:] // above IPv4
	if p.Src.Is6() {
		b = f[14+40:]
	}
	clear(b[4:chunk])
	binary.BigEndian.PutUint32(b[4:], 1) // the tag that the INIT gives
	copy(b[chunk:], []byte{6, 0, 0, 4, 0x80, 99, 0, byte(len(b) - chunk - 4)})
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	_, err := unix.Write(w.fd, f)
	w.m.lab.must(err)
}

// TestReusedBySCTP: policy of now judges an INIT of the addresses and ports of an
// association that the server has aborted, from whichever end it comes.
func TestReusedBySCTP(t *testing.T) {
	p := newPods(t)
	one, other := p.add("one", true, "10.1.0.3", "fd01::3"), p.add("other", true, "10.1.0.4", "fd01::4")
	none := [2]bool{}
	with := func(shut [2]bool) {
		p.Tables = p.Tables.Clone()
		sets := p.open
		for _, d := range verdict.Directions {
			if shut[d] {
				sets[d] = p.set(d, verdict.Pod, p.no, p.no, nil)
			}
		}
		p.pod(one, p.open[verdict.Ingress], p.open[verdict.Egress])
		p.pod(other, sets[verdict.Ingress], sets[verdict.Egress])
	}
	with(none)
	d := p.dataplane()
	p.apply(d, p.Program)
	here, there := one.wire(t), other.wire(t)
	for i, a := range one.addrs {
		try := func(what string, from, to *wire, way verdict.Packet, id uint32, want int) {
			t.Helper()
			from.send(way, id)
			if got := to.settled(id, want); got != want {
				t.Errorf("%s: %s to %s: %d arrived, want %d", what, way.Src, way.Dst, got, want)
			}
		}
		id, b := uint32(10*i), other.addrs[i]
		out, back := packet(a, b, verdict.SCTP, 42000, 80), packet(b, a, verdict.SCTP, 80, 42000)
		try("first", here, there, out, id+1, 1)
		there.abort(back, id+2)
		if got := here.settled(id+2, 1); got != 1 {
			t.Fatalf("%s: the end did not arrive", b)
		}
		with([2]bool{verdict.Ingress: true, verdict.Egress: true})
		p.apply(d, p.Program)
		try("denied", here, there, out, id+3, 0)
		try("denied", there, here, back, id+4, 0)
		with(none)
		p.apply(d, p.Program)
		try("allowed", here, there, out, id+5, 1)
		try("allowed", there, here, back, id+6, 1)
	}
}
