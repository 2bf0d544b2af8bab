package compile_test

import (
	"testing"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
)

// TestLong is the comparison with the oracle at any size, through histories of
// changes, for runs by hand and by night:
//
//	go test ./compile -run TestLong -timeout 0 -v -pairs 200000000
//
// It takes one pair for each twenty of TestAgree.
func TestLong(t *testing.T) {
	pairs := *pairs / 20
	began, said := time.Now(), time.Now()
	done := 0
	for seed := uint64(1 << 32); done < pairs; seed++ {
		g := modeltest.New(seed)
		c, s := compile.New(compile.Options{}), model.NewState()
		world := g.World()
		c.Apply(world...)
		s.Apply(world...)
		for range 6 {
			seen := newTally()
			compare(t, g, s, c.Tables(), seen)
			done += seen.packets
			if t.Failed() {
				t.Fatalf("seed %d, pair %d", seed, done)
			}
			ch := g.Mutation()
			c.Apply(ch)
			s.Apply(ch)
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			t.Logf("%d of %d pairs after %s", done, pairs, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("%d pairs agree, in %s", done, time.Since(began).Round(time.Millisecond))
}
