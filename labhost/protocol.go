package labhost

import (
	"net/netip"
	"time"
)

// Op is what a Request asks for. The zero value is no operation and is refused.
type Op string

// The operations.
const (
	// OpName sets the name that this process answers with: Name.
	OpName Op = "name"
	// OpListen starts a server on Proto and Port, on all addresses of both
	// families. The response comes when connections are accepted.
	OpListen Op = "listen"
	// OpUnlisten ends the server on Proto and Port. Its open connections go on.
	OpUnlisten Op = "unlisten"
	// OpNames starts a DNS server for Records, by UDP and TCP, or has the one that
	// there is say these.
	OpNames Op = "names"
	// OpLookup asks the DNS server at Server for the addresses of Domain, by Proto.
	OpLookup Op = "lookup"
	// OpDial makes one connection, exchanges one message and closes it.
	OpDial Op = "dial"
	// OpOpen is OpDial without the close: the response has the Conn.
	OpOpen Op = "open"
	// OpSend exchanges one message on an open Conn.
	OpSend Op = "send"
	// OpClose closes an open Conn.
	OpClose Op = "close"
)

// Proto is the protocol of a server or a connection.
type Proto string

// The protocols. ICMP is an echo request of the address's family, which the
// kernel of the machine at the address answers: it cannot be listened on.
const (
	TCP  Proto = "tcp"
	UDP  Proto = "udp"
	ICMP Proto = "icmp"
)

// Request is one line to the process. Which fields are read depends on Op.
type Request struct {
	// ID comes back in the Response. The caller keeps IDs distinct.
	ID uint64 `json:"id"`
	Op Op     `json:"op"`
	// Name is the identity to answer with, for example "blue/be-1".
	Name  string `json:"name,omitempty"`
	Proto Proto  `json:"proto,omitempty"`
	// Addr is the address to dial.
	Addr netip.Addr `json:"addr,omitzero"`
	// Domain is a name to dial instead of Addr, once Server was asked for its
	// addresses, or to look up.
	Domain string `json:"domain,omitempty"`
	// Server is the DNS server to ask.
	Server netip.Addr `json:"server,omitzero"`
	// Records are what a DNS server says.
	Records []Record `json:"records,omitempty"`
	// Port is the port to listen on or to dial.
	Port uint16 `json:"port,omitempty"`
	// LocalAddr is the source address of a connection, by TCP or UDP; the kernel
	// chooses if it is the zero one.
	LocalAddr netip.Addr `json:"localAddr,omitzero"`
	// LocalPort is the source port of a connection; 0 lets the kernel choose.
	LocalPort uint16 `json:"localPort,omitempty"`
	// Conn is the connection that OpSend and OpClose mean.
	Conn uint64 `json:"conn,omitempty"`
	// Timeout bounds the whole of a dial, open or send, the answer included, in
	// nanoseconds. Zero or less means DefaultTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// DefaultTimeout is how long an attempt without a Timeout may take.
const DefaultTimeout = time.Second

// Response is one line from the process.
type Response struct {
	ID uint64 `json:"id"`
	// Error says that the request itself could not be done (a port in use, an
	// unknown Conn, a malformed request). A connection that does not come about
	// is no error: see Result.
	Error string `json:"error,omitempty"`
	// Result is set for OpLookup, OpDial, OpOpen and OpSend.
	Result *Result `json:"result,omitempty"`
}

// Outcome is how an attempt to exchange a message went.
type Outcome string

// The outcomes. Only Answered means that traffic passed both ways.
const (
	// Answered: the server's answer came back.
	Answered Outcome = "answered"
	// TimedOut: no sign of the other side, as where packets are dropped.
	TimedOut Outcome = "timed out"
	// NoAnswer: the TCP connection was made, then nothing came back.
	NoAnswer Outcome = "no answer"
	// Refused: the other side answered that nothing listens (TCP reset, ICMP
	// port unreachable).
	Refused Outcome = "refused"
	// Unreachable: some router, or this kernel, said that there is no way
	// (ICMP host, network or administratively prohibited).
	Unreachable Outcome = "unreachable"
	// Blocked: this kernel refused to send (a drop on the output path).
	Blocked Outcome = "blocked"
	// Closed: an open connection was closed or reset by the other side.
	Closed Outcome = "closed"
	// Failed: anything else; Detail says what.
	Failed Outcome = "failed"
)

// Result is what an attempt found.
type Result struct {
	Outcome Outcome `json:"outcome"`
	// By is the name of the server that answered; empty without an answer and
	// for ICMP, where the kernel answers.
	By string `json:"by,omitempty"`
	// Seen is this side's address as the server saw it; zero without an answer.
	Seen netip.AddrPort `json:"seen,omitzero"`
	// Addrs are what a look-up found.
	Addrs []netip.Addr `json:"addrs,omitempty"`
	// Local is this side's own address; zero where no socket came about.
	Local netip.AddrPort `json:"local,omitzero"`
	// Conn is the open connection after OpOpen, else 0. It is 0 too where the
	// attempt was not answered: nothing stays open then.
	Conn uint64 `json:"conn,omitempty"`
	// Detail is the operating system's error, for people; empty if Answered.
	Detail string `json:"detail,omitempty"`
	// Duration is from the start of the attempt to its outcome, in nanoseconds.
	Duration time.Duration `json:"duration"`
}

// Connected reports whether traffic passed both ways.
func (r Result) Connected() bool { return r.Outcome == Answered }
