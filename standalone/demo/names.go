package demo

import (
	"context"
	"net/netip"
	"time"

	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/standalone/lab"
	"github.com/tierwall/tierwall/standalone/realtest"
)

// byName allows a pod what a network set allows by name, and DNS.
const byName = `
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: sites, namespace: red, labels: {sites: allowed}}
spec: {allowedEgressDomains: ["*.example.com"]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: by-name, namespace: red}
spec:
  selector: app/tier == 'FE'
  types: [Egress]
  egress:
  - {action: Allow, protocol: UDP, destination: {nets: [172.30.0.104/32], ports: [53]}}
  - {action: Allow, protocol: TCP, destination: {selector: sites == 'allowed', ports: [80]}}
`

// nameOpens looks names up from a pod and dials them at once, as programs do: the
// first connection comes about where a network set allows the name, and only then.
func (d *demo) nameOpens(ctx context.Context) (*realtest.Result, error) {
	r, began := &realtest.Result{Name: "a-name-is-open-once-it-was-looked-up"}, time.Now()
	if err := d.cluster.Lab.ServeNames(ctx, Names()); err != nil {
		return nil, err
	}
	var err error
	if r.Settled, err = d.with(ctx, byName); err != nil {
		return nil, err
	}
	h, err := d.cluster.Lab.Host(from)
	if err != nil {
		return nil, err
	}
	dial := func(what string, s lab.DialSpec, want labhost.Outcome) error {
		s.Proto, s.Port, s.Server = labhost.TCP, 80, d.cluster.Lab.Resolver()
		if s.Timeout = 900 * time.Millisecond; want == labhost.TimedOut { // less than a second try takes
			s.Timeout = 300 * time.Millisecond
		}
		got, err := h.Dial(ctx, s)
		expect(r, what, got.Outcome, want)
		return err
	}
	edge := netip.AddrFrom4([4]byte{172, 30, 0, 105})
	for _, step := range []struct {
		what string
		spec lab.DialSpec
		want labhost.Outcome
	}{
		{"its address before anybody looked it up", lab.DialSpec{Addr: edge}, labhost.TimedOut},
		{"a name that the network set allows, by way of a CNAME", lab.DialSpec{Domain: "www.example.com"}, labhost.Answered},
		{"its address afterwards", lab.DialSpec{Addr: edge}, labhost.Answered},
		{"a name that it does not allow", lab.DialSpec{Domain: "www.example.org"}, labhost.TimedOut},
	} {
		if err := dial(step.what, step.spec, step.want); err != nil {
			return nil, err
		}
	}
	r.Took = time.Since(began)
	return r, nil
}
