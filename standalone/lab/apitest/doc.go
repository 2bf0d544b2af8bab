// Package apitest holds the tests of lab.Sync against a real API server. They
// have a package of their own because the server is a large part of a program:
// the lab's other tests, and the processes that they start, stay small.
package apitest
