// Package manager is what the Manager's pages talk to: an HTTP API, described in
// openapi.yaml, and the pages themselves.
//
// The document comes first: api.gen.go is generated from it (make generate), and
// so is the client in ui/.
package manager
