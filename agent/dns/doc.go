// Package dns learns from the DNS answers to a node's endpoints which addresses
// domain names have, and holds each answer back until policy knows.
//
//	answer   what a DNS message says          query    what was asked
//	packet   the headers before it            book     what is known, and how long
//	stream   messages over TCP                journal  the same on disk
//	                                          live     which addresses connections use
//
// A Learner puts them together. The kernel hands it copies of the queries that go
// to trusted servers, and the answers, which wait (dataplane.DNS). An answer that
// was asked for, and gives a name that policy speaks of an address that is new, is
// written to the journal and told to the agent; it goes on when the agent has put
// it into the kernel's tables, or after a deadline. All other answers go on at
// once, as do all if nobody listens: DNS is never cut off, only what is learned is.
package dns
