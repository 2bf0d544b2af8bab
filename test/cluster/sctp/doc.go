// Package sctp is as much of SCTP (RFC 9260) as the upstream suites' agnhost
// needs, over raw IP sockets: an association with one stream, one message at a
// time. agnhost is built with it, in the place of the package of this name that
// uses the kernel's SCTP, where the kernel has none (../build.sh): a policy that
// speaks of SCTP sees real packets all the same, with real handshakes for
// connection tracking.
//
// It keeps the names and types of what it stands in for. It has no congestion
// control, no multihoming, no heartbeats, and believes everybody on the test's
// own network.
package sctp
