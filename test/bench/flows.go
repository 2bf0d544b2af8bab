package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/tierwall/tierwall/agent/flows"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/nft"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/replay"
	"github.com/tierwall/tierwall/selector"
	store "github.com/tierwall/tierwall/server/flows"
	"github.com/tierwall/tierwall/test/bench/testbed"
	"github.com/tierwall/tierwall/verdict"
)

// recorded is a node that records flows, or one that does not, with the same
// policy: TCP from port 80 to 89 and UDP from 1000 to 1999 are open.
type recorded struct {
	node    *testbed.Node
	collect *flows.Collector
	stop    func()

	mu      sync.Mutex
	allowed uint64
	denied  uint64
	lost    flow.Loss
	bytes   int
}

// flowsState is the world of both.
func flowsState() *model.State {
	s := model.NewState()
	for name, a := range map[string]netip.Addr{testbed.ClientInterface: testbed.ClientAddr, testbed.ServerInterface: testbed.ServerAddr} {
		pod := podOf("shop", name, 0, true, map[string]string{"app": "here"})
		pod.Addrs = []netip.Addr{a}
		s.Apply(model.Put(pod))
	}
	ports := func(from, to uint16) model.Peer { return model.Peer{Ports: []model.PortRange{{From: from, To: to}}} }
	rules := []model.Rule{
		{Action: verdict.ActionAllow, Protocol: number8(verdict.TCP), Destination: ports(80, 89)},
		{Index: 1, Action: verdict.ActionAllow, Protocol: number8(verdict.UDP), Destination: ports(1000, 1999)},
	}
	s.Apply(model.Put(&model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "few"}, Tier: "default", Applies: [2]bool{true, true},
		Selector: selector.Equal("app", "here"), Rules: [2][]model.Rule{rules, rules},
	}))
	return s
}

// startRecorded makes a node. Without recording there is nothing but policy; where
// what is recorded is thrown away, the kernel notes decisions, and nobody listens.
func startRecorded(how int) (*recorded, error) {
	n, err := testbed.New()
	if err != nil {
		return nil, err
	}
	r := &recorded{node: n, stop: n.Close}
	options := nft.Options{NetNS: int(n.NS)}
	if how != notRecorded {
		options.FlowGroup = 65
	}
	plane := nft.New(options)
	s := flowsState()
	book, directory := flows.NewBook(), flows.NewDirectory()
	for _, o := range s.Objects() {
		directory.See(model.Put(o))
	}
	tables := compile.Compile(s, compile.Options{Node: here})
	book.Load(tables)
	if err := plane.Apply(context.Background(), dataplane.Program{Tables: tables, Interfaces: interfaces()}); err != nil || how != allRecorded {
		return r, err
	}
	r.collect = flows.NewCollector(here, func() uint8 { return plane.Recording().Tag }, book, directory, flows.NewCounters())
	l := flows.Listener{Recorder: plane, NetNS: int(n.NS), HostAt: func(uint32) verdict.EndpointID { return verdict.EndpointID{} }, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	sender := flows.NewSender(here, r.take, slog.New(slog.DiscardHandler))
	go sender.Run(ctx)
	go func() {
		ended <- l.Run(ctx, r.collect, func(list []flow.Record, lost flow.Loss) { r.add(list, lost); sender.Put(list, lost) })
	}()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "flows: recording ended:", err)
		}
		n.Close()
	}
	time.Sleep(200 * time.Millisecond) // until it listens
	return r, nil
}

// take is the server, which throws all away.
func (r *recorded) take(_ context.Context, _ string, body []byte) ([]byte, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += len(body)
	return nil, 204, nil
}

func (r *recorded) add(list []flow.Record, lost flow.Loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		if list[i].Verdict == flow.Verdict(verdict.Allow) {
			r.allowed += list[i].Connections
		} else {
			r.denied += list[i].Connections
		}
	}
	r.lost.Add(lost)
}

// flowsUnrecorded counts, of many connections of which half are denied, those that
// are neither recorded nor counted as not recorded.
func flowsUnrecorded(connections int) benchmark {
	const name = "flows/unrecorded"
	return benchmark{names: []string{name}, run: func(*regexp.Regexp) ([]figure, error) {
		r, err := startRecorded(allRecorded)
		if err != nil {
			return nil, err
		}
		defer r.stop()
		sent := uint64(0)
		err = r.node.InClient(func() error {
			for port := 10_000; sent < uint64(connections); port++ {
				c, err := net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", port))
				if err != nil {
					return err
				}
				for to := 1000; to < 3000; to++ {
					if _, err := c.WriteTo([]byte{0}, &net.UDPAddr{IP: testbed.ServerAddr.AsSlice(), Port: to}); err != nil {
						return errors.Join(err, c.Close())
					}
					sent++
				}
				if err := c.Close(); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond) // the queue of the pair holds a thousand
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		missing := func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			told := r.allowed + r.denied + r.lost.Denied + r.lost.Connections
			return max(float64(sent)-float64(told), float64(told)-float64(sent))
		}
		for deadline := time.Now().Add(10 * time.Second); missing() > 0 && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
		}
		fmt.Fprintf(os.Stderr, "%s: %d connections; recorded: %d allowed, %d denied; counted: %+v\n", name, sent, r.allowed, r.denied, r.lost)
		return []figure{{Name: name, Value: missing(), Unit: "count", Baseline: "connections", BaselineValue: float64(sent)}}, nil
	}}
}

