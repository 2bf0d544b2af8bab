package book

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/agent/dns/answer"
	"github.com/tierwall/tierwall/domain"
)

var (
	began  = time.Unix(1_000_000, 0)
	server = netip.MustParseAddr("10.96.0.10")
)

func all(domain.Name) bool { return true }

func give(name, addr string, ttl int) answer.Given {
	return answer.Given{Name: domain.Name(name), Addr: netip.MustParseAddr(addr), TTL: time.Duration(ttl) * time.Second}
}

func small() *Book {
	return New(Settings{Floor: 10 * time.Second, Extra: time.Second, Ceiling: time.Hour, MaxPerName: 3, Max: 5})
}

func learn(b *Book, at time.Duration, gives ...answer.Given) Outcome {
	return b.Learn(gives, server, all, began.Add(at))
}

// TestLife: a lease counts as long as its TTL with floor, extra and ceiling, is
// renewed by the next answer, and never becomes shorter.
func TestLife(t *testing.T) {
	for _, c := range []struct{ ttl, want int }{{0, 10}, {5, 10}, {9, 10}, {20, 21}, {1 << 30, 3600}} {
		b := small()
		learn(b, 0, give("a", "192.0.2.1", c.ttl))
		end := began.Add(time.Duration(c.want) * time.Second)
		if changed, _ := b.Expire(end.Add(-1), nil, time.Minute); len(changed) > 0 {
			t.Errorf("a TTL of %d ended too early", c.ttl)
		}
		if changed, gone := b.Expire(end, nil, time.Minute); len(changed) != 1 || len(gone) != 1 || len(b.Addrs("a")) != 0 {
			t.Errorf("a TTL of %d did not end after %d s", c.ttl, c.want)
		}
	}
	b := small()
	learn(b, 0, give("a", "192.0.2.1", 100))
	if o := learn(b, time.Second, give("a", "192.0.2.1", 5)); len(o.Kept) != 0 || len(o.Changed) != 0 {
		t.Errorf("a shorter TTL later: %+v", o)
	}
	if o := learn(b, 50*time.Second, give("a", "192.0.2.1", 100)); len(o.Kept) != 1 || len(o.Changed) != 0 {
		t.Errorf("renewed: %+v", o)
	}
	if changed, _ := b.Expire(began.Add(149*time.Second), nil, time.Minute); len(changed) > 0 {
		t.Error("it ended although it was renewed")
	}
}

// TestConnectionKeeps: a lease whose time is over stays as long as a connection
// lives, and ends at the first look after it.
func TestConnectionKeeps(t *testing.T) {
	b := small()
	learn(b, 0, give("a", "192.0.2.1", 10), give("b", "192.0.2.1", 10), give("a", "192.0.2.2", 10))
	now := began.Add(11 * time.Second)
	if got := b.Ending(now); len(got) != 2 {
		t.Errorf("ending: %v", got)
	}
	live := map[netip.Addr]bool{netip.MustParseAddr("192.0.2.1"): true}
	if changed, gone := b.Expire(now, live, time.Minute); fmt.Sprint(changed) != "[a]" || len(gone) != 1 {
		t.Errorf("changed %v, gone %v", changed, gone)
	}
	if due, ok := b.Due(); !ok || !due.Equal(now.Add(time.Minute)) {
		t.Errorf("due at %s", due)
	}
	if len(b.Ending(now.Add(59*time.Second))) != 0 || len(b.Ending(now.Add(time.Minute))) != 1 {
		t.Error("it is not looked at again after the pause")
	}
	if changed, _ := b.Expire(now.Add(time.Minute), nil, time.Minute); fmt.Sprint(changed) != "[a b]" {
		t.Errorf("changed %v", changed)
	}
}

// TestKnown: an answer waits for the change that brought its addresses, also if
// that was another answer's.
func TestKnown(t *testing.T) {
	b := small()
	first := learn(b, 0, give("a", "192.0.2.1", 10), give("a", "192.0.2.2", 10))
	second := learn(b, 0, give("b", "192.0.2.1", 10))
	again := learn(b, 0, give("a", "192.0.2.2", 10))
	if first.Change != 1 || second.Change != 2 || again.Change != 1 {
		t.Errorf("changes %d, %d, %d, want 1, 2, 1", first.Change, second.Change, again.Change)
	}
	b.Known(1)
	if o := learn(b, 0, give("a", "192.0.2.1", 10)); o.Change != 0 {
		t.Errorf("what the kernel knows waits for change %d", o.Change)
	}
	if o := learn(b, 0, give("a", "192.0.2.1", 10), give("b", "192.0.2.1", 10)); o.Change != 2 {
		t.Errorf("waits for change %d, want 2", o.Change)
	}
	if o := learn(b, 0, give("b", "192.0.2.1", 10), give("c", "192.0.2.1", 10)); o.Change != 3 {
		t.Errorf("waits for change %d, want 3", o.Change)
	}
}

