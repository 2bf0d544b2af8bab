// Package model is the state of the world that verdicts depend on, as pure
// values: namespaces, service accounts, endpoints, network sets, tiers,
// policies and profiles, in the form in which rules are evaluated (selectors
// already rewritten for their scope, defaults filled in).
//
// translate makes these values from API objects; evaluate (the oracle) and
// compile (the tables) read them and share nothing else. State changes by
// Change values, one object at a time, so that a compiler can follow.
package model
