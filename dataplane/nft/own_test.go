package nft

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/dataplane"
)

// attempt runs the nft program in the router and reports whether it did what it
// was asked.
func (l *lab) attempt(args ...string) bool {
	var err error
	l.in(l.router, func() { err = exec.Command("nft", args...).Run() })
	return err == nil
}

// TestOwn: nobody else changes the table while its process lives, and anybody may
// read it; when the process is gone it stays, and the next one takes it over.
func TestOwn(t *testing.T) {
	p := small(t)
	ctx := context.Background()
	first := New(Options{NetNS: int(p.router), Own: true})
	p.apply(first, p.Program)
	if first.unowned {
		t.Skip("this kernel cannot keep a table for one process")
	}
	want := p.nft("list", "table", "inet", "tierwall")
	p.nft("flush", "ruleset") // does nothing to it
	for _, deed := range []string{
		"delete table inet tierwall", "flush table inet tierwall", "flush chain inet tierwall forward",
		"insert rule inet tierwall forward accept", "add chain inet tierwall x", "delete element inet tierwall host4 { 10.1.0.1 }",
	} {
		if p.attempt(strings.Fields(deed)...) {
			t.Errorf("%s: done", deed)
		}
	}
	if got := p.nft("list", "table", "inet", "tierwall"); got != want || !strings.Contains(got, "flags owner") {
		t.Errorf("before\n%safter\n%s", want, got)
	}
	second := New(Options{NetNS: int(p.router), Own: true})
	if err := second.Apply(ctx, p.Program); !errors.Is(err, dataplane.ErrOwned) {
		t.Errorf("a second process: %v", err)
	}
	if err := second.Remove(ctx); !errors.Is(err, dataplane.ErrOwned) {
		t.Errorf("removal by a second process: %v", err)
	}
	p.must(first.socket.conn.Close())
	if got := p.nft("list", "table", "inet", "tierwall"); strings.Contains(got, "flags owner") || !strings.Contains(got, "chain forward") {
		t.Errorf("after its process ended:\n%s", got)
	}
	p.apply(second, p.Program)
	if p.attempt("flush", "table", "inet", "tierwall") {
		t.Error("the table is not its new owner's")
	}
	p.must(second.Remove(ctx))
	if got := p.nft("list", "ruleset"); got != "" {
		t.Errorf("left over:\n%s", got)
	}
	p.apply(second, p.Program)
}

// TestOwnLater: a table that was made without an owner cannot get one; it works
// all the same, and that is said once.
func TestOwnLater(t *testing.T) {
	p := small(t)
	p.apply(p.dataplane(), p.Program)
	var warned []error
	d := New(Options{NetNS: int(p.router), Own: true, Warn: func(err error) { warned = append(warned, err) }})
	p.apply(d, p.Program)
	d.drifted.Store(true)
	p.apply(d, p.Program)
	if len(warned) != 1 || !strings.Contains(warned[0].Error(), "others can change the table") {
		t.Errorf("warned: %v", warned)
	}
	p.must(d.Remove(context.Background()))
	p.apply(d, p.Program)
	if p.attempt("flush", "table", "inet", "tierwall") != d.unowned {
		t.Error("the new table is not its own")
	}
}
