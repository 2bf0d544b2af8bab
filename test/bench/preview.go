package main

import (
	"fmt"
	"regexp"
	"time"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// previewed is how many endpoints a preview is about.
const previewed = 5000

// preview measures how long it takes to find what a policy would change among
// 5,000 endpoints of 200 applications: one that concerns a single application,
// and one that denies everything, so that every pair changes.
func preview() benchmark {
	name := fmt.Sprintf("manager/analysis/preview/%d", previewed)
	return benchmark{names: []string{name, name + "/deny-all"}, run: func(*regexp.Regexp) ([]figure, error) {
		w := shapeA(float64(previewed) / 250_000)
		s, c := model.NewState(), compile.New(compile.Options{})
		for i := range w.count {
			ch := model.Put(w.object(i))
			s.Apply(ch)
			c.Apply(ch)
		}
		one := *w.object(100).(*model.Policy)
		one.Rules = [2][]model.Rule{{{Action: verdict.ActionDeny}}, nil}
		all := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "none"}, Tier: "default", Applies: [2]bool{true, true},
			Order: new(float64), Selector: selector.All(), Rules: [2][]model.Rule{{{Action: verdict.ActionDeny}}, {{Action: verdict.ActionDeny}}}}
		*all.Order = -1
		first, err := previewTime(s, c, &one)
		if err != nil {
			return nil, err
		}
		second, err := previewTime(s, c, all)
		if err != nil {
			return nil, err
		}
		return []figure{{name, first, "s", "goal", 1}, {name + "/deny-all", second, "s", "goal", 1}}, nil
	}}
}

func previewTime(s *model.State, c *compile.Compiler, p *model.Policy) (float64, error) {
	var times []float64
	for range 5 {
		before := c.Tables()
		began := time.Now()
		got := analysis.PreviewOf(s, c, before, 500, model.Put(p))
		times = append(times, time.Since(began).Seconds())
		if got.Denied == 0 {
			return 0, fmt.Errorf("%s changes nothing", p.ID)
		}
	}
	return median(times), nil
}
