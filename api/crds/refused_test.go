package crds

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// refusal is an object that is refused and what is said about it: each line the
// path, a colon, and the end of the text.
type refusal struct {
	kind, name, spec string
	want             []string
}

// in returns a refusal of a namespaced policy.
func in(spec string, want ...string) refusal {
	return refusal{kind: "NetworkPolicy", name: "p", spec: spec, want: want}
}

// global returns a refusal of a global policy.
func global(spec string, want ...string) refusal {
	return refusal{kind: "GlobalNetworkPolicy", name: "p", spec: spec, want: want}
}

// rule returns a refusal of an ingress rule; paths are relative to the rule, and
// "" is the rule itself.
func rule(fields string, want ...string) refusal {
	for i, w := range want {
		if !strings.HasPrefix(w, ":") {
			w = "." + w
		}
		want[i] = "spec.ingress[0]" + w
	}
	if !strings.Contains(fields, "action:") {
		fields = "action: Allow, " + fields
	}
	return in("ingress: [{"+fields+"}]", want...)
}

// TestRefused holds the rows of semantics.md section 3 that the definitions
// check, each with its message and the field it speaks of, and nothing else
// said beside it.
func TestRefused(t *testing.T) {
	s := newServer(t)
	for _, c := range slices.Concat(refusedEverywhere(), refusedStaged(), refusedOthers()) {
		t.Run(fmt.Sprintf("%s/%s/%.80s", c.kind, c.name, c.spec), func(t *testing.T) {
			got := s.create(t, object(t, c.kind, c.name, c.spec))
			rest := slices.Clone(got)
			for _, want := range c.want {
				path, text, _ := strings.Cut(want, ": ")
				i := slices.IndexFunc(rest, func(complaint string) bool {
					return strings.HasPrefix(complaint, path+": ") && strings.HasSuffix(complaint, text)
				})
				if i < 0 {
					t.Errorf("missing: %s\ngot: %s", want, strings.Join(got, "\n     "))
					continue
				}
				rest = slices.Delete(rest, i, i+1)
			}
			for _, r := range rest {
				t.Errorf("not expected: %s", r)
			}
		})
	}
}

// refusedEverywhere are the rows of policies, and the same of the staged kinds;
// those of rules in every kind that has rules, in both directions.
func refusedEverywhere() []refusal {
	rules := slices.Concat(refusedRules(), refusedEntities(), refusedValues(), refusedBounds())
	all := slices.Concat(refusedPolicies(), refusedGlobals(), rules)
	for _, c := range all {
		c.kind = "Staged" + c.kind
		all = append(all, c)
	}
	for _, c := range rules {
		for _, kind := range []string{"GlobalNetworkPolicy", "StagedGlobalNetworkPolicy", "Profile"} {
			if strings.Contains(c.spec, "services:") && kind != "Profile" {
				continue // there they need a namespace
			}
			c.kind = kind
			all = append(all, c)
		}
		if !strings.Contains(c.spec, "http:") && !strings.Contains(c.spec, "services:") && strings.HasPrefix(c.spec, "ingress:") {
			c.kind, c.spec, c.want = "NetworkPolicy", "e"+c.spec[2:], slices.Clone(c.want)
			for i := range c.want {
				c.want[i] = strings.Replace(c.want[i], "spec.ingress[", "spec.egress[", 1)
			}
			all = append(all, c)
		}
	}
	return all
}

