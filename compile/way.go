package compile

import (
	"hash/maphash"
	"math/bits"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// wayHash stands for a sequence of steps: two polynomials of the steps' hashes
// modulo a prime, at points that are drawn anew in each process. Sequences that
// differ have one hash with a chance of less than one in 2¹⁰⁰. It is put
// together out of the hashes of pieces, so that a way of hundreds of tiers
// costs no more than the few rules in it.
type wayHash struct {
	a, b uint64
	n    int32
}

const prime = 1<<61 - 1

var (
	stepSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	points    = [2]uint64{drawPoint(stepSeeds[0]), drawPoint(stepSeeds[1])}
)

func drawPoint(s maphash.Seed) uint64 { return maphash.String(s, "point")%(prime-3) + 2 }

func mulmod(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	// 2⁶¹ is 1 modulo the prime
	sum := lo&prime + (lo>>61 | hi<<3)
	sum = sum&prime + sum>>61
	if sum >= prime {
		sum -= prime
	}
	return sum
}

func addmod(a, b uint64) uint64 {
	if a += b; a >= prime {
		a -= prime
	}
	return a
}

// then is the hash of a sequence followed by another.
func (h wayHash) then(o wayHash, powers *powers) wayHash {
	p := powers.of(o.n)
	return wayHash{addmod(mulmod(h.a, p[0]), o.a), addmod(mulmod(h.b, p[1]), o.b), h.n + o.n}
}

// less is the hash of what is left of a sequence without its beginning.
func (h wayHash) less(begin wayHash, powers *powers) wayHash {
	p := powers.of(h.n - begin.n)
	return wayHash{addmod(h.a, prime-mulmod(begin.a, p[0])), addmod(h.b, prime-mulmod(begin.b, p[1])), h.n - begin.n}
}

// powers are the powers of the two points.
type powers struct{ list [][2]uint64 }

func (p *powers) of(n int32) [2]uint64 {
	if p.list == nil {
		p.list = [][2]uint64{{1, 1}}
	}
	for int(n) >= len(p.list) {
		last := p.list[len(p.list)-1]
		p.list = append(p.list, [2]uint64{mulmod(last[0], points[0]), mulmod(last[1], points[1])})
	}
	return p.list[n]
}

// hashStep is equal for equal steps without a list of policies that applied, as
// all of a row are. No name contains a newline.
func hashStep(s *verdict.Step) wayHash {
	var out [2]uint64
	for i := range out {
		var h maphash.Hash
		h.SetSeed(stepSeeds[i])
		for _, text := range []string{s.Tier, s.Policy.Kind, s.Policy.Namespace, s.Policy.Name, s.Profile} {
			_, _ = h.WriteString(text)
			_ = h.WriteByte('\n')
		}
		_, _ = h.Write([]byte{byte(s.Action), byte(s.Rule), byte(s.Rule >> 8), byte(s.Rule >> 16), byte(s.Rule >> 24)})
		out[i] = h.Sum64() % prime
	}
	return wayHash{out[0], out[1], 1}
}

// decision is a decision that rows hold.
type decision struct {
	table.Decision
	id   uint32
	key  decisionKey
	refs int
}

type decisionKey struct {
	verdict verdict.Verdict
	reason  verdict.Reason
	way     wayHash
}

// way is a sequence of steps while it grows. It is tiered if a tier ends in it.
type way struct {
	pieces [][]verdict.Step
	hash   wayHash
	tiered bool
}

func (w *way) add(piece []verdict.Step, h wayHash, p *powers) {
	if len(piece) > 0 {
		w.pieces = append(w.pieces, piece)
		w.hash = w.hash.then(h, p)
	}
}

// decide returns the one decision with the verdict, the reason and the way.
func (c *Compiler) decide(v verdict.Verdict, r verdict.Reason, w *way) *decision {
	k := decisionKey{v, r, w.hash}
	d := c.decisions[k]
	if d == nil {
		d = &decision{Decision: table.Decision{Verdict: v, Reason: r, Tiered: w.tiered}, id: uint32(c.decisionIDs.take()), key: k}
		if len(w.pieces) > 0 {
			d.Way = append([][]verdict.Step(nil), w.pieces...)
		}
		c.decisions[k] = d
	}
	return d
}
