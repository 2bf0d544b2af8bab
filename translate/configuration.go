package translate

import (
	"fmt"
	"strconv"
	"strings"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/internal/spelling"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// configuration reads the settings (semantics.md section 15). What is not
// honoured is said as a warning: manifests for other systems are full of it.
func configuration(f *v3.FelixConfiguration, r *reporter) model.Object {
	out := &model.Configuration{Name: f.Name}
	if node, ok := strings.CutPrefix(f.Name, v3.NodeConfigurationPrefix); f.Name != v3.DefaultConfiguration && (!ok || node == "") {
		r.add(problemf("setting-name", "metadata.name", "a FelixConfiguration called %q does nothing", f.Name).
			hint("call it \"default\" for all nodes, or \"node.NAME\" for one").warning())
	}
	s := &f.Spec
	for _, name := range s.UnreadNames() {
		p := problemf("setting-not-read", "spec."+name, "the setting is not read: it changes nothing here").warning()
		if near := spelling.Nearest(name, v3.HonouredSettings()); near != "" {
			p = p.hint("did you mean %q?", near)
		}
		r.add(p)
	}
	out.PodToHost = setting(r, "defaultEndpointToHostAction", s.DefaultEndpointToHostAction, verdict.HostDrop,
		map[string]verdict.HostAction{"accept": verdict.HostAccept, "drop": verdict.HostDrop, "return": verdict.HostReturn})
	deny := map[string]bool{"drop": false, "reject": true}
	out.Reject = setting(r, "iptablesFilterDenyAction", s.IptablesFilterDenyAction, false, deny)
	if nft := setting(r, "nftablesFilterDenyAction", s.NFTablesFilterDenyAction, false, deny); nft != nil {
		out.Reject = nft
	}
	out.FailsafeIn = failsafes(r, "spec.failsafeInboundHostPorts", s.FailsafeInboundHostPorts)
	out.FailsafeOut = failsafes(r, "spec.failsafeOutboundHostPorts", s.FailsafeOutboundHostPorts)
	if s.LogPrefix != "" {
		out.LogPrefix = &s.LogPrefix
	}
	out.LogRate, out.LogPer = logRate(r, s.LogActionRateLimit)
	if n := s.LogActionRateLimitBurst; n != nil {
		if *n < 0 || *n > 9999 {
			r.add(problemf("setting-invalid", "spec.logActionRateLimitBurst", "%d is not between 0 and 9999", *n))
		} else {
			burst := uint32(*n)
			out.LogBurst = &burst
		}
	}
	out.DNSServers = dnsServers(r, s.DNSTrustedServers)
	out.DNSExtra = duration(r, "dnsExtraTTL", s.DNSExtraTTL)
	out.DNSHold = duration(r, "dnsPacketsNfqueueMaxHoldDuration", s.DNSPacketsNfqueueMaxHoldDuration)
	out.DNSEpoch = s.DNSCacheEpoch
	return out
}

// setting reads a word. None says nothing, and one that is none of the words
// means closed.
func setting[T any](r *reporter, field, word string, closed T, words map[string]T) *T {
	if word == "" {
		return nil
	}
	v, ok := words[strings.ToLower(word)]
	if !ok {
		r.add(problemf("setting-invalid", "spec."+field, "%q is not one of its values", word).hint("until then Drop holds"))
		v = closed
	}
	return &v
}

// failsafes reads ports. One that cannot be read opens nothing.
func failsafes(r *reporter, path string, in *[]v3.ProtoPort) *[]model.Failsafe {
	if in == nil {
		return nil
	}
	out := []model.Failsafe{}
	for i, p := range *in {
		at := fmt.Sprintf("%s[%d]", path, i)
		f := model.Failsafe{Protocol: verdict.TCP, Port: uint16(p.Port)}
		if p.Protocol != nil {
			n, err := p.Protocol.Number()
			if err != nil || !verdict.HasPorts(n) {
				r.add(problemf("protocol-invalid", at+".protocol", "%q is no protocol with ports", *p.Protocol).hint("use TCP, UDP or SCTP; until then the entry opens nothing"))
				continue
			}
			f.Protocol = n
		}
		if p.Port < 1 || p.Port > 65535 {
			r.add(problemf("port-invalid", at+".port", "port %d is not between 1 and 65535", p.Port).hint("until then the entry opens nothing"))
			continue
		}
		if p.Net != "" {
			n, err := parseNet(p.Net)
			if err != nil {
				r.add(problemf("net-syntax", at+".net", "%q is neither a CIDR nor an address", p.Net).hint("until then the entry opens nothing"))
				continue
			}
			f.Net = n.Masked()
		}
		out = append(out, f)
	}
	return &out
}

// logRate reads "10/second" into a number of lines and seconds.
func logRate(r *reporter, text string) (rate, per *uint32) {
	if text == "" {
		return nil, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 32)
	seconds := map[string]uint32{"second": 1, "minute": 60, "hour": 3600, "day": 86400}[unit]
	if err != nil || n == 0 || seconds == 0 {
		r.add(problemf("setting-invalid", "spec.logActionRateLimit", "%q is not a rate", text).
			hint("write for instance 10/second; the units are second, minute, hour and day"))
		return nil, nil
	}
	count := uint32(n)
	return &count, &seconds
}
