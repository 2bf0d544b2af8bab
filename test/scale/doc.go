// Package scale makes large worlds of API objects, for measurements of what
// reads the API: the Manager in test/bench, and the Manager's pages, for which
// test/scale/load writes such a world into an API server.
package scale
