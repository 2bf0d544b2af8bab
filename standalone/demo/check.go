package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tierwall/tierwall/standalone/realtest"
)

// ErrDisagrees is returned by Check when something did not come out as it
// should.
var ErrDisagrees = errors.New("not everything came out as it should")

// Check brings the demo up, walks the tutorial, prints what came of each step,
// and takes the demo down.
func Check(ctx context.Context, o Options) (err error) {
	d, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.cluster.Close()) }()
	tests, err := d.tests()
	if err != nil {
		return err
	}
	steps := make([]step, 0, len(tests)+2)
	for _, t := range tests {
		steps = append(steps, step{t.Name, func(ctx context.Context) (*realtest.Result, error) { return realtest.Run(ctx, d.cluster, t) }})
	}
	steps = append(steps, d.special()...)
	if o.Only != nil {
		steps = slices.DeleteFunc(steps, func(s step) bool { return !o.Only.MatchString(s.name) })
	}
	if len(steps) == 0 {
		return fmt.Errorf("no step is called %s", o.Only)
	}
	var results []*realtest.Result
	for i, s := range steps {
		fmt.Fprintf(o.Progress, "step %d of %d: %s\n", i+1, len(steps), s.name)
		r, err := s.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r = realtest.Failed(s.name, err)
		}
		results = append(results, r)
	}
	failed, err := realtest.Table(o.Out, results)
	if err == nil && failed > 0 {
		err = ErrDisagrees
	}
	return err
}

// step is one step of the walk.
type step struct {
	name string
	run  func(context.Context) (*realtest.Result, error)
}
