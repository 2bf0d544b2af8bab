package dns

import (
	"net/netip"

	"github.com/tierwall/tierwall/agent/dns/book"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/report"
)

// reports is what the server has not heard of yet.
type reports struct {
	// status is what was last said to be wrong.
	status string
	kept   map[pair]book.Lease
	gone   map[pair]bool
	// dropped is how many were too many.
	dropped int
}

type pair struct {
	name domain.Name
	addr netip.Addr
}

func newReports() reports { return reports{kept: map[pair]book.Lease{}, gone: map[pair]bool{}} }

// maxUnreported bounds what is remembered for a server that does not answer; it
// takes a full report after that.
const maxUnreported = 2 * report.MaxLearned

func (r *reports) keep(l book.Lease) {
	if len(r.kept) < maxUnreported {
		r.kept[pair{l.Name, l.Addr}] = l
	} else {
		r.dropped++
	}
	delete(r.gone, pair{l.Name, l.Addr})
}

func (r *reports) forget(l book.Lease) {
	delete(r.kept, pair{l.Name, l.Addr})
	if len(r.gone) < maxUnreported {
		r.gone[pair{l.Name, l.Addr}] = true
	}
}

// Report returns what changed since it was last asked, or all that is known. Of
// more than a server keeps, unreported is how many are left out.
func (l *Learner) Report(all bool) (known []report.Learned, forgotten []report.Address, unreported int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add := func(b book.Lease) {
		if len(known) == report.MaxLearned {
			unreported++
			return
		}
		known = append(known, report.Learned{Address: report.Address{Name: string(b.Name), Addr: b.Addr}, Via: string(b.Via), Server: b.Server, Seen: b.Seen, Expires: b.Expires})
	}
	if all {
		for b := range l.book.Leases() {
			add(b)
		}
	} else {
		for _, b := range l.reports.kept {
			add(b)
		}
		unreported += l.reports.dropped
		for p := range l.reports.gone {
			forgotten = append(forgotten, report.Address{Name: string(p.name), Addr: p.addr})
		}
	}
	l.reports = newReports()
	l.reports.status = l.wrong()
	return known, forgotten, unreported
}

// Unreported says whether a report would have something to say.
func (l *Learner) Unreported() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.reports.kept)+len(l.reports.gone) > 0 || l.reports.status != l.wrong()
}
