package stream

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/agent/dns/packet"
)

var began = time.Unix(1_000_000, 0)

func segment(client uint16, sequence uint32, payload []byte) packet.Segment {
	return packet.Segment{From: netip.MustParseAddrPort("192.0.2.1:53"), To: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), client), TCP: true, Sequence: sequence, Payload: payload}
}

func start(client uint16, sequence uint32) packet.Segment {
	s := segment(client, sequence, nil)
	s.Start = true
	return s
}

func framed(messages ...string) (b []byte) {
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return b
}

func text(messages [][]byte) (list []string) {
	for _, m := range messages {
		list = append(list, string(m))
	}
	return list
}

// TestAnyCut: however messages are cut into segments, shuffled a little, and
// repeated, they come out whole, once, and in order; also where the sequence
// number turns over.
func TestAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringN(0, 300, 900), 1, 5).Draw(t, "messages")
		data := framed(want...)
		first := rapid.Uint32().Draw(t, "first")
		var all []packet.Segment
		for from := 0; from < len(data); {
			to := from + rapid.IntRange(1, len(data)-from).Draw(t, "length")
			all = append(all, segment(1, first+uint32(from), data[from:to]))
			if rapid.Bool().Draw(t, "twice") {
				back := rapid.IntRange(0, from).Draw(t, "from")
				all = append(all, segment(1, first+uint32(back), data[back:to]))
			}
			from = to
		}
		all = rapid.Permutation(all).Draw(t, "order")
		table := New()
		table.Take(start(1, first), began)
		var got []string
		for _, s := range all {
			r := table.Take(s, began)
			if r.Lost {
				t.Fatal("lost")
			}
			got = append(got, text(r.Messages)...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestBounds(t *testing.T) {
	table := New()
	table.Take(start(1, 0), began)
	part := make([]byte, 1400)
	lost := 0
	for i := range 1000 {
		if table.Take(segment(1, uint32(1+i*1400), part), began).Lost { // the first byte never comes
			lost++
		}
	}
	if lost != 1 || table.flows[Flow{part1().From, part1().To}].early != nil {
		t.Errorf("a connection without a beginning: lost %d times, and still kept", lost)
	}
	for i := range MaxConnections + 10 {
		r := table.Take(start(uint16(2+i), 0), began)
		if got, want := r.Lost, i >= MaxConnections-1; got != want {
			t.Fatalf("connection %d: lost %v, want %v", i, got, want)
		}
	}
	if table.Take(start(60000, 0), began.Add(2*idle)); table.Len() != 1 {
		t.Errorf("%d connections are followed after a silence", table.Len())
	}
}

func part1() packet.Segment { return segment(1, 0, nil) }

func TestNoBeginning(t *testing.T) {
	table := New()
	if r := table.Take(segment(1, 5, framed("x")), began); !r.Lost || len(r.Messages) > 0 || table.Len() > 0 {
		t.Errorf("%+v", r)
	}
}

func TestRepeatedAndEnds(t *testing.T) {
	table := New()
	table.Take(start(1, 7), began)
	if r := table.Take(start(1, 7), began); !r.Repeated {
		t.Errorf("a second SYN: %+v", r)
	}
	if r := table.Take(segment(1, 7, framed("a")), began); fmt.Sprint(text(r.Messages)) != "[a]" || r.Repeated {
		t.Errorf("%+v", r)
	}
	if r := table.Take(segment(1, 7, framed("a")), began); !r.Repeated || len(r.Messages) > 0 {
		t.Errorf("the same again: %+v", r)
	}
	end := segment(1, 10, framed("b"))
	end.End = true
	if r := table.Take(end, began); fmt.Sprint(text(r.Messages)) != "[b]" || table.Len() != 0 {
		t.Errorf("at the end: %+v, %d left", r, table.Len())
	}
	table.Take(start(1, 7), began)
	reset := segment(1, 8, nil)
	if reset.Reset = true; len(table.Take(reset, began).Messages) > 0 || table.Len() != 0 {
		t.Error("a connection outlives its reset")
	}
}