func TestBounds(t *testing.T) {
	b := small()
	o := learn(b, 0, give("a", "192.0.2.1", 30), give("a", "192.0.2.2", 20), give("a", "192.0.2.3", 40), give("a", "192.0.2.4", 10))
	if o.Crowded != 1 || len(o.Gone) != 1 || o.Gone[0].Addr != netip.MustParseAddr("192.0.2.2") || len(b.Addrs("a")) != 3 {
		t.Errorf("a name beyond its bound: %+v, %v", o, b.Addrs("a"))
	}
	o = learn(b, 0, give("b", "192.0.2.1", 30), give("c", "192.0.2.1", 30), give("d", "192.0.2.1", 30), give("a", "192.0.2.3", 50))
	if n, names := b.Len(); o.Full != 1 || n != 5 || names != 3 || !b.Full() {
		t.Errorf("beyond the bound in all: %+v, %d leases, %d names", o, n, names)
	}
	if b.Expire(began.Add(40*time.Second), nil, time.Minute); b.Full() {
		t.Error("full although there is room again")
	}
}

// TestRefused: what stands for the machine itself or its link belongs to no name;
// private networks do unless the switch says no.
func TestRefused(t *testing.T) {
	b := New(DefaultSettings())
	for _, a := range []string{"127.0.0.1", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "255.255.255.255"} {
		if o := learn(b, 0, give("a", a, 60)); o.Refused != 1 || len(o.Changed) > 0 {
			t.Errorf("%s was learned", a)
		}
	}
	s := DefaultSettings()
	for _, private := range []bool{false, true} {
		s.NoPrivate = private
		b := New(s)
		for _, a := range []string{"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd00::1"} {
			if o := learn(b, 0, give("a", a, 60)); (o.Refused == 1) != private {
				t.Errorf("%s with the switch %v: %+v", a, private, o)
			}
		}
	}
}

func TestWanted(t *testing.T) {
	b := small()
	o := b.Learn([]answer.Given{give("a", "192.0.2.1", 10), give("b", "192.0.2.2", 10)}, server, func(n domain.Name) bool { return n == "b" }, began)
	if fmt.Sprint(o.Changed) != "[b]" || len(b.Addrs("a")) != 0 {
		t.Errorf("%+v", o)
	}
}

// TestAgainstList: the book does what a list would that is looked through each
// time, whatever happens in whatever order.
func TestAgainstList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{Floor: 2 * time.Second, Ceiling: 20 * time.Second, MaxPerName: 100, Max: 1000}
		b := New(s)
		list := map[Lease]time.Time{} // by name and address: its end
		now := began
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "pass")) * time.Second)
			key := Lease{Name: domain.Name(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")),
				Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, 4).Draw(t, "addr"))})}
			if rapid.Bool().Draw(t, "expire") {
				live := map[netip.Addr]bool{key.Addr: true}
				b.Expire(now, live, 1)
				maps.DeleteFunc(list, func(l Lease, end time.Time) bool { return !end.After(now) && !live[l.Addr] })
			} else {
				ttl := rapid.IntRange(0, 30).Draw(t, "ttl")
				b.Learn([]answer.Given{{Name: key.Name, Addr: key.Addr, TTL: time.Duration(ttl) * time.Second}}, server, all, now)
				if end := now.Add(time.Duration(min(max(ttl, 2), 20)) * time.Second); end.After(list[key]) {
					list[key] = end
				}
			}
			for _, n := range []domain.Name{"a", "b", "c"} {
				var want []netip.Addr
				for l := range list {
					if l.Name == n {
						want = append(want, l.Addr)
					}
				}
				slices.SortFunc(want, netip.Addr.Compare)
				if got := b.Addrs(n); !slices.Equal(got, want) {
					t.Fatalf("%s has %v, want %v", n, got, want)
				}
			}
		}
	})
}
