package compile

// idPool gives numbers out. One that was given back is used again only when
// so many others were given back after it that nothing can still hold it.
type idPool struct {
	next     uint64
	returned []uint64 // oldest first
	patience int
}

// patience is how many numbers must be given back before the first of them is
// used again: hours of change for a dataplane that has fallen behind, and far
// from the 2³¹ numbers that there are.
const patience = 1 << 20

func newIDs(first uint64) *idPool { return &idPool{next: first, patience: patience} }

func (p *idPool) take() uint64 {
	if len(p.returned) > p.patience {
		id := p.returned[0]
		p.returned = p.returned[1:]
		return id
	}
	p.next++
	return p.next - 1
}

func (p *idPool) give(id uint64) { p.returned = append(p.returned, id) }
