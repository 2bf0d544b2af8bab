package agent

import (
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// news is what happened since the server last heard of this node: how far the
// API was followed, and which policies began or ceased to apply to something
// here.
type news struct {
	// versions are, by kind of policy, how far the API was followed. told says
	// that there is more in it than changes of status, which the server's own
	// writing makes.
	versions map[string]string
	told     bool
	// policies counts the sets in which a policy is; ofSet has those that are in a
	// set.
	policies map[verdict.PolicyID]int
	ofSet    map[table.SetID]*table.Ends
	// touched are policies that came or went.
	touched map[verdict.PolicyID]bool
}

func newNews() news {
	return news{versions: map[string]string{}, policies: map[verdict.PolicyID]int{}, ofSet: map[table.SetID]*table.Ends{}, touched: map[verdict.PolicyID]bool{}}
}

// reach notes how far the API has told.
func (n *news) reach(u update) {
	if u.kind != "" {
		n.versions[u.kind] = u.version
		n.told = n.told || u.changed
	}
}

// sets notes which policies are in the tables.
func (n *news) sets(d *table.Delta) {
	for _, s := range d.NewSets {
		n.ofSet[s.ID] = s.Ends
		for _, p := range s.Ends.Policies() {
			if n.policies[p]++; n.policies[p] == 1 {
				n.touched[p] = true
			}
		}
	}
	for _, id := range d.OldSets {
		for _, p := range n.ofSet[id].Policies() {
			if n.policies[p]--; n.policies[p] == 0 {
				delete(n.policies, p)
				n.touched[p] = true
			}
		}
		delete(n.ofSet, id)
	}
}
