package controlplane

import (
	"context"
	"fmt"
	"log/slog"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/tierwall/tierwall/server/manager"
)

// StartManager starts the Manager in this process, with the rights of the
// server, and returns when it has read everything. It comes after Install; Close
// ends it. Options.Config and Log are filled in.
func (p *ControlPlane) StartManager(ctx context.Context, o manager.Options) (*manager.Manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", p.path("server.kubeconfig"))
	if err != nil {
		return nil, err
	}
	o.Config, o.Log = config, slog.New(slog.NewTextHandler(p.serverLog, nil))
	if p.flows != nil {
		o.Flows = p.flows
	}
	m, err := manager.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	p.manager = m
	if p.flows != nil {
		p.flows.Ask(m.Pending)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := m.Ready(ctx); err != nil {
		return nil, fmt.Errorf("%w (its log is %s)", err, p.path("server.log"))
	}
	return m, nil
}

func (p *ControlPlane) stopManager() error {
	if p.manager == nil {
		return nil
	}
	m := p.manager
	p.manager = nil
	return m.Close()
}