// refusedBounds are the rows of what is too long or too much.
func refusedBounds() []refusal {
	list := func(n int, item func(int) string) string {
		var all []string
		for i := range n {
			all = append(all, item(i))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	net := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/256, i%256) }
	method := func(i int) string { return fmt.Sprintf("M%d", i) }
	path := func(i int) string { return fmt.Sprintf("{exact: /%d}", i) }
	port := func(i int) string { return fmt.Sprint(i + 1) }
	long := strings.Repeat("a", 1025)
	var all []refusal
	for _, side := range []string{"source", "destination"} {
		for _, field := range []string{"selector", "notSelector", "namespaceSelector"} {
			all = append(all, rule(side+": {"+field+": "+long+"}", side+"."+field+": may not be more than 1024 bytes"))
		}
		for _, field := range []string{"nets", "notNets"} {
			all = append(all, rule(side+": {"+field+": "+list(257, net)+"}", side+"."+field+": must have at most 256 items"))
		}
		for _, field := range []string{"ports", "notPorts"} {
			all = append(all, rule("protocol: TCP, "+side+": {"+field+": "+list(51, port)+"}", side+"."+field+": must have at most 50 items"))
		}
		all = append(all,
			rule(side+": {serviceAccounts: {selector: "+long+"}}", side+".serviceAccounts.selector: may not be more than 1024 bytes"),
			rule(side+": {notNets: [10.0.0.0/8, 10.0.0.0/8]}", side+`.notNets[1]: Duplicate value: "10.0.0.0/8"`))
	}
	return append(all,
		rule("http: {methods: "+list(21, method)+"}", "http.methods: must have at most 20 items"),
		rule("http: {paths: "+list(21, path)+"}", "http.paths: must have at most 20 items"),
		rule("http: {paths: [{exact: /"+long+"}]}", "http.paths[0].exact: may not be more than 1024 bytes"),
		rule("http: {paths: [{prefix: /"+long+"}]}", "http.paths[0].prefix: may not be more than 1024 bytes"))
}

func refusedPolicies() []refusal {
	const globalMisused = ": global() can only be used in an EntityRule namespaceSelector"
	const domains = ": domains can only be used in the destination of an egress Allow rule"
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat("{action: Allow},", n), ",") }
	return []refusal{
		in("types: [Ingress, Ingress]", "spec.types: 'Ingress' type specified more than once"),
		in("types: [Egress, Ingress, Egress]", "spec.types: 'Egress' type specified more than once"),
		in("types: [Sideways]", `spec.types[0]: supported values: "Ingress", "Egress"`),
		in("selector: global()", "spec.selector"+globalMisused),
		in(`selector: "a == 'global('"`, "spec.selector"+globalMisused),
		in("serviceAccountSelector: global()", "spec.serviceAccountSelector"+globalMisused),
		in("selector: "+strings.Repeat("a", 1025), "spec.selector: may not be more than 1024 bytes"),
		in("ingress: ["+list(1025)+"]", "spec.ingress: must have at most 1024 items"),
		in("egress: ["+list(1025)+"]", "spec.egress: must have at most 1024 items"),
		in("egress: [{action: Allow, http: {methods: [GET]}}]", "spec.egress[0].http: not allowed in egress rule"),
		in("egress: [{action: Allow, source: {services: {name: s}}}]", "spec.egress[0].source.services: not allowed in egress rule source"),
		in("ingress: [{action: Allow, destination: {services: {name: s}}}]", "spec.ingress[0].destination.services: not allowed in ingress rule destination"),
		in("ingress: [{action: Allow, source: {domains: [example.org]}}]", "spec.ingress[0].source.domains"+domains),
		in("ingress: [{action: Allow, destination: {domains: [example.org]}}]", "spec.ingress[0].destination.domains"+domains),
		in("egress: [{action: Allow, source: {domains: [example.org]}}]", "spec.egress[0].source.domains"+domains),
		in("egress: [{action: Deny, destination: {domains: [example.org]}}]", "spec.egress[0].destination.domains"+domains),
		in("tier: Upper", "spec.tier: should match '^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$'"),
		in("performanceHints: [Hurry]", `spec.performanceHints[0]: supported values: "AssumeNeededOnEveryNode"`),
		in("applyOnForward: true", "spec.applyOnForward: unknown field"),
		{"NetworkPolicy", "a.b.c", "{}", []string{"<nil>: name must be a DNS label, or two of them joined by a dot, or begin with 'knp.default.' or 'ossg.default.'"}},
		{"GlobalNetworkPolicy", "knp.default.x", "{}", []string{"<nil>: name must be a DNS label, or two of them joined by a dot"}},
	}
}

