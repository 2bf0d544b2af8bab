// Package selector is the language in which policies say which labels they
// mean: parse, print, evaluate, rewrite, and derive requirements for indexing.
//
//	s, err := selector.Parse(`app == 'web' && env not in {'test', 'dev'}`)
//	if err != nil { ... }                       // a *SyntaxError: where, what, and what to write
//	s.Matches(selector.Map{"app": "web"})       // true: an absent label is not in the set
//	s.String()                                  // (app == "web" && env not in {"dev", "test"})
//
// The rules are those of semantics.md section 4 (grammar, meaning, canonical
// form) and section 6 (what is rewritten before a selector is used), with the
// decisions 3 and 4 of section 0: a selector that cannot be read is an error
// and never a wider selector, a newline is white space, and rewriting happens
// on the syntax tree, so that text inside a quoted value is never touched.
//
// # Grammar
//
//	selector := "" | or                        blank means all()
//	or       := and { "||" and }
//	and      := op { "&&" op }
//	op       := { "!" } term                   ! applies to the whole term, a comparison included
//	term     := "(" or ")" | "has(" LABEL ")" | "all()" | "global()" | LABEL cmp
//	cmp      := "==" STR | "!=" STR | "in" SET | "not in" SET
//	          | "contains" STR | "starts with" STR | "ends with" STR
//	SET      := "{" [ STR { "," STR } [","] ] "}"
//	STR      := '...' | "..."                  no escapes; may contain the other quote
//	LABEL    := 1 to 512 of A-Z a-z 0-9 _ . / -
//
// White space is space, tab, carriage return and newline. The words "not in",
// "starts with" and "ends with" may be written with any white space between
// them or none. Operator words are read as such only after a label, so labels
// may be called "in", "has" or "contains".
//
// # Canonical form
//
// String gives one text for selectors that differ only in spelling: values in
// double quotes (in single quotes where the value contains a double quote),
// sets sorted and without repetition, repeated "!" reduced by parity, nested
// ands in ands and ors in ors flattened, and exactly one pair of parentheses
// around each remaining and/or. It is not a normal form of logic: operands keep
// their order and all() is not simplified away, because rewriting must still
// find it.
//
// Parse(s.String()) gives a selector equal to s, with these exceptions, which
// only selectors built or rewritten by a program and very long ones can meet:
//
//   - a text above MaxLength or a label above MaxLabel, because the canonical
//     form may be longer than what the user wrote: ParseCanonical reads it;
//   - a value that contains both kinds of quotes, or a label name outside the
//     grammar, which only the constructors can make: it is written as a
//     backslash followed by a Go string literal, and no parser here reads it.
//
// Different selectors never share a String, in these cases either, so it is
// safe as a key for deduplication.
package selector
