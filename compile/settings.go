package compile

import (
	"net/netip"
	"reflect"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// settings are what the tables depend on outside policy: by node, since a node
// may have a configuration of its own.
type settings struct {
	base           model.Settings
	configurations map[string]*model.Configuration
	// nodes has the settings in use, by the name of the node's own
	// configuration; those of nodes without one are under "".
	nodes map[string]*nodeSettings
}

// nodeSettings are the failsafe ports of a node, or of all nodes that have no
// configuration of their own. A change makes new ones.
type nodeSettings struct {
	number    uint64
	ports     [2][]model.Failsafe
	failsafes [2]*ruleset
}

func newSettings() settings {
	return settings{base: model.DefaultSettings(), configurations: map[string]*model.Configuration{}, nodes: map[string]*nodeSettings{}}
}

// of resolves the settings of a node, as model.State does.
func (s *settings) of(node string) model.Settings {
	out := s.base.With(s.configurations[model.DefaultConfiguration])
	if node == "" {
		return out
	}
	return out.With(s.configurations[model.NodeConfigurationPrefix+node])
}

// ports are the failsafe ports under a node's own configuration, by direction.
func (s *settings) ports(own string) [2][]model.Failsafe {
	all := s.of(strings.TrimPrefix(own, model.NodeConfigurationPrefix))
	return [2][]model.Failsafe{verdict.Ingress: all.FailsafeIn, verdict.Egress: all.FailsafeOut}
}

// SettingsOf returns the settings of a node: those that were given, with what
// the FelixConfigurations that were put say. An agent hands its own node's to
// its dataplane.
func (c *Compiler) SettingsOf(node string) model.Settings { return c.settings.of(node) }

// Settings replaces the settings that hold where no configuration says
// otherwise, and returns what that changes.
func (c *Compiler) Settings(s model.Settings) *table.Delta {
	if reflect.DeepEqual(c.settings.base, s) {
		return &table.Delta{}
	}
	if c.settings.base.HTTPAsL4 != s.HTTPAsL4 {
		for _, p := range c.policies {
			c.lastNumber++
			p.number, p.rules = c.lastNumber, [2]*ruleset{}
		}
		for _, p := range c.profiles {
			c.lastNumber++
			p.number, p.rules = c.lastNumber, [2]*ruleset{}
		}
	}
	c.settings.base = s
	c.resettle()
	return c.settle()
}

// putConfiguration takes a FelixConfiguration over; nil if it is gone.
func (c *Compiler) putConfiguration(name string, o *model.Configuration) {
	if reflect.DeepEqual(c.settings.configurations[name], o) {
		return
	}
	if o == nil {
		delete(c.settings.configurations, name)
	} else {
		c.settings.configurations[name] = o
	}
	c.resettle()
}

// resettle looks at all endpoints anew, since settings have changed. Failsafe
// ports that are the same as before stay.
func (c *Compiler) resettle() {
	for own, s := range c.settings.nodes {
		if own != "" && c.settings.configurations[own] == nil || !reflect.DeepEqual(s.ports, c.settings.ports(own)) {
			delete(c.settings.nodes, own)
		}
	}
	for g := range c.localGroups {
		for _, l := range g.local.entries {
			c.dirtyLocals[l.key] = struct{}{}
		}
	}
}

// settingsFor returns the settings in use for a node.
func (c *Compiler) settingsFor(node string) *nodeSettings {
	own := ""
	if name := model.NodeConfigurationPrefix + node; node != "" && c.settings.configurations[name] != nil {
		own = name
	}
	s := c.settings.nodes[own]
	if s == nil {
		c.lastNumber++
		s = &nodeSettings{number: c.lastNumber, ports: c.settings.ports(own)}
		c.settings.nodes[own] = s
	}
	return s
}

// failsafe makes rules of the failsafe ports, once for each settings.
func (c *Compiler) failsafe(node string, d verdict.Direction) *ruleset {
	s := c.settingsFor(node)
	if rs := s.failsafes[d]; rs != nil {
		return rs
	}
	rs := &ruleset{}
	for _, f := range s.ports[d] {
		r := &model.Rule{Action: verdict.ActionAllow, Protocol: &f.Protocol}
		r.Destination.Ports = []model.PortRange{{From: f.Port, To: f.Port}}
		if f.Net.IsValid() {
			remotePeer(r, d).Nets = []netip.Prefix{f.Net}
		}
		rs.add(c.op(r, verdict.ByFailsafe, nil, d))
		rs.ops[len(rs.ops)-1].asks = false // its port is the packet's, on either side
	}
	rs.finish(d)
	s.failsafes[d] = rs
	rs.drop = dropFrom(&s.failsafes[d])
	return rs
}