func refusedGlobals() []refusal {
	const aof = "spec: applyOnForward must be true if either preDNAT or doNotTrack is true"
	const globalMisused = ": global() can only be used in an EntityRule namespaceSelector"
	return []refusal{
		global("namespaceSelector: global()", "spec.namespaceSelector"+globalMisused),
		global("selector: '!global()'", "spec.selector"+globalMisused),
		global("serviceAccountSelector: global()", "spec.serviceAccountSelector"+globalMisused),
		global("types: [Ingress, Ingress]", "spec.types: 'Ingress' type specified more than once"),
		global("{preDNAT: true, doNotTrack: true, applyOnForward: true}", "spec: preDNAT and doNotTrack cannot both be true"),
		global("{preDNAT: true, applyOnForward: true, egress: [{action: Allow}]}", "spec.egress: preDNAT policy cannot have any egress rules"),
		global("{preDNAT: true, applyOnForward: true, types: [Ingress, Egress]}", "spec.types: preDNAT policy cannot have 'Egress' type"),
		global("preDNAT: true", aof),
		global("{doNotTrack: true, applyOnForward: false}", aof),
		global("egress: [{action: Allow, http: {methods: [GET]}}]", "spec.egress[0].http: not allowed in egress rules"),
		global("ingress: [{action: Allow, source: {services: {name: s}}}]", "spec.ingress[0].source.services: must specify a namespace"),
		global("ingress: [{action: Allow, source: {services: {name: s, namespace: ''}}}]", "spec.ingress[0].source.services: must specify a namespace"),
		global("egress: [{action: Allow, destination: {services: {name: s}}}]", "spec.egress[0].destination.services: must specify a namespace"),
		global("egress: [{action: Allow, source: {services: {name: s, namespace: ns}}}]", "spec.egress[0].source.services: not allowed in egress rule source"),
		global("ingress: [{action: Allow, destination: {services: {name: s, namespace: ns}}}]", "spec.ingress[0].destination.services: not allowed in ingress rule destination"),
	}
}