// flowsStaged measures what a staged policy would have done to many stored flows:
// 1,000 pods of 50 namespaces with 200 policies, talking to each other and to
// 10,000 addresses.
func flowsStaged(records int) benchmark {
	const name = "flows/staged-million"
	return benchmark{names: []string{name}, run: func(*regexp.Regexp) ([]figure, error) {
		dir, err := os.MkdirTemp("", "tierwall-bench-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		kept, err := store.Open(store.Options{Dir: dir, MaxBytes: 4 << 30})
		if err != nil {
			return nil, err
		}
		defer func() { _ = kept.Close() }()
		s, pods := stagedWorld()
		began := time.Now()
		if err := fill(kept, pods, records); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%s: %d records took %s to store, %d MB\n", name, records, time.Since(began).Round(time.Millisecond), kept.Stats().Bytes>>20)
		var samples []float64
		for range 3 {
			began := time.Now()
			report, err := replay.Staged(s).Run(kept.All(context.Background(), flow.Access{All: true}, flow.Filter{}))
			if err != nil {
				return nil, err
			}
			samples = append(samples, time.Since(began).Seconds())
			if len(report.Denied) == 0 || report.Unknown > 0 {
				return nil, fmt.Errorf("%s: %d changes, %d unknown", name, len(report.Denied), report.Unknown)
			}
		}
		return []figure{{Name: name, Value: median(samples), Unit: "s"}}, nil
	}}
}

func stagedWorld() (*model.State, []*model.Endpoint) {
	s := model.NewState()
	var pods []*model.Endpoint
	for i := range 1000 {
		p := podOf(fmt.Sprintf("ns-%d", i%50), fmt.Sprintf("pod-%d", i), i, true, map[string]string{"app": fmt.Sprint(i % 20)})
		p.Addrs = []netip.Addr{addr4(10<<24 + uint32(i) + 1)}
		pods = append(pods, p)
		s.Apply(model.Put(p))
	}
	policy := func(kind string, i int, port uint16) *model.Policy {
		return &model.Policy{
			ID: verdict.PolicyID{Kind: kind, Namespace: "", Name: fmt.Sprintf("p-%d", i)}, Tier: "default", Applies: [2]bool{verdict.Ingress: true},
			Selector: selector.Equal("app", fmt.Sprint(i%20)),
			Rules:    [2][]model.Rule{verdict.Ingress: {{Action: verdict.ActionAllow, Protocol: number8(verdict.TCP), Destination: model.Peer{Ports: []model.PortRange{{From: port, To: port + 50}}}}}},
		}
	}
	for i := range 200 {
		s.Apply(model.Put(policy("GlobalNetworkPolicy", i, uint16(i%10*50))))
	}
	deny := policy("StagedGlobalNetworkPolicy", 1000, 1)
	deny.Rules[verdict.Ingress][0].Action = verdict.ActionDeny
	first := -1.0
	deny.Order = &first
	s.Apply(model.Put(&model.StagedPolicy{ID: deny.ID, Replaces: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: deny.ID.Name}, Policy: deny}))
	return s, pods
}

// fill puts records into a store as agents send them.
func fill(kept *store.Store, pods []*model.Endpoint, records int) error {
	r := rand.New(rand.NewPCG(1, 1))
	end := func(i int) flow.End {
		p := pods[i]
		return flow.End{Kind: flow.Pod, Namespace: p.ID.Namespace, Name: p.ID.Name, Labels: flow.Labels(p.Labels), Node: p.Node, Address: p.Addrs[0]}
	}
	decisions := make([]*flow.Decision, 200)
	for i := range decisions {
		decisions[i] = &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByRule, Steps: []verdict.Step{
			{Tier: "default", Policy: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("p-%d", i)}, Action: verdict.ActionAllow}}}}
	}
	at := time.Now().Add(-time.Hour).UTC()
	for sequence := uint64(1); records > 0; sequence++ {
		b := flow.Batch{Node: "n", Instance: "bench", Sequence: sequence}
		for range min(records, 2000) {
			at = at.Add(time.Millisecond)
			f := flow.Record{Reporter: flow.ByDestination, Start: at, Last: at, Source: end(r.IntN(len(pods))), Destination: end(r.IntN(len(pods))), Protocol: "TCP",
				SourcePort: uint16(32768 + r.IntN(20000)), Port: uint16(1 + r.IntN(500)), Verdict: flow.Verdict(verdict.Allow), Ingress: decisions[r.IntN(len(decisions))], Connections: 1}
			if r.IntN(3) == 0 {
				f.Source = flow.End{Kind: flow.Address, Address: addr4(198<<24 + uint32(r.IntN(10_000)))}
			}
			b.Records = append(b.Records, f)
		}
		if err := kept.Put(b); err != nil {
			return err
		}
		records -= len(b.Records)
	}
	return nil
}
