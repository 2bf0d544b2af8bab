// Package flow holds the words in which Tierwall speaks of what happened: a
// Record of connections between two ends, with the decision of each end's
// policy, and the Filter by which records are asked for. It is a leaf; agents
// make records, the server keeps them, the commands and the Manager show them.
//
// # HTTP
//
// Agents put records on the channel of their reports, with the same token and
// the same right (docs/design/008-status.md):
//
//	POST /flows/v1?node=NODE   a Batch; 204, 409 if it was taken already,
//	                           429 with Retry-After if the store cannot follow
//
// Readers ask the same address with a token, or a client certificate, of their
// own. Who may `get flows.tierwall.dev` in all namespaces sees all records; who
// may in some sees those that have an end there.
//
//	GET /flows/v1?FILTER            a Page, newest first
//	GET /flows/v1?FILTER&follow=1   server-sent events: "flow" with a Record,
//	                                "lost" with a Loss, and comments to keep
//	                                the connection open
//	GET /flows/v1/stats?FILTER      a list of Count, by policy and rule
//	GET /flows/v1/together?FILTER   a list of Record, equal ones put together
//
// The parameters of FILTER are those that Filter.Values writes.
package flow
