package spelling

import "strings"

// Nearest returns the word that a misspelt one most likely stands for, or "" if
// none is near: one that differs in case only, else the one that takes the fewest
// changes of a letter, if they are few for its length.
func Nearest(word string, among []string) string {
	best, least := "", 1+len(word)/3
	for _, w := range among {
		if strings.EqualFold(w, word) {
			return w
		}
		if n := distance(strings.ToLower(w), strings.ToLower(word)); n <= least && (best == "" || n < least) {
			best, least = w, n
		}
	}
	return best
}

// distance is the number of insertions, removals and replacements of bytes
// that turn one word into the other.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
