package flows

import (
	"fmt"
	"testing"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// BenchmarkConnection is what a connection of two pods of the node costs that
// comes and goes, with 30,000 others open, beside reading the events.
func BenchmarkConnection(b *testing.B) {
	r := newRig(b)
	const others = 30_000
	come, ends := make([]*conntrack.Event, others), make([]*conntrack.Event, others)
	for i := range come {
		come[i] = connection(uint32(i), fmt.Sprint("10.0.0.1:", 10_000+i), "10.0.0.2:80", verdict.Egress, table.SetID(10), verdict.Ingress, table.SetID(11))
		ends[i] = gone(come[i])
		r.Connection(come[i])
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r.Connection(ends[n%others])
		r.Connection(come[n%others])
		if n++; n%4000 == 0 {
			r.Take()
		}
	}
}