func refusedRules() []refusal {
	const numeric = ": rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
	const portless = "protocol: rules that specify ports must set protocol to TCP or UDP or SCTP"
	const icmp = "icmp: ICMP fields require protocol to be ICMP or ICMPv6"
	const v4, v6 = "ipVersion: protocol ICMP requires ipVersion 4", "ipVersion: protocol ICMPv6 requires ipVersion 6"
	return []refusal{
		rule("action: allow", `action: supported values: "Allow", "Deny", "Log", "Pass"`),
		in("ingress: [{protocol: TCP}]", "spec.ingress[0].action: Required value"),
		rule("ipVersion: 5", `ipVersion: supported values: "4", "6"`),
		rule("source: {ports: [80]}", numeric),
		rule("source: {ports: ['80']}", numeric),
		rule("source: {notPorts: ['80:90']}", numeric),
		rule("destination: {ports: [web, '80:90']}", numeric),
		rule("destination: {notPorts: [80]}", numeric),
		rule("protocol: ICMP, source: {ports: [web]}", portless),
		rule("protocol: 1, source: {notPorts: [web]}", portless),
		rule("protocol: UDPLite, destination: {ports: [80]}", portless),
		rule("protocol: '47', destination: {notPorts: [80]}", portless),
		rule("protocol: 0", "protocol: protocol number invalid"),
		rule("protocol: 256", "protocol: protocol number invalid"),
		rule("notProtocol: '300'", "notProtocol: protocol number invalid"),
		rule("protocol: gre", "protocol: protocol name invalid"),
		rule("notProtocol: ''", "notProtocol: protocol name invalid"),
		rule("protocol: ICMP, icmp: {code: 0}", "icmp: ICMP code specified without an ICMP type"),
		rule("notICMP: {code: 0}", "notICMP: ICMP code specified without an ICMP type"),
		rule("protocol: ICMP, icmp: {type: 255}", "icmp.type: should be less than or equal to 254"),
		rule("protocol: ICMP, icmp: {type: 3, code: 256}", "icmp.code: should be less than or equal to 255"),
		rule("icmp: {type: 8}", icmp),
		rule("protocol: tcp, icmp: {type: 8}", icmp),
		rule("protocol: 6, icmp: {type: 8}", icmp),
		rule("ipVersion: 6, protocol: icmp", v4),
		rule("ipVersion: 6, notProtocol: 1", v4),
		rule("ipVersion: 4, protocol: '58'", v6),
		rule("ipVersion: 4, notProtocol: ICMPv6", v6),
		rule("protocol: UDP, http: {methods: [GET]}", "http: rules with HTTP match must have protocol TCP or unset"),
		rule("action: Deny, http: {methods: [GET]}", "http: HTTP match is only valid on Allow rules"),
		rule("http: {methods: [GET, GET]}", `http.methods[1]: Duplicate value: "GET"`),
		rule("http: {paths: [{exact: /a, prefix: /b}]}", "http.paths[0]: HTTP path must have exactly one of exact and prefix"),
		rule("http: {paths: [{}]}", "http.paths[0]: HTTP path must have exactly one of exact and prefix"),
		rule("http: {paths: [{exact: a}]}", "http.paths[0].exact: should match '^(/[^?#]*)?$'"),
		rule("http: {paths: [{prefix: '/a?b'}]}", "http.paths[0].prefix: should match '^(/[^?#]*)?$'"),
		rule("http: {paths: [{prefix: '/a#b'}]}", "http.paths[0].prefix: should match '^(/[^?#]*)?$'"),
		rule("http: {headers: [{header: h, operator: In}]}", "http.headers[0].values: values must be empty for Exists and DoesNotExist, and must not be for other operators"),
		rule("http: {headers: [{header: h, operator: Exists, values: [x]}]}", "http.headers[0].values: values must be empty for Exists and DoesNotExist, and must not be for other operators"),
	}
}

func refusedEntities() []refusal {
	const contradiction = ": catch-all CIDR in negation creates logical contradiction (matches no traffic)"
	const alone = "source.namespaceSelector: global() cannot be combined with other selectors"
	const combined = "spec.egress[0].destination.domains: domains cannot be combined with nets, selectors, serviceAccounts or services"
	services := func(with, what string) refusal {
		return rule("source: {services: {name: s}, "+with+"}", "source.services: cannot specify "+what+" and Services on the same rule")
	}
	return []refusal{
		services("selector: all()", "Selector/NotSelector"),
		services("notSelector: all()", "Selector/NotSelector"),
		services("namespaceSelector: all()", "NamespaceSelector"),
		services("serviceAccounts: {names: [a]}", "ServiceAccounts"),
		services("nets: [10.0.0.0/8]", "Nets/NotNets"),
		services("notNets: [10.0.0.0/8]", "Nets/NotNets"),
		rule("source: {services: {namespace: ns}}", "source.services: services must specify a service name"),
		in("egress: [{action: Allow, protocol: TCP, destination: {services: {name: s}, ports: [80]}}]",
			"spec.egress[0].destination.services: ports and notPorts cannot be specified with services"),
		in("egress: [{action: Allow, protocol: TCP, destination: {services: {name: s}, notPorts: [80]}}]",
			"spec.egress[0].destination.services: ports and notPorts cannot be specified with services"),
		in("egress: [{action: Allow, destination: {domains: [example.org], nets: [10.0.0.0/8]}}]",
			combined),
		in("egress: [{action: Allow, destination: {domains: [example.org], selector: all()}}]", combined),
		in("egress: [{action: Allow, destination: {domains: [example.org], notSelector: has(a)}}]", combined),
		in("egress: [{action: Allow, destination: {domains: [example.org], namespaceSelector: has(a)}}]", combined),
		in("egress: [{action: Allow, destination: {domains: [example.org], serviceAccounts: {names: [a]}}}]", combined),
		in("egress: [{action: Allow, destination: {domains: [example.org], services: {name: a}}}]", combined),
		rule("source: {selector: 'all() || global()'}", "source.selector: global() can only be used in an EntityRule namespaceSelector"),
		rule("source: {namespaceSelector: 'global() || a == b'}", alone),
		rule("source: {namespaceSelector: '!global()'}", alone),
		rule("source: {namespaceSelector: '(global())'}", alone),
		rule("source: {notNets: [0.0.0.0/0]}", "source.notNets[0]"+contradiction),
		rule("destination: {notNets: [10.0.0.0/8, '::/0']}", "destination.notNets[1]"+contradiction),
		rule("source: {nets: [everywhere]}", "source.nets[0]: should match '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$'"),
		rule("source: {nets: [10.0.0.0/8, 10.0.0.0/8]}", `source.nets[1]: Duplicate value: "10.0.0.0/8"`),
	}
}

