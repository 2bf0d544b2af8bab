package domain

import (
	"iter"
	"strings"
)

// Index finds the patterns that stand for a name, in steps that follow the
// labels of the name and not the number of patterns. Each pattern is there once
// and has a value. The zero value is not ready: use NewIndex.
type Index[T any] struct {
	exact map[Name]T
	// wild are the patterns with a wildcard, by what stands behind it and then
	// before it.
	wild map[Name]map[string]T
}

// NewIndex returns an index of no patterns.
func NewIndex[T any]() *Index[T] {
	return &Index[T]{exact: map[Name]T{}, wild: map[Name]map[string]T{}}
}

// Put gives a pattern its value.
func (x *Index[T]) Put(p Pattern, v T) {
	if n, ok := p.Exact(); ok {
		x.exact[n] = v
		return
	}
	under := p.Under()
	if x.wild[under] == nil {
		x.wild[under] = map[string]T{}
	}
	x.wild[under][p.head()] = v
}

// Find returns the value of a pattern.
func (x *Index[T]) Find(p Pattern) (T, bool) {
	if n, ok := p.Exact(); ok {
		v, ok := x.exact[n]
		return v, ok
	}
	v, ok := x.wild[p.Under()][p.head()]
	return v, ok
}

// Remove takes a pattern away.
func (x *Index[T]) Remove(p Pattern) {
	if n, ok := p.Exact(); ok {
		delete(x.exact, n)
		return
	}
	under := p.Under()
	if delete(x.wild[under], p.head()); len(x.wild[under]) == 0 {
		delete(x.wild, under)
	}
}

// Match calls f with the value of every pattern that stands for the name.
func (x *Index[T]) Match(n Name, f func(T)) {
	if v, ok := x.exact[n]; ok {
		f(v)
	}
	if len(x.wild) == 0 {
		return
	}
	for at := range len(n) {
		if n[at] != '.' {
			continue
		}
		if heads := x.wild[n[at+1:]]; heads != nil {
			matchHeads(heads, string(n[:at+1]), f)
		}
	}
}

// matchHeads calls f for the heads, "" or "api.", that leave at least one label
// of what stands before the rest of a name, as "api.eu.".
func matchHeads[T any](heads map[string]T, before string, f func(T)) {
	for end := 0; end < len(before); {
		if v, ok := heads[before[:end]]; ok {
			f(v)
		}
		end += strings.IndexByte(before[end:], '.') + 1
	}
}

// All yields every pattern with its value, in no order.
func (x *Index[T]) All() iter.Seq2[Pattern, T] {
	return func(yield func(Pattern, T) bool) {
		for n, v := range x.exact {
			if !yield(Pattern{text: n, exact: true}, v) {
				return
			}
		}
		for under, heads := range x.wild {
			for head, v := range heads {
				if !yield(Pattern{text: Name(head) + "*." + under, star: int16(len(head))}, v) {
					return
				}
			}
		}
	}
}

// Len returns how many patterns there are.
func (x *Index[T]) Len() int {
	n := len(x.exact)
	for _, heads := range x.wild {
		n += len(heads)
	}
	return n
}
