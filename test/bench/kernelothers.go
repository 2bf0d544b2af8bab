package main

import (
	"regexp"
	"time"

	"github.com/tierwall/tierwall/test/bench/testbed"
)

// otherTable is somebody else's, such as kube-proxy's.
const otherTable = "table ip other {\n set backends { type ipv4_addr; elements = { 192.0.2.1 } }\n chain c { ip daddr @backends counter accept\n }\n}\n"

// others measures what our table, of ten pods a policy, costs those who run the nft
// program on a table of theirs: listing it, and changing it, for which that
// program reads the elements of all sets of all tables.
func (e effort) others() benchmark {
	kinds := map[string]func(*testbed.Node) error{
		"kernel/nft-list": func(n *testbed.Node) error { return n.Run("nft", "list", "table", "ip", "other") },
		"kernel/nft-change": func(n *testbed.Node) error {
			return n.Load("add element ip other backends { 192.0.2.2 }\ndelete element ip other backends { 192.0.2.2 }\n")
		},
	}
	const ours = "ours"
	return benchmark{names: []string{"kernel/nft-list", "kernel/nft-change"}, run: func(asked *regexp.Regexp) ([]figure, error) {
		all, down, err := e.setUp(map[string]func(*testbed.Node) error{
			untracked: func(n *testbed.Node) error { return n.Load(otherTable) },
			ours: func(n *testbed.Node) error {
				if err := n.Load(otherTable); err != nil {
					return err
				}
				_, _, err := enforceChanging(n, e.policies)
				return err
			},
		})
		defer down()
		if err != nil {
			return nil, err
		}
		var figures []figure
		for name, run := range kinds {
			if !asked.MatchString(name) {
				continue
			}
			err := e.measure(all, func(n *testbed.Node) (float64, error) {
				began := time.Now()
				err := run(n)
				return float64(time.Since(began).Microseconds()) / 1000, err
			})
			if err != nil {
				return nil, err
			}
			medians := map[string]float64{}
			for _, v := range all {
				medians[v.name], v.samples = median(v.samples), nil
			}
			figures = append(figures, figure{name, medians[ours], "ms", "without our table", medians[untracked]})
		}
		return figures, nil
	}}
}
