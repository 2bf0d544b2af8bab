package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/cli/cluster"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
)

// learn puts into the state what is known of domain names: what the nodes of the
// cluster learned, if the question is about a name and not about files, and what
// --learned says in its place.
func (e *explainer) learn(cmd *cobra.Command, s *model.State) error {
	given, err := parseLearned(e.learned)
	if err != nil {
		return err
	}
	if _, named := model.DomainRef(e.query.To); named && len(e.in.files) == 0 {
		if err := e.ask(cmd, s); err != nil {
			return err
		}
	}
	for _, l := range given {
		s.Apply(model.Put(l))
	}
	return nil
}

// ask asks the cluster what its nodes learned. That nobody told is said, and no
// error.
func (e *explainer) ask(cmd *cobra.Command, s *model.State) error {
	config, err := cluster.Config(e.in.kubeconfig, e.in.context)
	if err != nil {
		return err
	}
	d, err := cluster.Learned(cmd.Context(), config, e.namespace)
	if errors.Is(err, cluster.ErrNotTold) {
		fmt.Fprintln(cmd.ErrOrStderr(), "note:", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range d.Names {
		n, err := domain.ParseName(one.Name)
		if err != nil {
			continue
		}
		l := &model.Learned{Name: n}
		for _, a := range one.Addresses {
			l.Addrs = append(l.Addrs, a.Addr)
		}
		s.Apply(model.Put(sorted(l)))
	}
	if n, _ := model.DomainRef(e.query.To); s.Learned[n] == nil && d.LeftOut > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: nodes know %d addresses more than the server tells; one of %s may be among them\n", d.LeftOut, n)
	}
	return nil
}

func sorted(l *model.Learned) *model.Learned {
	slices.SortFunc(l.Addrs, netip.Addr.Compare)
	l.Addrs = slices.Compact(l.Addrs)
	return l
}

// parseLearned reads NAME=ADDRESS[,ADDRESS].
func parseLearned(texts []string) ([]*model.Learned, error) {
	var all []*model.Learned
	for _, text := range texts {
		name, list, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--learned %s: write NAME=ADDRESS, for instance www.example.com=192.0.2.1", text)
		}
		n, err := domain.ParseName(name)
		if err != nil {
			return nil, usagef("--learned %s: %v", text, err)
		}
		l := &model.Learned{Name: n}
		for a := range strings.SplitSeq(list, ",") {
			addr, err := netip.ParseAddr(strings.TrimSpace(a))
			if err != nil {
				return nil, usagef("--learned %s: %q is not an address", text, a)
			}
			l.Addrs = append(l.Addrs, addr.Unmap().WithZone(""))
		}
		all = append(all, sorted(l))
	}
	return all, nil
}
