package nft

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// dispatch says where the packets of which interface and address go. It is
// small (local endpoints only) and made anew when one of them changes.
type dispatch struct {
	// maps holds, by the name of a map or set and by key, the target.
	maps map[string]map[string]target
	// podNets are the networks that are closed where no pod is programmed.
	podNets []addressRange
	// forks are the chains that choose a host endpoint's set by the local
	// address. Their names follow from their content.
	forks map[string]chain
	// others is where interfaces go that nothing governs; what is not there lets
	// them pass.
	others map[post]target
}

// target is what a key of a dispatch map leads to. The comment says whose key
// it is.
type target struct {
	chain, comment string
}

// closed is the target of a key that two endpoints claim: it may be neither's.
const closed = "drop"

// through is the target of an interface whose host endpoint has no policy at a
// place: the one for all interfaces does not govern it.
const through = "return"

// The names of the dispatch maps.
func (n names) own(d verdict.Direction, v4 bool) string {
	return n.of(map[verdict.Direction]string{verdict.Ingress: "in", verdict.Egress: "out"}[d] +
		map[bool]string{true: "4", false: "6"}[v4])
}
func (n names) pods() string { return n.of("pods") }
func (n names) podNets(v4 bool) string {
	return n.of(map[bool]string{true: "pod-nets4", false: "pod-nets6"}[v4])
}

// dispatchMaps are the declarations of the maps that dispatch fills.
func (b builder) dispatchMaps() []namedMap {
	list := []namedMap{{name: b.pods(), mapType: interfaces, comment: "interfaces of local pods"}}
	for _, d := range []verdict.Direction{verdict.Egress, verdict.Ingress} {
		list = append(list,
			namedMap{name: b.own(d, true), mapType: ownIPv4, comment: "interface and address of a local pod -> its " + d.String()},
			namedMap{name: b.own(d, false), mapType: ownIPv6, comment: "interface and address of a local pod -> its " + d.String()})
	}
	for _, p := range posts {
		list = append(list, namedMap{name: b.host(p), mapType: byInterface, comment: "interface of a host endpoint -> its policy, " + p.stage.String() + " " + p.direction.String()})
	}
	return list
}

// podNetSets are the declarations of the sets of closed networks.
func (b builder) podNetSets() []namedMap {
	return []namedMap{
		{name: b.podNets(true), mapType: mapType{key: classOfIPv4.key, interval: true}, comment: "closed where no pod is programmed"},
		{name: b.podNets(false), mapType: mapType{key: classOfIPv6.key, interval: true}, comment: "closed where no pod is programmed"},
	}
}

// dispatch computes where a state's endpoints are. The error names an
// endpoint that breaks a rule of table: it is a fault of the compiler.
func (b builder) dispatch(p *state) (*dispatch, error) {
	d := &dispatch{maps: map[string]map[string]target{}, forks: map[string]chain{}, others: map[post]target{}, podNets: rangesOf(p.settings.PodNets)}
	for _, m := range b.dispatchMaps() {
		d.maps[m.name] = map[string]target{}
	}
	ids := make([]verdict.EndpointID, 0, len(p.tables.Endpoints))
	for id := range p.tables.Endpoints {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, verdict.EndpointID.Compare)
	for _, id := range ids {
		e := p.tables.Endpoints[id]
		if id.Kind == verdict.Host {
			b.placeHost(d, e, p.interfaces[id])
		} else if err := b.placePod(d, e, p.interfaces[id]); err != nil {
			return nil, err
		}
	}
	b.closeGone(d, p)
	return d, nil
}

// closeGone keeps the interfaces of pods closed that are not in the tables (any
// more).
func (b builder) closeGone(d *dispatch, p *state) {
	pods := d.maps[b.pods()]
	for id, interfaces := range p.interfaces {
		if _, there := p.tables.Endpoints[id]; there || id.Kind != verdict.Pod {
			continue
		}
		for _, name := range interfaces {
			if key := string(ifname(name)); pods[key] == (target{}) {
				pods[key] = target{comment: "no pod any more"}
			}
		}
	}
}

func (b builder) placePod(d *dispatch, e *table.Endpoint, interfaces []string) error {
	for _, name := range interfaces {
		d.maps[b.pods()][string(ifname(name))] = target{comment: clean(e.ID.String())}
		for dir, spans := range e.Spans {
			for _, s := range spans {
				if s.From != s.To {
					return fmt.Errorf("pod %s: addresses %s to %s: a pod's address must be single", e.ID, s.From, s.To)
				}
				m := d.maps[b.own(verdict.Direction(dir), s.From.Is4())]
				key := string(join(ifname(name), addr(s.From)))
				if other, taken := m[key]; taken {
					m[key] = target{closed, shorten(other.comment+" and "+e.ID.String(), "")}
					continue
				}
				m[key] = target{b.set(s.Set, verdict.Direction(dir)), shorten(e.ID.String(), "")}
			}
		}
	}
	return nil
}

