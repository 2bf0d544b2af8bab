package translate

import "fmt"

// How much an object may hold, as the definitions of the kinds have it
// (semantics.md section 3). Package selector has the limit of selectors.
const (
	maxRules    = 1024 // of one direction
	maxNets     = 256
	maxPorts    = 50
	maxAccounts = 1024
	maxHTTP     = 20
)

// atMost returns a list of a rule, cut to what it may hold. What is left out is
// one problem, however long the list, and the direction is denied: nothing
// beyond the limit is looked at, so that a list of a million costs nothing.
func atMost[T any](r *ruleReader, in []T, most int, path, remedy string) []T {
	if len(in) <= most {
		return in
	}
	r.fail(tooLong(path, len(in), most, "items", remedy))
	return in[:most]
}

// tooLong is the problem of a field with more than it may hold.
func tooLong(path string, n, most int, what, remedy string) finding {
	return problemf("too-long", path, "%d %s where at most %d are allowed", n, what, most).hint("%s", remedy)
}

// distinct reports the first item of a list that is there twice: the cluster
// takes such a list as a set.
func (r *ruleReader) distinct(in []string, path string) {
	first := make(map[string]int, len(in))
	for i, text := range in {
		if at, ok := first[text]; ok {
			r.warn(problemf("item-repeated", fmt.Sprintf("%s[%d]", path, i), "%q is there twice, first as item %d", text, at+1).hint("remove one of them"))
			return
		}
		first[text] = i
	}
}
