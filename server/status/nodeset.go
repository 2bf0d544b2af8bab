package status

import (
	"iter"
	"math/bits"
)

// nodeSet is a set of nodes, by their places: with thousands of policies that
// apply on thousands of nodes, a bit for each pair. nil is the empty set.
type nodeSet struct {
	words []uint64
	n     int
}

func (s *nodeSet) has(bit int) bool {
	return s != nil && bit/64 < len(s.words) && s.words[bit/64]&(1<<(bit%64)) != 0
}

// put adds a node; false if it was there.
func (s *nodeSet) put(bit int) bool {
	if s.has(bit) {
		return false
	}
	for bit/64 >= len(s.words) {
		s.words = append(s.words, 0)
	}
	s.words[bit/64] |= 1 << (bit % 64)
	s.n++
	return true
}

// drop takes a node out; false if it was not there.
func (s *nodeSet) drop(bit int) bool {
	if !s.has(bit) {
		return false
	}
	s.words[bit/64] &^= 1 << (bit % 64)
	s.n--
	return true
}

func (s *nodeSet) len() int {
	if s == nil {
		return 0
	}
	return s.n
}

func (s *nodeSet) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		if s == nil {
			return
		}
		for i, word := range s.words {
			for ; word != 0; word &= word - 1 {
				if !yield(i*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}
