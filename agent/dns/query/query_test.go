package query

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tierwall/tierwall/agent/dns/answer"
)

var began = time.Unix(1_000_000, 0)

func asked(port, id uint16, name string) Asked {
	return Asked{Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port), Server: netip.MustParseAddrPort("10.96.0.10:53"),
		Question: answer.Question{ID: id, Name: name, Type: 1}}
}

func TestHas(t *testing.T) {
	table := New()
	table.Put(asked(4000, 7, "a.example."), began)
	for _, c := range []struct {
		a     Asked
		after time.Duration
		want  bool
	}{
		{asked(4000, 7, "a.example."), time.Second, true},
		{asked(4000, 7, "a.example."), keep, false},
		{asked(4000, 8, "a.example."), 0, false},
		{asked(4001, 7, "a.example."), 0, false},
		{asked(4000, 7, "b.example."), 0, false},
	} {
		if got := table.Has(c.a, began.Add(c.after)); got != c.want {
			t.Errorf("%+v after %s: %v, want %v", c.a, c.after, got, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	table := New()
	for i := range Max + 100 {
		table.Put(asked(uint16(i>>8), uint16(i&0xff), "a."), began)
		table.Put(asked(uint16(i>>8), uint16(i&0xff), "a."), began) // again: counts once
	}
	if table.Len() != Max || len(table.until) != Max {
		t.Errorf("%d questions, %d in the map, want %d", table.Len(), len(table.until), Max)
	}
	if table.Has(asked(0, 99, "a."), began) || !table.Has(asked(0, 100, "a."), began) || !table.Has(asked((Max+99)>>8, (Max+99)&0xff, "a."), began) {
		t.Error("not the oldest had to go")
	}
	table.Put(asked(9, 9, "b."), began.Add(2*keep))
	if table.Len() != 1 || len(table.until) != 1 {
		t.Errorf("%d are left after their time", table.Len())
	}
}
