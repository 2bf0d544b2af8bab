package model

import (
	"net/netip"

	"github.com/tierwall/tierwall/verdict"
)

// Settings are the choices outside any object that verdicts, and what the
// kernel makes of them, depend on (semantics.md section 15). Those of a node
// are SettingsOf.
type Settings struct {
	// FailsafeIn and FailsafeOut are the ports of host endpoints that are open
	// whatever policy says.
	FailsafeIn, FailsafeOut []Failsafe
	// HTTPAsL4 treats a rule that asks for HTTP as its addresses and ports
	// alone. The default is that it does not match (section 0, decision 11).
	HTTPAsL4 bool
	// PodToHost is what becomes of connections from a pod to its own node.
	PodToHost verdict.HostAction
	// Reject answers what is denied; otherwise it is dropped in silence. It
	// changes no verdict.
	Reject bool
	Log    LogSettings
	DNS    DNSSettings
}

// DNSSettings say from whom domain names are learned, and how. Verdicts depend on
// what was learned alone.
type DNSSettings struct {
	// Servers are those whose answers count.
	Servers []DNSServer
	// Extra is how much longer than its TTL an address counts, and Hold how long an
	// answer is held back at most, in milliseconds; 0 is the agent's own.
	Extra, Hold uint32
	// Epoch is a number by whose change all that was learned is forgotten.
	Epoch int
}

// DNSServer is an address, or a service by whose addresses it is asked.
type DNSServer struct {
	// Addr is invalid for a service.
	Addr netip.Addr
	// Port is 0 for 53, and for the first port of a service.
	Port               uint16
	Namespace, Service string
}

// LogSettings say how Log rules write. They change no verdict.
type LogSettings struct {
	// Prefix begins each line; empty is the dataplane's own.
	Prefix string
	// Rate is how many lines may be written in Per seconds; 0 is no bound.
	// Burst is how many may come at once before it holds; 0 is the kernel's.
	Rate, Per, Burst uint32
}

// Failsafe is a port that host policy cannot close.
type Failsafe struct {
	Protocol uint8
	Port     uint16
	// Net limits it to peers in the network; the zero value means any peer.
	Net netip.Prefix
}

// DefaultSettings returns the settings that hold when nothing is configured
// (semantics.md section 11).
func DefaultSettings() Settings {
	common := []Failsafe{
		{Protocol: verdict.TCP, Port: 179}, {Protocol: verdict.TCP, Port: 2379}, {Protocol: verdict.TCP, Port: 2380},
		{Protocol: verdict.TCP, Port: 5473}, {Protocol: verdict.TCP, Port: 6443},
		{Protocol: verdict.TCP, Port: 6666}, {Protocol: verdict.TCP, Port: 6667},
	}
	return Settings{
		FailsafeIn: append([]Failsafe{{Protocol: verdict.TCP, Port: 22}, {Protocol: verdict.UDP, Port: 68}}, common...),
		DNS:        DNSSettings{Servers: []DNSServer{{Namespace: "kube-system", Service: "kube-dns"}}},
		FailsafeOut: append([]Failsafe{{Protocol: verdict.UDP, Port: 53}, {Protocol: verdict.UDP, Port: 67}},
			common...),
	}
}

// DefaultConfiguration is the name of the Configuration of all nodes, and
// NodeConfigurationPrefix stands before the name of a node in that of its own.
const (
	DefaultConfiguration    = "default"
	NodeConfigurationPrefix = "node."
)

// Configuration is a FelixConfiguration: what it says of the settings. nil says
// nothing.
type Configuration struct {
	Name                    string
	FailsafeIn, FailsafeOut *[]Failsafe
	PodToHost               *verdict.HostAction
	Reject                  *bool
	LogPrefix               *string
	// LogRate and LogPer are set together.
	LogRate, LogPer, LogBurst *uint32
	DNSServers                *[]DNSServer
	DNSExtra, DNSHold         *uint32
	DNSEpoch                  *int
}

// Key implements Object.
func (c *Configuration) Key() Key { return Key{Kind: KindConfiguration, Name: c.Name} }

// With returns the settings with what the configuration says; nil says nothing.
func (s Settings) With(c *Configuration) Settings {
	if c == nil {
		return s
	}
	replace(&s.FailsafeIn, c.FailsafeIn)
	replace(&s.FailsafeOut, c.FailsafeOut)
	replace(&s.PodToHost, c.PodToHost)
	replace(&s.Reject, c.Reject)
	replace(&s.Log.Prefix, c.LogPrefix)
	replace(&s.Log.Rate, c.LogRate)
	replace(&s.Log.Per, c.LogPer)
	replace(&s.Log.Burst, c.LogBurst)
	replace(&s.DNS.Servers, c.DNSServers)
	replace(&s.DNS.Extra, c.DNSExtra)
	replace(&s.DNS.Hold, c.DNSHold)
	replace(&s.DNS.Epoch, c.DNSEpoch)
	return s
}

func replace[T any](v *T, by *T) {
	if by != nil {
		*v = *by
	}
}

// SettingsOf returns the settings of a node: Settings, with what the default
// configuration says, with what the node's own says. Empty is any node without
// one of its own.
func (s *State) SettingsOf(node string) Settings {
	out := s.Settings.With(s.Configurations[DefaultConfiguration])
	if node == "" {
		return out
	}
	return out.With(s.Configurations[NodeConfigurationPrefix+node])
}
