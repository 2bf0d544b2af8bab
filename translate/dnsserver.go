package translate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tierwall/tierwall/model"
)

// DNSServer reads who is trusted to say which addresses a domain name has, as
// FelixConfiguration writes it: ADDRESS, ADDRESS:PORT, or
// k8s-service:[NAMESPACE/]NAME[:PORT].
func DNSServer(text string) (model.DNSServer, error) {
	if service, ok := strings.CutPrefix(text, "k8s-service:"); ok {
		return dnsService(service)
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return model.DNSServer{Addr: a.Unmap()}, nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
		return model.DNSServer{}, fmt.Errorf("%q is neither ADDRESS, ADDRESS:PORT nor k8s-service:[NAMESPACE/]NAME[:PORT]", text)
	}
	return model.DNSServer{Addr: a.Addr().Unmap(), Port: a.Port()}, nil
}

func dnsService(text string) (s model.DNSServer, err error) {
	name, port, hasPort := strings.Cut(text, ":")
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return s, fmt.Errorf("%q is no port", port)
		}
		s.Port = uint16(n)
	}
	s.Namespace, s.Service = "kube-system", name
	if namespace, inner, ok := strings.Cut(name, "/"); ok {
		s.Namespace, s.Service = namespace, inner
	}
	for _, part := range []string{s.Namespace, s.Service} {
		if len(validation.IsDNS1123Label(part)) > 0 {
			return model.DNSServer{}, fmt.Errorf("%q is not the name of a service or namespace", part)
		}
	}
	return s, nil
}

// dnsServers reads the list. One that cannot be read is trusted with nothing.
func dnsServers(r *reporter, list *[]string) *[]model.DNSServer {
	if list == nil {
		return nil
	}
	out := []model.DNSServer{}
	for i, text := range *list {
		s, err := DNSServer(text)
		if err != nil {
			r.add(problemf("setting-invalid", fmt.Sprintf("spec.dnsTrustedServers[%d]", i), "%s", err).hint("until then nothing is learned from it"))
			continue
		}
		out = append(out, s)
	}
	return &out
}

// maxDuration is how long a duration may be: a day, in milliseconds.
const maxDuration = 24 * 3600 * 1000

// duration reads "1m30s" in milliseconds. What cannot be read says nothing.
func duration(r *reporter, field, text string) *uint32 {
	if text == "" {
		return nil
	}
	units := map[string]uint64{"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
	total := uint64(0)
	for rest := text; rest != ""; {
		digits := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		unit := ""
		if digits > 0 {
			unit = rest[digits:]
			if end := strings.IndexFunc(unit, func(c rune) bool { return c >= '0' && c <= '9' }); end >= 0 {
				unit = unit[:end]
			}
		}
		var n uint64
		if units[unit] > 0 {
			n, _ = strconv.ParseUint(rest[:digits], 10, 32)
			rest = rest[digits+len(unit):]
		}
		if total += n * units[unit]; units[unit] == 0 || total > maxDuration {
			r.add(problemf("setting-invalid", "spec."+field, "%q is not a duration of a day at most", text).hint("write for instance 90s or 1m30s"))
			return nil
		}
	}
	millis := uint32(total)
	return &millis
}