// placeHost gives interfaces to a host endpoint. The first by name governs an
// interface that several claim (semantics.md section 11); endpoints come here
// in the order of their names.
func (b builder) placeHost(d *dispatch, e *table.Endpoint, interfaces []string) {
	for _, p := range posts {
		t := target{b.hostTarget(d, e, p), shorten(e.ID.String(), "")}
		if e.Interface == "*" {
			if _, taken := d.others[p]; !taken {
				d.others[p] = t
			}
			continue
		}
		m := d.maps[b.host(p)]
		for _, name := range interfaces {
			if _, taken := m[string(ifname(name))]; !taken {
				m[string(ifname(name))] = t
			}
		}
	}
}

// needed tells at which posts a host endpoint has policy.
func (b builder) needed(d *dispatch) needs {
	n := needs{}
	for _, p := range posts {
		if t := d.others[p].chain; t != "" && t != through {
			n[p] = true
		}
		for _, t := range d.maps[b.host(p)] {
			if t.chain != through {
				n[p] = true
			}
		}
	}
	return n
}

// hostTarget returns the chain for a host endpoint at a place: that of its set
// if it has but one, else a fork, which it adds to d.
func (b builder) hostTarget(d *dispatch, e *table.Endpoint, p post) string {
	spans := e.Spans[p.direction]
	if p.stage != verdict.Normal {
		spans = e.Stages[p.stage][p.direction]
		if len(spans) == 0 {
			return through
		}
	}
	if len(spans) == 2 && spans[0].Set == spans[1].Set && whole(spans[0]) && whole(spans[1]) {
		return b.set(spans[0].Set, p.direction)
	}
	c := chain{name: b.forkName(p.direction, spans), comment: "by the local address"}
	for _, v4 := range []bool{true, false} {
		c.rules = append(c.rules, b.forkRules(spans, p.direction, v4)...)
	}
	c.rules = append(c.rules, rule{exprs: []expr.Any{drop}, comment: "not an address of the endpoint"})
	d.forks[c.name] = c
	return c.name
}

func (b builder) forkName(dir verdict.Direction, spans []table.Span) string {
	h := fnv.New64a()
	for _, s := range spans {
		fmt.Fprint(h, dir, s.From, s.To, b.base(s.Set))
	}
	return b.of(fmt.Sprintf("fork-%016x", h.Sum64()))
}

// forkRules choose among the spans of one family.
func (b builder) forkRules(spans []table.Span, dir verdict.Direction, v4 bool) []rule {
	var elements []element
	for _, s := range spans {
		switch v := goTo(b.set(s.Set, dir)); {
		case s.From.Is4() != v4:
		case whole(s):
			return []rule{{exprs: append(family(v4), v)}}
		default:
			elements = append(elements, interval(s.From, s.To, element{verdict: v})...)
		}
	}
	t := mapType{key: classType(v4).key, data: verdictOf, interval: true}
	return mapRule(t, elements, append(family(v4), address(v4, dir == verdict.Egress, reg1))...)
}

// whole reports whether a span covers its family.
func whole(s table.Span) bool {
	return s.From == netip.PrefixFrom(s.From, 0).Masked().Addr() && s.To == last(netip.PrefixFrom(s.From, 0))
}

// element returns the element of a dispatch map.
func (t target) element(key string, isMap bool) element {
	e := element{key: []byte(key), comment: t.comment}
	switch {
	case !isMap:
	case t.chain == closed:
		e.verdict = drop
	case t.chain == through:
		e.verdict = back
	default:
		e.verdict = goTo(t.chain)
	}
	return e
}

// podNetElements are the closed networks of one family.
func podNetElements(nets []addressRange, v4 bool) []element {
	var list []element
	for _, r := range nets {
		if r.from.Is4() == v4 {
			list = append(list, interval(r.from, r.to, element{})...)
		}
	}
	return list
}

// loses reports whether a packet may be on its way by what the next dispatch has
// no more.
func (d *dispatch) loses(next *dispatch) bool {
	if d == next {
		return false
	}
	for name, keys := range d.maps {
		for key, was := range keys {
			if next.maps[name][key].chain != was.chain {
				return true
			}
		}
	}
	return !maps.Equal(d.others, next.others) || !slices.Equal(d.podNets, next.podNets)
}
