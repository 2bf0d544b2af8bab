// Package managertest holds the tests of the Manager that need a real API
// server.
package managertest