func refusedValues() []refusal {
	const number = ": port range invalid, port number must be between 1 and 65535"
	port := func(p string, want string) refusal {
		return rule("protocol: TCP, source: {ports: [1, "+p+"]}", "source.ports[1]"+want)
	}
	const pattern = ": in body should match '^(0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])" +
		"(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?|[0-9]*[a-zA-Z_.-][a-zA-Z0-9_.-]*)$'"
	many := strings.TrimSuffix(strings.Repeat("80,", 51), ",")
	return []refusal{
		port("0", number), port("65536", number), port("-1", number),
		port("'0'", pattern), port("'65536'", pattern), port("'70000'", pattern), port("'0:80'", pattern), port("'1:99999'", pattern),
		port("'1:2:3'", pattern), port("'a b'", pattern), port("''", pattern),
		rule("protocol: TCP, destination: {ports: ["+many+"]}", "destination.ports: must have at most 50 items"),
		port("1.5", `: must be of type integer,string: "number"`),
	}
}

func refusedStaged() []refusal {
	const deletes = "spec: Spec fields, except Tier, should all be zero-value if stagedAction is Delete"
	var all []refusal
	namespaced := []string{"order: 1", "selector: all()", "ingress: [{action: Allow}]", "egress: [{action: Allow}]", "types: [Ingress]",
		"serviceAccountSelector: a", "performanceHints: [AssumeNeededOnEveryNode]"}
	for _, field := range namespaced {
		all = append(all, refusal{"StagedNetworkPolicy", "p", "{stagedAction: Delete, tier: t, " + field + "}", []string{deletes}})
	}
	for _, field := range append(namespaced, "namespaceSelector: a", "applyOnForward: true", "applyOnForward: true, doNotTrack: true", "applyOnForward: true, preDNAT: true") {
		all = append(all, refusal{"StagedGlobalNetworkPolicy", "p", "{stagedAction: Delete, tier: t, " + field + "}", []string{deletes}})
	}
	for _, field := range []string{"podSelector: {matchLabels: {a: b}}", "podSelector: {matchExpressions: [{key: a, operator: Exists}]}", "ingress: [{}]", "egress: [{}]", "policyTypes: [Ingress]"} {
		all = append(all, refusal{"StagedKubernetesNetworkPolicy", "p", "{stagedAction: Delete, " + field + "}",
			[]string{"spec: Spec fields should all be zero-value if stagedAction is Delete"}})
	}
	return append(all,
		refusal{"StagedNetworkPolicy", "p", "stagedAction: Undo", []string{`spec.stagedAction: supported values: "Set", "Delete", "Learn", "Ignore"`}},
		refusal{"StagedNetworkPolicy", "p", "types: [Egress, Egress]", []string{"spec.types: 'Egress' type specified more than once"}},
		refusal{"StagedNetworkPolicy", "p", "selector: global()", []string{"spec.selector: global() can only be used in an EntityRule namespaceSelector"}},
		refusal{"StagedNetworkPolicy", "p", "egress: [{action: Allow, http: {}}]", []string{"spec.egress[0].http: not allowed in egress rule"}},
		refusal{"StagedGlobalNetworkPolicy", "p", "preDNAT: true", []string{"spec: applyOnForward must be true if either preDNAT or doNotTrack is true"}},
		refusal{"StagedGlobalNetworkPolicy", "p", "ingress: [{action: Allow, source: {services: {name: s}}}]", []string{"spec.ingress[0].source.services: must specify a namespace"}},
		refusal{"StagedKubernetesNetworkPolicy", "p", "tier: t", []string{"spec.tier: unknown field"}},
	)
}

