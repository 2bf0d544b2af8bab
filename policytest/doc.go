// Package policytest reads and runs PolicyTest objects: unit tests of policies,
// in the format of commands.md, and the form of the project's own conformance
// corpus (test/conformance).
//
//	tests, problems, err := policytest.Load([]string{"policies/"}, os.Stdin)
//	for _, t := range tests {
//		result := policytest.Run(t, policytest.Tables(t.State))
//		if !result.Pass() { ... }
//	}
//
// A Test carries its own State, made of nothing but the files and objects that
// it names. Run asks an Engine for decisions, so that the same tests run on the
// oracle, on the compiled tables, and, by comparing Check.Expect with real
// connections, on the kernel.
//
// What cannot be checked fails: a reference or policy that does not exist, an
// expectation about a direction that was never evaluated, a test without checks.
package policytest
