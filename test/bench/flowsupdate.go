package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	events "github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/test/bench/testbed"
)

// flowsUpdate measures the processor's time of reading the kernel's table once for
// the traffic of connections that go on, of which all have had some.
func flowsUpdate(connections int) benchmark {
	name := fmt.Sprintf("flows/update-%d", connections)
	return benchmark{names: []string{name}, run: func(*regexp.Regexp) ([]figure, error) {
		r, err := startRecorded(allRecorded)
		if err != nil {
			return nil, err
		}
		defer r.stop()
		const ports = 1000
		err = r.node.InClient(func() error {
			for port := 10_000; port < 10_000+connections/ports; port++ {
				c, err := net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", port))
				if err != nil {
					return err
				}
				for to := range ports {
					for range 2 { // the first packet is counted when it begins
						if _, err := c.WriteTo([]byte{0}, &net.UDPAddr{IP: testbed.ServerAddr.AsSlice(), Port: ports + to}); err != nil {
							return errors.Join(err, c.Close())
						}
					}
				}
				if err := c.Close(); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond) // the queue of the pair holds a thousand
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		found, waited := 0, 0
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := threadTime()
		err = events.Dump(int(r.node.NS), func(e *events.Event) {
			found++
			for !r.collect.Update(e) {
				waited++
				r.collect.Take()
			}
		})
		took := threadTime() - before
		fmt.Fprintf(os.Stderr, "%s: %d connections in the table, %d remembered; an agent would have waited for %d windows of 250 ms\n", name, found, r.collect.Open(), waited)
		return []figure{{Name: name, Value: took.Seconds() * 1000, Unit: "ms"}}, err
	}}
}

// threadTime is what the thread has taken of a processor.
func threadTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		panic(err) // every kernel has it
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
