package faulttest

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/standalone/lab"
)

// TestNames kills an agent that has learned domain names: right after an answer,
// and again. What was learned is open while nobody enforces and afterwards; DNS
// goes on without the agent; what was asked meanwhile, or never, is closed.
func TestNames(t *testing.T) {
	const names, port = 8, 8099
	r := newRig(t, "--dns-server", "172.30.0.100", "--dns-file", filepath.Join(t.TempDir(), "names"))
	ctx := t.Context()
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{172, 30, 0, byte(150 + i)}) }
	name := func(i int) string { return fmt.Sprintf("n%d.names.test", i) }
	var records []labhost.Record
	for i := range names {
		records = append(records, labhost.Record{Name: name(i), Addrs: []netip.Addr{addr(i)}, TTL: 600})
	}
	must(t, r.lab.ServeNames(ctx, records))
	out, err := r.lab.Host("ext:out")
	must(t, err)
	must(t, out.Listen(ctx, labhost.TCP, port))
	client, err := r.lab.Host(namespace + "/client")
	must(t, err)
	change, err := r.policy(ctx, "client", object{
		"selector": "app == 'client'", "types": []string{"Egress"},
		"egress": []object{
			{"action": "Allow", "protocol": "UDP", "destination": object{"ports": []int{53}}},
			{"action": "Allow", "destination": object{"domains": []string{"*.names.test"}}},
		},
	})
	must(t, err)
	r.follows(change, time.Minute)
	dial := func(what string, s lab.DialSpec, want labhost.Outcome) {
		t.Helper()
		s.Proto, s.Port, s.Server, s.Timeout = labhost.TCP, port, r.lab.Resolver(), 900*time.Millisecond
		got, err := client.Dial(ctx, s)
		if must(t, err); got.Outcome != want {
			t.Errorf("%s: %s (%s), want %s", what, got.Outcome, got.Detail, want)
		}
	}
	kill := func() {
		must(t, syscall.Kill(r.agent.Pid(), syscall.SIGKILL))
		<-r.agent.Done()
	}
	for i := range names - 1 {
		dial("before it was asked for", lab.DialSpec{Addr: addr(i)}, labhost.TimedOut)
		dial("at once", lab.DialSpec{Domain: name(i)}, labhost.Answered)
		kill()
		dial("without an agent", lab.DialSpec{Addr: addr(i)}, labhost.Answered)
		if found, err := client.Lookup(ctx, labhost.UDP, r.lab.Resolver(), name(names-1)); err != nil || !found.Connected() {
			t.Errorf("DNS without an agent: %+v, %v", found, err)
		}
		dial("asked for while there was no agent", lab.DialSpec{Addr: addr(names - 1)}, labhost.TimedOut)
		r.startAgent()
		r.settled(time.Minute)
		for j := range i + 1 {
			dial("learned before the agent was killed", lab.DialSpec{Addr: addr(j)}, labhost.Answered)
		}
		dial("never learned", lab.DialSpec{Addr: addr(names - 1)}, labhost.TimedOut)
	}
}
