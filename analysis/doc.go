// Package analysis answers questions about a state: what happens to one
// connection and why (Explain), which policies hold for an endpoint
// (Effective), what a selector matches (Select). A connection is walked through
// all checkpoints that its first packet meets, those of host endpoints too
// (Decide).
//
// Answers are structs that marshal to the JSON of commands.md. Verdicts come
// from the compiled tables, and the oracle adds the rules that did not match;
// that the two agree is checked each time, and a difference is an error that
// shows both, never a silent choice of one.
package analysis
