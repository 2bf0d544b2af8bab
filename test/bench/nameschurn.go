package main

import (
	"net"
	"net/netip"
	"time"
)

// longLived is how many connections are open all the time.
const longLived = 50

// churned is a run in which names come and go.
type churned struct {
	*namesNode
	effort namesEffort

	latest map[int]netip.Addr
	open   []net.Conn

	lookups, failed, cut    int
	forgotten               int
	restarted, lost, opened int
}

// run lets names come and go for as long as the effort says, and restarts what
// enforces in the middle.
func (c *churned) run() error {
	r, err := c.resolver()
	if err != nil {
		return err
	}
	defer r.Close()
	began := time.Now()
	round := time.Duration(c.effort.ttl) * time.Second
	for turn := 0; time.Since(began) < c.effort.churn; turn++ {
		c.turn.Store(uint32(turn * 2 * c.effort.names)) // no address is used twice
		if err := c.round(r, began.Add(time.Duration(turn+1)*round)); err != nil {
			return err
		}
		if c.talk(); time.Since(began) > c.effort.churn/2 && c.restarted == 0 {
			if err := c.restart(); err != nil {
				return err
			}
		}
	}
	c.talk()
	for _, conn := range c.open {
		to, ok := conn.RemoteAddr().(*net.TCPAddr)
		if ok && c.reach(to.AddrPort().Addr().Unmap()) != nil {
			c.forgotten++
		}
		_ = conn.Close()
	}
	return nil
}

// round looks all names up once, spread over the time until the next.
func (c *churned) round(r *resolver, until time.Time) error {
	pace := time.Until(until) / time.Duration(c.effort.names)
	for i := range c.effort.names {
		c.lookups++
		addrs, _, err := r.ask(nameOf(i, 1))
		if err != nil {
			return err
		}
		c.latest[i] = addrs[0]
		conn, err := c.namesNode.open(addrs[0])
		switch {
		case err != nil:
			c.failed++
		case len(c.open) < longLived && i%7 == 0:
			c.open = append(c.open, conn)
		default:
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		if pace > 0 {
			time.Sleep(pace - time.Duration(c.lookups%2)) // the pace of clients
		}
		if i%200 == 0 {
			c.talk()
		}
	}
	return nil
}

// talk sends a byte on each open connection and waits for it.
func (c *churned) talk() {
	kept := c.open[:0:0]
	for _, conn := range c.open {
		_ = conn.SetDeadline(time.Now().Add(firstPacket))
		one := []byte{1}
		if _, err := conn.Write(one); err != nil {
			c.cut++
			continue
		}
		if _, err := conn.Read(one); err != nil {
			c.cut++
			continue
		}
		kept = append(kept, conn)
	}
	c.open = kept
}

// restart kills what enforces and begins again. What was learned is open, by new
// connections, while nobody enforces and afterwards; what was not is closed.
func (c *churned) restart() error {
	c.kill()
	check := func() {
		for i := c.effort.names - c.effort.names/10; i < c.effort.names; i++ { // the last looked up
			c.restarted++
			if c.reach(c.latest[i]) != nil {
				c.lost++
			}
		}
		if c.reach(addressAt(1<<17-7)) == nil {
			c.opened++
		}
	}
	check()
	if err := c.enforce(); err != nil {
		return err
	}
	check()
	return nil
}
