package compile

// few is how many entries a small map holds in a plain list.
const few = 12

// small is a map that is a list as long as it has few entries, as nearly all
// of them do. The zero value is empty.
type small[K comparable, V any] struct {
	entries []entry[K, V]
	// index finds the place of a key; nil while there are few.
	index map[K]int32
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// set is a set that is a list as long as it has few members.
type set[K comparable] = small[K, struct{}]

func (m *small[K, V]) find(k K) int {
	if m.index != nil {
		if i, ok := m.index[k]; ok {
			return int(i)
		}
		return -1
	}
	for i := range m.entries {
		if m.entries[i].key == k {
			return i
		}
	}
	return -1
}

func (m *small[K, V]) get(k K) (v V, ok bool) {
	if i := m.find(k); i >= 0 {
		return m.entries[i].value, true
	}
	return v, false
}

func (m *small[K, V]) put(k K, v V) {
	if i := m.find(k); i >= 0 {
		m.entries[i].value = v
		return
	}
	if m.index != nil {
		m.index[k] = int32(len(m.entries))
	}
	m.entries = append(m.entries, entry[K, V]{k, v})
	if m.index == nil && len(m.entries) > few {
		m.index = make(map[K]int32, 2*few)
		for i := range m.entries {
			m.index[m.entries[i].key] = int32(i)
		}
	}
}

// smallOf returns a map of entries whose keys differ, which it takes over.
func smallOf[K comparable, V any](entries []entry[K, V]) small[K, V] {
	m := small[K, V]{entries: entries}
	if len(entries) > few {
		m.index = make(map[K]int32, len(entries))
		for i := range entries {
			m.index[entries[i].key] = int32(i)
		}
	}
	return m
}

func (m *small[K, V]) remove(k K) {
	i := m.find(k)
	if i < 0 {
		return
	}
	last := len(m.entries) - 1
	if m.index != nil {
		m.index[m.entries[last].key] = int32(i)
		delete(m.index, k)
	}
	m.entries[i] = m.entries[last]
	m.entries[last] = entry[K, V]{}
	m.entries = m.entries[:last]
	switch last {
	case 0:
		*m = small[K, V]{}
	case few / 2:
		m.index = nil
	}
}

func (m *small[K, V]) len() int { return len(m.entries) }

// emptied returns the map without its entries; a large one is left to the
// garbage collector, since clearing it takes as long as it once was.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > 256 {
		return map[K]V{}
	}
	clear(m)
	return m
}
