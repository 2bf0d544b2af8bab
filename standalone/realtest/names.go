package realtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/policytest"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/verdict"
)

// nameTTL is how long what a test learns counts: longer than any test takes.
const nameTTL = 600

// serveNames has the lab's DNS server say what a test has learned, and returns the
// test's objects with one by which agents forget what tests before it learned.
func serveNames(ctx context.Context, c *cluster.Cluster, t *policytest.Test) ([]*manifest.Object, error) {
	if !speaksOfNames(t.State) {
		return t.Objects, nil
	}
	if !c.Lab.Resolver().IsValid() {
		return nil, errors.New("the test speaks of domain names, and the lab has no DNS server")
	}
	var records []labhost.Record
	for _, n := range slices.Sorted(maps.Keys(t.State.Learned)) {
		records = append(records, labhost.Record{Name: string(n), Addrs: t.State.Learned[n].Addrs, TTL: nameTTL})
	}
	if err := c.Lab.ServeNames(ctx, records); err != nil {
		return nil, err
	}
	for _, o := range t.Objects {
		if _, ok := o.Value.(*v3.FelixConfiguration); ok {
			return nil, errors.New("the test speaks of domain names and has a FelixConfiguration: the lab needs one of its own for that")
		}
	}
	docs, problems := manifest.Parse("names", fmt.Appendf(nil, `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {dnsCacheEpoch: %d}
`, time.Now().UnixMilli()%1_000_000_000))
	own, more := manifest.Objects(docs)
	if problems = append(problems, more...); len(problems) > 0 {
		return nil, fmt.Errorf("%s", problems[0])
	}
	return slices.Concat(t.Objects, own), nil
}

// speaksOfNames reports whether names make a difference in a state.
func speaksOfNames(s *model.State) bool {
	if len(s.Learned) > 0 {
		return true
	}
	for _, set := range s.NetworkSets {
		if len(set.Domains) > 0 {
			return true
		}
	}
	for _, p := range s.Policies {
		if slices.ContainsFunc(p.Rules[verdict.Egress], func(r model.Rule) bool { return len(r.Destination.Domains) > 0 }) {
			return true
		}
	}
	return false
}

// lookUp has every node look up what the test has learned.
func lookUp(ctx context.Context, c *cluster.Cluster, t *policytest.Test) error {
	var names []string
	for n := range t.State.Learned {
		names = append(names, string(n))
	}
	return c.LookUp(ctx, names...)
}
