package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is something that a user got wrong, or that is not supported, in a
// form that a person and a program can act on. Problems are values: all of
// them are collected, none stops the others from being found.
type Problem struct {
	// Code is stable and names the class of the problem, for instance
	// "selector-syntax".
	Code string `json:"code"`
	// Object is Kind/namespace/name.
	Object string `json:"object"`
	// Path is the field, for instance spec.ingress[0].source.selector; empty
	// for the object as a whole.
	Path string `json:"path,omitempty"`
	// File, Line and Column say where that stands, counted from 1; empty and 0
	// if it did not come from a file.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Offset is where in the field's text the fault is, in bytes from 0, for
	// texts with a grammar of their own such as selectors.
	Offset int `json:"-"`
	// Message says what is wrong; Hint what to do about it.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Warning says that the object is right and means what it says, and that
	// this may not be what was meant. Nothing fails because of a warning.
	Warning bool `json:"warning,omitempty"`
}

// String returns "file:line:column: object: path: message (hint)".
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	}
	for _, part := range []string{p.Object, p.Path} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// SortProblems orders problems by place, then by object, field and code.
func SortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Code, b.Code))
	})
}
