package status

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/report"
)

// literally is wanted as docs/design/008 says it, node by node.
func literally(b *board, applies map[string]map[string]bool, key string, p *policy) (have, selected, late int, silent map[string]bool) {
	silent = map[string]bool{}
	for _, n := range b.nodes {
		inStep := !n.heard.IsZero() && n.versions[p.kind] >= p.version
		if applies[n.name][key] {
			selected++
			if inStep {
				have++
			}
		}
		if inStep {
			continue
		}
		if n.state == report.Silent || n.state == report.NoAgent {
			silent[n.name] = true
		} else {
			late++
		}
	}
	return have, selected, late, silent
}

// TestLaw: on random worlds, what is said is what the definition says, and a
// policy of which something else is to be said is looked at.
func TestLaw(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		now := &clock{at: time.Unix(1_700_000_000, 0)}
		b := newBoard(now.now)
		kinds, version := []string{"NetworkPolicy", "GlobalNetworkPolicy"}, uint64(1)
		key := func() (kind, name, key string) {
			kind, name = kinds[r.IntN(2)], "p"+strconv.Itoa(r.IntN(5))
			return kind, name, kind + "//" + name
		}
		sequence, said, applies := map[string]uint64{}, map[string]string{}, map[string]map[string]bool{}
		for step := range 60 {
			switch r.IntN(8) {
			case 0:
				names := map[string]bool{}
				for i := range 4 {
					names["n"+strconv.Itoa(i)] = r.IntN(3) > 0
					if !names["n"+strconv.Itoa(i)] {
						delete(names, "n"+strconv.Itoa(i))
					}
				}
				b.putNodes(names)
			case 1, 2:
				version++
				kind, name, _ := key()
				b.putPolicy(kind, &metav1.ObjectMeta{Name: name, UID: "u", Generation: int64(version), ResourceVersion: strconv.FormatUint(version, 10)}, nil)
			case 3:
				_, _, k := key()
				b.dropPolicy(k)
			case 4:
				now.at = now.at.Add(time.Duration(r.IntN(60)) * time.Second)
			default:
				node := "n" + strconv.Itoa(r.IntN(5))
				sequence[node]++
				in := report.Report{Node: node, Instance: "i", Sequence: sequence[node], Full: sequence[node] == 1 || r.IntN(5) == 0 || b.nodes[node] == nil,
					Versions: map[string]string{}}
				for _, k := range kinds {
					in.Versions[k] = strconv.FormatUint(version-min(version, uint64(r.IntN(3))), 10)
				}
				for range r.IntN(3) {
					_, _, k := key()
					in.Applies = append(in.Applies, k)
				}
				if r.IntN(2) == 0 {
					_, _, k := key()
					in.Gone = append(in.Gone, k)
				}
				if !b.take(in) {
					sequence[node] = 0
					continue
				}
				if in.Full {
					applies[node] = map[string]bool{}
				}
				for _, k := range in.Applies {
					applies[node][k] = true
				}
				for _, k := range in.Gone {
					delete(applies[node], k)
				}
			}
			b.age()
			for node := range applies {
				if b.nodes[node] == nil {
					delete(applies, node)
				}
			}
			looked := map[string]bool{}
			for k := range b.changed {
				looked[k] = true
			}
			for k, p := range b.policies {
				have, selected, late, silent := literally(b, applies, k, p)
				roll := b.roll(p.kind)
				got := b.wanted(k, p, roll)
				if want := fmt.Sprintf("%d of %d nodes", have, selected); len(got.Message) < len(want) || got.Message[:len(want)] != want ||
					roll.late(p.version) != late || len(roll.silentBefore(p.version)) != len(silent) {
					t.Fatalf("seed %d, step %d: %s: %q, %d late, %v silent; want %s, %d, %v", seed, step, k, got.Message, roll.late(p.version),
						roll.silentBefore(p.version), want, late, silent)
				}
				text := string(got.Status) + got.Reason + got.Message
				if said[k] != text && !looked[k] && !b.everything && got.Reason != reasonPending {
					t.Fatalf("seed %d, step %d: %s is now %q, was %q, and is not looked at", seed, step, k, text, said[k])
				}
				said[k] = text
			}
			clear(b.changed) // as after due
			b.everything = false
		}
	}
}
