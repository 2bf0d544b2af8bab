// Package server is the cluster's side of Tierwall: what there is one of, beside
// the agents that there is one of on each node.
//
//	webhook.go        the HTTPS end of admission: reviews in, answers out
//	judge.go          what is refused, what only warned of, and with what words
//	stamp.go          what is written into an object on its way in
//	tiers.go          whether a tier is there, and what is in it, asked live
//	configuration.go  how the API server is told of the webhook
//	certificate.go    the server's certificate: from files, or signed by itself
//	authority.go      the authority that signs it, shared by all servers
//	leader.go         of several servers behind one service, who hears and writes
//	reports.go        where agents report to
//	health.go         /livez and /readyz
//	watch.go          what there is, by one reflector a kind
//	controller.go     the loop: which writes are due
//	condition.go      the words of Accepted and Ready
//	write.go          those writes: conditions, and the finalizer of tiers
//	nodehosts.go      the host endpoints that are made of nodes
//	access.go         what a user may do in which tier
//
// The CRDs (api/crds) hold what a schema and CEL can say, the admission policies
// in package deploy hold who may do what in which tier; both hold without a
// server. This package adds what they cannot say. docs/design/004-admission.md
// has the whole picture, and what happens when the server is down.
package server
