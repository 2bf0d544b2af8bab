// Package domain is about domain names as policy speaks of them: their normal
// form, the patterns that rules and network sets have (exact, or with one
// wildcard for a run of whole labels: semantics.md section 16), and an index
// that finds the patterns which a name matches.
//
// It knows nothing of addresses, and nothing of the DNS protocol. It is a leaf.
package domain
