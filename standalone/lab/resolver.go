package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/tierwall/tierwall/labhost"
)

// resolverDir is where "ip netns exec" finds the files that it puts into /etc for a
// namespace.
const resolverDir = "/etc/netns"

// nameResolver writes down which DNS server a namespace asks.
func nameResolver(netns string, server netip.Addr) error {
	dir := filepath.Join(resolverDir, netns)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("resolver of %s: %w", netns, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), fmt.Appendf(nil, "nameserver %s\n", server), 0o644); err != nil {
		return fmt.Errorf("resolver of %s: %w", netns, err)
	}
	return nil
}

// forgetResolver takes that away. It leaves what others have put there.
func forgetResolver(netns string) error {
	dir := filepath.Join(resolverDir, netns)
	for _, path := range []string{filepath.Join(dir, "resolv.conf"), dir} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("resolver of %s: %w", netns, err)
		}
	}
	_ = os.Remove(resolverDir) // if it is empty
	return nil
}

// ServeNames has the lab's DNS server say these records and no others. The machine
// itself answers at those of their addresses that no other has, which must be of
// the fabric's networks.
func (l *Lab) ServeNames(ctx context.Context, records []labhost.Record) error {
	m := l.machines["ext:"+l.resolverName]
	if m == nil {
		return errors.New("the lab has no DNS server")
	}
	eth0, err := m.nl.LinkByIndex(m.eth0)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.lent {
		if err := m.nl.AddrDel(eth0, hostAddress(a)); err != nil {
			return fmt.Errorf("address %s of %s: %w", a, m.ref, err)
		}
	}
	l.lent = nil
	for _, r := range records {
		for _, a := range r.Addrs {
			if l.taken[a] != "" || slices.Contains(l.lent, a) {
				continue
			}
			if err := m.nl.AddrAdd(eth0, hostAddress(a)); err != nil {
				return fmt.Errorf("address %s of %s: %w", a, m.ref, err)
			}
			l.lent = append(l.lent, a)
		}
	}
	_, err = m.host.do(ctx, labhost.Request{Op: labhost.OpNames, Records: records})
	return err
}

// LentTo returns the machine that answers at an address of the names that ServeNames
// was given; empty if none does.
func (l *Lab) LentTo(a netip.Addr) (ref string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.lent, a) {
		return "ext:" + l.resolverName
	}
	return ""
}

// Resolver is the address of the DNS server that pods ask, IPv4; invalid if there
// is none.
func (l *Lab) Resolver() netip.Addr { return l.resolver }
