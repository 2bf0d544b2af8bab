package nft

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

// TestWatch: whatever somebody does to the table is reported soon, our own
// changes and those of other tables are not, and Apply puts it right.
func TestWatch(t *testing.T) {
	p := small(t)
	p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, p.no, p.no, nil), p.open[verdict.Egress])
	d := p.dataplane()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	drifts := make(chan dataplane.Drift, 1000)
	p.must(d.Watch(ctx, func(drift dataplane.Drift) { drifts <- drift }))
	p.apply(d, p.Program)
	p.must(d.Change(ctx, dataplane.Change{Interfaces: map[verdict.EndpointID][]string{{Kind: verdict.Pod, Namespace: "blue", Name: "a"}: {p.a.iface, "x"}}}))
	p.nft("add", "table", "inet", "other")
	p.nft("add", "chain", "inet", "other", "x")
	p.nft("delete", "table", "inet", "other")
	p.nft("add", "table", "ip", "tierwall")
	p.nft("delete", "table", "ip", "tierwall")
	for _, deed := range []string{
		"delete table inet tierwall", "flush ruleset", "flush chain inet tierwall forward", "insert rule inet tierwall TO-POD accept",
		"flush map inet tierwall IN4", "delete element inet tierwall HOST4 { 10.1.0.1 }", "add chain inet tierwall foreign",
		"add chain inet tierwall forward { policy drop; }",
	} {
		if n := len(drifts); n > 0 {
			t.Fatalf("before %v: %d reports, the first %v", deed, n, <-drifts)
		}
		// upper case stands for a name of the present epoch
		deed := strings.Fields(regexp.MustCompile("[A-Z][A-Z0-9-]+").ReplaceAllStringFunc(deed, func(s string) string { return d.now.of(strings.ToLower(s)) }))
		p.nft(deed...)
		select {
		case drift := <-drifts:
			t.Logf("%v: %+v", deed, drift)
		case <-time.After(time.Second):
			t.Fatalf("%v: not noticed within a second", deed)
		}
		if err := d.Change(ctx, dataplane.Change{}); !errors.Is(err, dataplane.ErrOutOfStep) {
			t.Errorf("%v: a change on top of it: %v", deed, err)
		}
		for settled := false; !settled; { // one deed may be several reports
			p.apply(d, p.Program)
			select {
			case <-drifts:
			case <-time.After(50 * time.Millisecond):
				settled = true
			}
		}
		if p.reaches(p.a.ns, "tcp", 0, netip.AddrPortFrom(p.b.addrs[0], 80), false) {
			t.Errorf("%v: the pod is open after it was put right", deed)
		}
	}
}
