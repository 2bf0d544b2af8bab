package analysis

import (
	"fmt"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// Move asks to put a policy somewhere else. Before and After name a policy of
// the tier; at most one is set; neither means last in the tier.
type Move struct {
	Policy        verdict.PolicyID
	Tier          string
	Before, After verdict.PolicyID
}

// Placed is the tier and order that a policy gets.
type Placed struct {
	Policy verdict.PolicyID
	Tier   string
	Order  float64
	// Was is the order that it had; nil for none, which is last.
	Was *float64
}

// step is the distance of orders where there is room.
const step = 100

// Reorder returns the orders to write so that a policy comes to stand where the
// move says: one if there is room between the neighbours, else also those of
// policies around. An error says why it cannot be.
func Reorder(s *model.State, m Move) ([]Placed, error) {
	moved := s.Policies[m.Policy]
	if moved == nil {
		return nil, fmt.Errorf("there is no policy %s", m.Policy)
	}
	if !Movable(m.Policy.Kind) {
		return nil, fmt.Errorf("%s cannot be moved: where it stands is fixed by Kubernetes", m.Policy)
	}
	if _, ok := s.Tiers[m.Tier]; !ok {
		return nil, fmt.Errorf("there is no tier %q", m.Tier)
	}
	rest := othersIn(s, m)
	at, err := target(rest, m)
	if err != nil {
		return nil, err
	}
	order := slices.Insert(rest, at, moved)
	if fits(order, at, m.Tier, moved) {
		return nil, nil
	}
	return place(order, at, m.Tier)
}

// Movable reports whether policies of a kind have an order that can be written.
func Movable(kind string) bool {
	return kind == "NetworkPolicy" || kind == "GlobalNetworkPolicy"
}

// othersIn are the policies of the tier without the moved one, in order.
func othersIn(s *model.State, m Move) []*model.Policy {
	var all []*model.Policy
	for _, p := range s.Policies {
		if p.Tier == m.Tier && p.ID != m.Policy {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, model.ComparePolicies)
	return all
}

func target(rest []*model.Policy, m Move) (int, error) {
	neighbour, after := m.Before, 0
	if !m.After.IsZero() {
		neighbour, after = m.After, 1
	}
	if neighbour.IsZero() {
		return len(rest), nil
	}
	i := slices.IndexFunc(rest, func(p *model.Policy) bool { return p.ID == neighbour })
	if i < 0 {
		return 0, fmt.Errorf("%s is not in the tier %q", neighbour, m.Tier)
	}
	return i + after, nil
}

// fits reports whether the policy stands there already.
func fits(order []*model.Policy, at int, tier string, moved *model.Policy) bool {
	return moved.Tier == tier && (at == 0 || model.ComparePolicies(order[at-1], moved) < 0) &&
		(at == len(order)-1 || model.ComparePolicies(moved, order[at+1]) < 0)
}

// place finds orders for the policy at an index and, as far as there is no room,
// for those before and after it, as few as it can. Policies that cannot be
// moved are walls.
func place(order []*model.Policy, at int, tier string) ([]Placed, error) {
	for span := 0; span < 2*len(order)+1; span++ {
		for first := at - span; first <= at; first++ {
			last := first + span
			if first < 0 || last >= len(order) {
				continue
			}
			if out := between(order, first, last, tier); out != nil {
				return out, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no order between the policies around that Kubernetes puts where they are")
}

// between gives the policies first to last orders strictly between their
// neighbours; nil if there is no room or one of them cannot be moved.
func between(order []*model.Policy, first, last int, tier string) []Placed {
	for _, p := range order[first : last+1] {
		if !Movable(p.ID.Kind) {
			return nil
		}
	}
	n := float64(last - first + 1)
	var low, high *float64
	if first > 0 {
		if low = order[first-1].Order; low == nil {
			return nil // nothing can be written that is after one without an order
		}
	}
	if last < len(order)-1 {
		high = order[last+1].Order
	}
	start, distance := float64(step), float64(step)
	switch {
	case low != nil && high != nil:
		distance = (*high - *low) / (n + 1)
		if distance >= 2 { // round numbers where there is room
			distance = float64(int64(distance))
		}
		start = *low + distance
	case low != nil:
		start = *low + distance
	case high != nil:
		start = *high - n*distance
	}
	var out []Placed
	previous := low
	for i, p := range order[first : last+1] {
		o := start + float64(i)*distance
		if previous != nil && o <= *previous || high != nil && o >= *high {
			return nil
		}
		out = append(out, Placed{Policy: p.ID, Tier: tier, Order: o, Was: p.Order})
		previous = &o
	}
	return out
}
