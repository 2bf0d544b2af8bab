package answer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/tierwall/tierwall/domain"
)

// Question is what a client asked, by which its answer is known.
type Question struct {
	// ID is the number that the client chose.
	ID uint16
	// Name is as it is written on the wire, in lower case.
	Name string
	Type uint16
}

// Answer is what a message says. Gives is in the order of the records.
type Answer struct {
	Question
	Gives []Given
	// Truncated says that the server had more to say.
	Truncated bool
	// Ignored counts addresses that are beyond MaxAddresses.
	Ignored int
}

// Given is an address that an answer gives to a name.
type Given struct {
	Name domain.Name
	Addr netip.Addr
	// TTL is the shortest on the way from the name to the address.
	TTL time.Duration
	// Via is the name whose own record it is; empty if that is Name.
	Via domain.Name
}

// Bounds on one answer. What is beyond them is not learned.
const (
	// MaxAddresses is how many pairs of a name and an address count.
	MaxAddresses = 4096
	// maxAliases is how many names a chain of CNAMEs may have.
	maxAliases = 32
)

// Why a message teaches nothing.
var (
	ErrNotAnswer = errors.New("not an answer to a question")
	ErrMalformed = errors.New("malformed")
)

// ParseQuestion reads the question of a query. An answer is none.
func ParseQuestion(message []byte) (Question, error) {
	if len(message) < 12 || message[2]&0x80 != 0 {
		return Question{}, ErrNotAnswer
	}
	return question(message)
}

// question reads the header and the first question, which must be the only one.
func question(message []byte) (q Question, err error) {
	if message[4] != 0 || message[5] != 1 || message[2]&0x78 != 0 {
		return q, ErrNotAnswer
	}
	name, next, err := dns.UnpackDomainName(message, 12)
	if err != nil || next+4 > len(message) {
		return q, fmt.Errorf("%w: its question", ErrMalformed)
	}
	return Question{
		ID: uint16(message[0])<<8 | uint16(message[1]), Name: strings.ToLower(name),
		Type: uint16(message[next])<<8 | uint16(message[next+1]),
	}, nil
}

// Parse reads an answer. One that says that there is no such name, or that
// something went wrong, gives nothing and is no error.
func Parse(message []byte) (*Answer, error) {
	if len(message) < 12 || message[2]&0x80 == 0 {
		return nil, ErrNotAnswer
	}
	q, err := question(message)
	if err != nil {
		return nil, err
	}
	var m dns.Msg
	if err := m.Unpack(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if count := int(message[6])<<8 | int(message[7]); count != len(m.Answer) && !m.Truncated {
		return nil, fmt.Errorf("%w: %d of %d records", ErrMalformed, len(m.Answer), count)
	}
	a := &Answer{Question: q, Truncated: m.Truncated}
	if m.Rcode == dns.RcodeSuccess {
		a.follow(index(m.Answer))
	}
	return a, nil
}

// records are an answer's, by the name that has them, in lower case.
type records map[string]*record

// record is what a name has.
type record struct {
	addrs []given
	alias []given
}

// given is an address or an alias, with its TTL.
type given struct {
	addr netip.Addr
	name string
	ttl  time.Duration
}

func index(list []dns.RR) records {
	all := records{}
	for _, rr := range list {
		h := rr.Header()
		if h.Class != dns.ClassINET {
			continue
		}
		g := given{ttl: time.Duration(h.Ttl) * time.Second}
		if h.Ttl > 1<<31-1 {
			g.ttl = 0 // RFC 2181 section 8
		}
		switch rr := rr.(type) {
		case *dns.A:
			g.addr, _ = netip.AddrFromSlice(rr.A)
			g.addr = g.addr.Unmap()
		case *dns.AAAA:
			g.addr, _ = netip.AddrFromSlice(rr.AAAA)
		case *dns.CNAME:
			g.name = strings.ToLower(rr.Target)
		default:
			continue
		}
		owner := strings.ToLower(h.Name)
		if all[owner] == nil {
			all[owner] = &record{}
		}
		switch {
		case g.name != "":
			all[owner].alias = append(all[owner].alias, g)
		case g.addr.IsValid() && !g.addr.Is4In6():
			all[owner].addrs = append(all[owner].addrs, g)
		}
	}
	return all
}

// step is a name that the question leads to.
type step struct {
	name string
	ttl  time.Duration
}

// follow gives the addresses to which the question leads to every name that
// leads there. A name that leads to itself has no more than it had.
func (a *Answer) follow(all records) {
	way := []step{{a.Name, 1<<31 - 1}}
	seen := map[string]bool{a.Name: true}
	way[0].ttl *= time.Second
	for len(way) <= maxAliases {
		r := all[way[len(way)-1].name]
		if r == nil {
			return
		}
		for _, g := range r.addrs {
			a.give(way, g)
		}
		// Of several aliases, which no server may give, only the first counts.
		if len(r.alias) == 0 || seen[r.alias[0].name] {
			return
		}
		seen[r.alias[0].name] = true
		way = append(way, step{r.alias[0].name, r.alias[0].ttl})
	}
}

// give gives an address to the names on the way to it, the last first.
func (a *Answer) give(way []step, g given) {
	via, err := domain.ParseName(way[len(way)-1].name)
	if err != nil {
		via = ""
	}
	ttl := g.ttl
	for i := len(way) - 1; i >= 0; i-- {
		if i < len(way)-1 {
			ttl = min(ttl, way[i+1].ttl)
		}
		name, err := domain.ParseName(way[i].name)
		if err != nil {
			continue
		}
		if len(a.Gives) == MaxAddresses {
			a.Ignored++
			continue
		}
		one := Given{Name: name, Addr: g.addr, TTL: ttl}
		if i < len(way)-1 {
			one.Via = via
		}
		a.Gives = append(a.Gives, one)
	}
}
