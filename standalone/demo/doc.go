// Package demo brings the tutorial's cluster up as a lab, tells its user what
// to try, and walks the tutorial step by step with real connections (Check).
// The steps are the PolicyTests of test/conformance; two more, which no
// PolicyTest can say, are in special.go.
package demo
