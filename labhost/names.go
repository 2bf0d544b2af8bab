package labhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Record is what the DNS server of a machine says of a name.
type Record struct {
	// Name is without the dot at its end.
	Name string `json:"name"`
	// Addrs are the name's addresses, of both families.
	Addrs []netip.Addr `json:"addrs,omitempty"`
	// Alias is the name that this one stands for; empty if it has addresses.
	Alias string `json:"alias,omitempty"`
	// TTL is in seconds.
	TTL uint32 `json:"ttl,omitempty"`
}

// dnsPort is where names are asked for.
const dnsPort = 53

// zone answers for names.
type zone map[string]Record

// serveNames starts a DNS server for the records, by UDP and TCP. The one that is
// there has these from now on.
func (h *host) serveNames(records []Record) error {
	h.mu.Lock()
	known := h.zone != nil
	h.zone = zone{}
	for _, r := range records {
		h.zone[strings.ToLower(r.Name)] = r
	}
	h.mu.Unlock()
	if known {
		return nil
	}
	packets, err := net.ListenPacket("udp", fmt.Sprintf(":%d", dnsPort))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", dnsPort))
	if err != nil {
		return errors.Join(err, packets.Close())
	}
	servers := []*dns.Server{{PacketConn: packets, Handler: h}, {Listener: listener, Handler: h}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.Join(net.ErrClosed, packets.Close(), listener.Close())
	}
	h.servers[port{UDP, dnsPort}], h.servers[port{TCP, dnsPort}] = packets, listener
	for _, s := range servers {
		go func() { _ = s.ActivateAndServe() }()
	}
	return nil
}

// ServeDNS implements dns.Handler: all that the zone knows of the question, with
// what an alias stands for.
func (h *host) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	h.mu.Lock()
	z := h.zone
	h.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	if len(q.Question) == 1 {
		z.answer(m, q.Question[0])
	}
	_ = w.WriteMsg(m)
}

func (z zone) answer(m *dns.Msg, q dns.Question) {
	name := q.Name
	for range len(z) + 1 {
		r, ok := z[strings.ToLower(strings.TrimSuffix(name, "."))]
		if !ok {
			if len(m.Answer) == 0 {
				m.Rcode = dns.RcodeNameError
			}
			return
		}
		header := func(t uint16) dns.RR_Header {
			return dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET, Ttl: r.TTL}
		}
		for _, a := range r.Addrs {
			switch {
			case a.Is4() && q.Qtype == dns.TypeA:
				m.Answer = append(m.Answer, &dns.A{Hdr: header(dns.TypeA), A: a.AsSlice()})
			case a.Is6() && q.Qtype == dns.TypeAAAA:
				m.Answer = append(m.Answer, &dns.AAAA{Hdr: header(dns.TypeAAAA), AAAA: a.AsSlice()})
			}
		}
		if r.Alias == "" {
			return
		}
		next := dns.Fqdn(r.Alias)
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: header(dns.TypeCNAME), Target: next})
		name = next
	}
}

// lookup asks the server for the addresses of a name.
func (h *host) lookup(r Request) (*Result, error) {
	if !r.Server.IsValid() || r.Domain == "" {
		return nil, errors.New("a look-up needs a name and a server")
	}
	began := time.Now()
	ctx, cancel := context.WithDeadline(h.ctx, began.Add(timeout(r)))
	defer cancel()
	result := &Result{Outcome: Answered}
	addrs, err := resolve(ctx, r)
	if err != nil {
		result.Outcome, result.Detail = outcome(err, false), err.Error()
	}
	result.Addrs, result.Duration = addrs, time.Since(began)
	return result, nil
}

// resolve asks for the addresses of both families, IPv4 first.
func resolve(ctx context.Context, r Request) (addrs []netip.Addr, err error) {
	client := &dns.Client{Net: string(UDP)}
	if r.Proto == TCP && r.Op == OpLookup {
		client.Net = string(TCP)
	}
	for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(dns.Fqdn(r.Domain), t), netip.AddrPortFrom(r.Server, dnsPort).String())
		if err != nil {
			return addrs, err
		}
		for _, rr := range answer.Answer {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				addrs = append(addrs, a.Unmap())
			}
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address", r.Domain)
	}
	return addrs, nil
}

// dialName looks a name up and dials its first address at once.
func (h *host) dialName(r Request) (*Result, error) {
	began := time.Now()
	found, err := h.lookup(r)
	if err != nil || !found.Connected() {
		return found, err
	}
	r.Addr, r.Domain = found.Addrs[0], ""
	if r.Timeout = timeout(r) - time.Since(began); r.Timeout <= 0 {
		return &Result{Outcome: TimedOut, Addrs: found.Addrs, Duration: time.Since(began)}, nil
	}
	result, err := h.dial(r)
	if result != nil {
		result.Addrs = found.Addrs
	}
	return result, err
}
