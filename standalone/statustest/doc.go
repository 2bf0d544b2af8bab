// Package statustest holds tests of what nodes report and what is made of it,
// against a real API server: agents run in the test's process, over a model of
// a kernel.
package statustest