func refusedOthers() []refusal {
	const dns = "<nil>: name must consist of lower case alphanumeric characters or '-' (regex: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$)"
	hep := func(spec string, want ...string) refusal { return refusal{"HostEndpoint", "h", spec, want} }
	port := func(fields string, want string) refusal {
		return hep("{node: n1, interfaceName: eth0, ports: [{"+fields+"}]}", "spec.ports[0]"+want)
	}
	auto := func(fields, want string) refusal {
		return refusal{"KubeControllersConfiguration", "default", "controllers: {node: {hostEndpoint: {" + fields + "}}}", []string{"spec.controllers.node.hostEndpoint." + want}}
	}
	const portless = ".protocol: EndpointPort protocol does not support ports."
	unknown := func(protocol, what string) refusal {
		return hep("{node: n1, interfaceName: eth0, ports: [{name: x, protocol: "+protocol+", port: 1}]}",
			"spec.ports[0]"+portless, "spec.ports[0].protocol: protocol "+what+" invalid")
	}
	return []refusal{
		{"Tier", "a.b", "{}", []string{dns}},
		{"Tier", strings.Repeat("t", 64), "{}", []string{"<nil>: name is too long: a tier's name has at most 63 characters"}},
		{"Tier", "t", "defaultAction: Allow", []string{`spec.defaultAction: supported values: "Deny", "Pass"`}},
		{"Tier", "default", "order: 1", []string{"<nil>: default tier order must be 1000000"}},
		{"Tier", "default", "{}", []string{"<nil>: default tier order must be 1000000"}},
		{"Tier", "default", "{order: 1000000, defaultAction: Pass}", []string{"<nil>: The 'default' tier must have default action 'Deny'"}},
		{"Tier", "kube-admin", "{order: 1000}", []string{"<nil>: The 'kube-admin' tier must have default action 'Pass'"}},
		{"Tier", "kube-admin", "{order: 7, defaultAction: Pass}", []string{"<nil>: kube-admin tier order must be 1000"}},
		{"Tier", "kube-baseline", "{order: 10000000}", []string{"<nil>: The 'kube-baseline' tier must have default action 'Pass'"}},
		{"Tier", "kube-baseline", "{defaultAction: Pass}", []string{"<nil>: kube-baseline tier order must be 10000000"}},
		{"FelixConfiguration", "default", "defaultEndpointToHostAction: Deny", []string{"spec.defaultEndpointToHostAction: should match '^(?i)(Drop|Accept|Return)?$'"}},
		{"FelixConfiguration", "default", "nftablesFilterDenyAction: Accept", []string{"spec.nftablesFilterDenyAction: should match '^(?i)(Drop|Reject)?$'"}},
		{"FelixConfiguration", "default", "iptablesFilterDenyAction: Accept", []string{"spec.iptablesFilterDenyAction: should match '^(?i)(Drop|Reject)?$'"}},
		{"FelixConfiguration", "default", "logActionRateLimit: 10 a day", []string{"spec.logActionRateLimit: should match '^([1-9][0-9]{0,3}/(second|minute|hour|day))?$'"}},
		{"FelixConfiguration", "default", "dnsExtraTTL: long", []string{"spec.dnsExtraTTL: should match '^([0-9]{1,9}(ms|s|m|h)){0,4}$'"}},
		{"FelixConfiguration", "default", "failsafeInboundHostPorts: [{port: 0}]", []string{"spec.failsafeInboundHostPorts[0].port: should be greater than or equal to 1"}},
		auto("autoCreate: enabled", `autoCreate: supported values: "Enabled", "Disabled"`),
		auto("createDefaultHostEndpoint: 'yes'", `createDefaultHostEndpoint: supported values: "Enabled", "Disabled"`),
		auto("templates: [{interfacePattern: eth0}]", "templates[0].generateName: Required value"),
		auto("templates: [{generateName: A, interfacePattern: eth0}]", "templates[0].generateName: should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'"),
		auto("templates: [{generateName: a}]", "templates[0]: at least one of interfaceCIDRs and interfacePattern must be specified"),
		auto("templates: [{generateName: a, interfaceCIDRs: [eth0]}]", "templates[0].interfaceCIDRs[0]: should match '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$'"),
		auto("templates: [{generateName: a, interfacePattern: eth0}, {generateName: a, interfacePattern: eth1}]", "templates: each template needs a generateName of its own"),
		hep("interfaceName: eth0", "spec: node must be specified"),
		hep("{node: '', interfaceName: eth0}", "spec: node must be specified"),
		hep("node: n1", "spec: at least one of interfaceName or expectedIPs must be specified"),
		hep("{node: n1, expectedIPs: [node1]}", "spec.expectedIPs[0]: should match '^[0-9a-fA-F:.]+$'"),
		hep("{node: n1, interfaceName: eth0/1}", "spec.interfaceName: should match '^([*]|[a-zA-Z0-9_.-]{0,15})$'"),
		hep("{node: n1, interfaceName: much-longer-than-15}", "spec.interfaceName: may not be more than 15 bytes"),
		port("name: x, protocol: ICMP, port: 1", portless),
		port("name: x, protocol: 47, port: 1", portless),
		unknown("0", "number"), unknown("gre", "name"),
		port("name: x, protocol: TCP, port: 0", ".port: should be greater than or equal to 1"),
		port("name: x, protocol: TCP, port: 65536", ".port: should be less than or equal to 65535"),
		port("protocol: TCP, port: 1", ".name: Required value"),
		{"NetworkSet", "n", "nets: [example.org]", []string{"spec.nets[0]: should match '^[0-9a-fA-F:.]+(/[0-9]{1,3})?$'"}},
		{"NetworkSet", "n", "allowedEgressDomains: ['foo*.example.org']", []string{`spec.allowedEgressDomains[0]: \x{10ffff}])?[.]?$'`}},
		{"GlobalNetworkSet", "n", "allowedEgressDomains: ['*.*.example.org']", []string{`spec.allowedEgressDomains[0]: \x{10ffff}])?[.]?$'`}},
		{"GlobalNetworkSet", "n", "allowedEgressDomains: ['example.*']", []string{`spec.allowedEgressDomains[0]: \x{10ffff}])?[.]?$'`}},
		{"Profile", "p", "ingress: [{action: Allow, source: {ports: [80]}}]", []string{"spec.ingress[0]: rules with numeric port or port range must set protocol to TCP or UDP or SCTP"}},
		{"Profile", "p", "egress: [{action: Allow, http: {}}]", []string{"spec.egress[0].http: not allowed in egress rule"}},
	}
}
