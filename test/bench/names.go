package main

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"time"
)

// namesEffort says how long the benchmarks of names take.
type namesEffort struct {
	// lookups are how many names are looked up, rate how many a second.
	lookups, rate int
	// known is how many addresses are learned before the look-ups of "large".
	known int
	// churn is how long names come and go, names how many, and ttl how long they
	// count, in seconds.
	churn time.Duration
	names int
	ttl   uint32
}

var fullNames = namesEffort{lookups: 10_000, rate: 1000, known: 100_000, churn: 45 * time.Second, names: 1000, ttl: 10}

// names measures what learning domain names costs each DNS answer, and whether a
// connection that follows an answer at once ever fails.
func (e namesEffort) benchmarks() []benchmark {
	return []benchmark{e.added(), e.first(), e.comeAndGo()}
}

// two makes a node without policy and one with, side by side.
func two() (alone, policed *namesNode, down func(), err error) {
	down = func() {
		for _, n := range []*namesNode{alone, policed} {
			if n != nil {
				n.Close()
			}
		}
	}
	if alone, err = newNamesNode(); err != nil {
		return alone, policed, down, err
	}
	if policed, err = newNamesNode(); err != nil {
		return alone, policed, down, err
	}
	return alone, policed, down, policed.enforce()
}

// added measures look-ups of names that nobody asked for before, on both nodes in
// turn: with nothing known, and with very many addresses known.
func (e namesEffort) added() benchmark {
	name := func(size, p string) string { return "dns/added" + size + "/" + p }
	sizes := []string{"", "-large"}
	b := benchmark{}
	for _, size := range sizes {
		b.names = append(b.names, name(size, "p50"), name(size, "p99"))
	}
	b.run = func(*regexp.Regexp) (figures []figure, err error) {
		alone, policed, down, err := two()
		defer down()
		if err != nil {
			return nil, err
		}
		next := 0
		for _, size := range sizes {
			if size != "" {
				if err := policed.fill(1<<16, e.known); err != nil {
					return nil, err
				}
			}
			with, without, err := e.alternate(policed, alone, &next)
			if err != nil {
				return nil, err
			}
			for p, at := range map[string]float64{"p50": 0.5, "p99": 0.99} {
				base := quantile(without, at)
				figures = append(figures, figure{name(size, p), quantile(with, at) - base, "ms", "a look-up without policy", base})
			}
		}
		return figures, policed.err()
	}
	return b
}

// alternate asks both nodes for new names, in turn, and returns the times in ms.
func (e namesEffort) alternate(policed, alone *namesNode, next *int) (with, without []float64, err error) {
	a, err := policed.resolver()
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	b, err := alone.resolver()
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	for range e.lookups / 2 {
		*next++
		for _, of := range []struct {
			r    *resolver
			list *[]float64
		}{{a, &with}, {b, &without}} {
			_, took, err := of.r.ask(nameOf(*next, 1))
			if err != nil {
				return nil, nil, err
			}
			*of.list = append(*of.list, float64(took.Nanoseconds())/1e6)
		}
	}
	return with, without, nil
}

// fill has so many addresses learned, from an index on.
func (n *namesNode) fill(from, count int) error {
	const each = 25
	r, err := n.resolver()
	if err != nil {
		return err
	}
	defer r.Close()
	for i := 0; i < count; i += each {
		if _, _, err := r.ask(nameOf(from+i, each)); err != nil {
			return err
		}
	}
	return nil
}

func quantile(values []float64, at float64) float64 {
	slices.Sort(values)
	return values[int(at*float64(len(values)-1))]
}

// first looks unique names up at a steady rate, each followed at once by a
// connection to the address, and counts those whose first packet was lost.
func (e namesEffort) first() benchmark {
	b := benchmark{names: []string{"dns/failed-first"}}
	b.run = func(*regexp.Regexp) ([]figure, error) {
		n, err := newNamesNode()
		if err != nil {
			return nil, err
		}
		defer n.Close()
		if err := n.enforce(); err != nil {
			return nil, err
		}
		if err := n.reach(addressAt(1)); err == nil {
			return nil, errors.New("an address that was never learned is open: nothing is enforced")
		}
		failed, err := e.rush(n, 0)
		return []figure{{"dns/failed-first", float64(failed), fmt.Sprintf("of %d", e.lookups), "", 0}}, errors.Join(err, n.err())
	}
	return b
}

// rush looks names up from an index on. Each look-up has a socket of its own; at
// most a hundred are under way.
func (e namesEffort) rush(n *namesNode, from int) (failed int, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan *resolver, 100)
	for range cap(slots) {
		r, err := n.resolver()
		if err != nil {
			return 0, err
		}
		defer r.Close()
		slots <- r
	}
	tick := time.NewTicker(time.Second / time.Duration(e.rate))
	defer tick.Stop()
	for i := range e.lookups {
		<-tick.C
		r := <-slots
		group.Go(func() {
			err := n.askAndReach(r, nameOf(from+i, 1))
			slots <- r
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed++
			}
		})
	}
	group.Wait()
	return failed, nil
}

func (n *namesNode) askAndReach(r *resolver, name string) error {
	addrs, _, err := r.ask(name)
	if err != nil {
		return err
	}
	if len(addrs) == 0 {
		return fmt.Errorf("%s has no address", name)
	}
	return n.reach(addrs[0])
}

// comeAndGo has names with a short TTL get other addresses all the time, while
// connections are open to some of them, and kills what enforces in the middle. It
// counts the connections that were cut, those to whose address no new one can be
// opened although they live, the first packets that were lost, the
// addresses that were known before the kill and closed after it, and those that are
// open and should not be.
func (e namesEffort) comeAndGo() benchmark {
	b := benchmark{names: []string{"dns/churn/cut", "dns/churn/forgotten", "dns/churn/failed-first", "dns/restart/lost", "dns/restart/opened"}}
	b.run = func(*regexp.Regexp) ([]figure, error) {
		n, err := newNamesNode()
		if err != nil {
			return nil, err
		}
		defer n.Close()
		n.ttl.Store(e.ttl)
		n.settings.Floor = time.Duration(e.ttl) * time.Second
		n.settings.Extra = n.settings.Floor // a busy machine looks up a little late
		if err := n.enforce(); err != nil {
			return nil, err
		}
		c := churned{namesNode: n, effort: e, latest: map[int]netip.Addr{}}
		if err := c.run(); err != nil {
			return nil, err
		}
		of := fmt.Sprintf("of %d", c.lookups)
		return []figure{
			{"dns/churn/cut", float64(c.cut), fmt.Sprintf("of %d", len(c.open)), "", 0},
			{"dns/churn/forgotten", float64(c.forgotten), fmt.Sprintf("of %d", len(c.open)), "", 0}, {"dns/churn/failed-first", float64(c.failed), of, "", 0},
			{"dns/restart/lost", float64(c.lost), fmt.Sprintf("of %d", c.restarted), "", 0}, {"dns/restart/opened", float64(c.opened), "", "", 0},
		}, n.err()
	}
	return b
}
