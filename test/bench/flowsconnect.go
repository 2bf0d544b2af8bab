package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	events "github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/test/bench/testbed"
)

// What flowsConnect compares: a node that records nothing, one of which somebody
// asks the kernel for the events that recording needs and throws them away unread,
// and one that records.
const (
	notRecorded = iota
	thrownAway
	allRecorded
)

// flowsConnect measures what recording takes of the connections that a node does
// in a second, from two threads, and of the processors' time for one. The three
// are measured in turns. The time is that of this process, which has the clients,
// the servers, the node's way of their packets and what records; the load of others
// changes it little, and the rate much. It is without what the kernel does in
// threads of its own: taking old connections out of its table.
func flowsConnect(rounds int, each time.Duration) benchmark {
	names := []string{"flows/connect", "flows/connect-floor", "flows/cpu", "flows/cpu-floor"}
	return benchmark{names: names, run: func(*regexp.Regexp) ([]figure, error) {
		off, err := startRecorded(notRecorded)
		if err != nil {
			return nil, err
		}
		defer off.stop()
		floor, err := startRecorded(thrownAway)
		if err != nil {
			return nil, err
		}
		defer floor.stop()
		forget, err := throwAway(floor.node)
		if err != nil {
			return nil, err
		}
		defer forget()
		on, err := startRecorded(allRecorded)
		if err != nil {
			return nil, err
		}
		defer on.stop()
		nodes := [...]*testbed.Node{notRecorded: off.node, thrownAway: floor.node, allRecorded: on.node}
		var rates, cpus [len(nodes)][]float64
		connections := 0.0
		for range rounds {
			for _, i := range rand.Perm(len(nodes)) {
				before, began := processTime(), time.Now()
				rate, err := nodes[i].ConnectFor(80, each, 2)
				if err != nil {
					return nil, err
				}
				n := rate * time.Since(began).Seconds()
				rates[i] = append(rates[i], rate)
				cpus[i] = append(cpus[i], float64((processTime()-before).Microseconds())/n)
				if i == allRecorded {
					connections += n
				}
			}
		}
		time.Sleep(time.Second)
		on.mu.Lock()
		defer on.mu.Unlock()
		fmt.Fprintf(os.Stderr, "%s: of %.0f connections %d are recorded; lost: %+v; of the rate %.1f %% is lost, %.1f %% at the floor; of the processors' time %.1f and %.1f %% more is taken\n",
			names[0], connections, on.allowed, on.lost, 100-100*median(rates[allRecorded])/median(rates[notRecorded]), 100-100*median(rates[thrownAway])/median(rates[notRecorded]),
			100*median(cpus[allRecorded])/median(cpus[notRecorded])-100, 100*median(cpus[thrownAway])/median(cpus[notRecorded])-100)
		return []figure{
			{names[0], median(rates[allRecorded]), "1/s", "recording off", median(rates[notRecorded])},
			{names[1], median(rates[thrownAway]), "1/s", "recording off", median(rates[notRecorded])},
			{names[2], median(cpus[allRecorded]), "us", "recording off", median(cpus[notRecorded])},
			{names[3], median(cpus[thrownAway]), "us", "recording off", median(cpus[notRecorded])},
		}, nil
	}}
}

// throwAway asks a node's kernel for events of connections and does not look at
// them.
func throwAway(n *testbed.Node) (stop func(), err error) {
	l, err := events.Listen(int(n.NS))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Discard(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "flows: throwing away ended:", err)
		}
	}, nil
}

// processTime is what this process has taken of the processors.
func processTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // every kernel has it
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
