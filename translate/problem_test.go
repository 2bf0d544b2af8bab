package translate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// fate is what becomes of a direction with a problem.
type fate int

const (
	kept    fate = iota // the problem changes nothing, or not only a direction
	denied              // the direction denies, whole
	nowhere             // the policy selects nothing
)

// problemRow is one thing that a user can get wrong, and all that is said.
type problemRow struct {
	name, manifest      string
	code, path, message string
	hint                string
	fate                fate
}

func ingress(rule string) string { return gnp("{ingress: [" + rule + "]}") }

const (
	onceUnread = "until then a rule that denies or passes denies everything at its place, and one that accepts is left out"

	onlyThere = "domains can only be used in the destination of an egress Allow rule"
	aDomain   = "write a name such as www.example.com, or one with a wildcard for whole labels that is not the last, such as *.example.com"
	notWith   = "domains cannot be combined with nets, selectors, serviceAccounts or services"

	misplace = "move it to the namespaceSelector of a rule's source or destination"
	ports    = "rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
	noPorts  = "rules that specify ports must set protocol to TCP or UDP or SCTP"
	cidr     = "write for instance 10.0.0.0/8 or 2001:db8::/32"
	aPort    = `write a number from 1 to 65535, a range as "8000:8080" or a name`
	aProto   = "write TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255"
)

func problemRows() []problemRow {
	in := "spec.ingress[0]"
	return []problemRow{
		{"a staged deletion with rules", manifest("StagedNetworkPolicy", "blue", "p", "{stagedAction: Delete, tier: default, ingress: [{action: Allow}]}"), "staged-delete", "spec", "Spec fields, except Tier, should all be zero-value if stagedAction is Delete", "remove the other fields, or write stagedAction: Set; it counts as a staged deletion", kept},
		{"a global staged deletion with an order", manifest("StagedGlobalNetworkPolicy", "", "p", "{stagedAction: Delete, order: 1}"), "staged-delete", "spec", "Spec fields, except Tier, should all be zero-value if stagedAction is Delete", "remove the other fields, or write stagedAction: Set; it counts as a staged deletion", kept},
		{"a staged deletion of Kubernetes' own with a selector", manifest("StagedKubernetesNetworkPolicy", "blue", "p", "{stagedAction: Delete, podSelector: {matchLabels: {a: b}}}"), "staged-delete", "spec", "Spec fields should all be zero-value if stagedAction is Delete", "remove the other fields, or write stagedAction: Set; it counts as a staged deletion", kept},
		{"a staged action that is none", manifest("StagedNetworkPolicy", "blue", "p", "{stagedAction: Maybe}"), "staged-action", "spec.stagedAction", `"Maybe" is not an action of a staged policy`, "write Set or Delete; until then it counts as Set", kept},
		{"a rule of a staged policy", manifest("StagedNetworkPolicy", "blue", "p", "{ingress: [{action: Reject}]}"), "action-invalid", in + ".action", `"Reject" is not an action`, "write Allow, Deny, Pass or Log", kept},
		{"a CNP of another tier", manifest("cnp", "", "p", "{tier: Security, priority: 1, subject: {namespaces: {}}}"), "cnp-tier", "spec.tier", `"Security" is not a tier of a ClusterNetworkPolicy`, "write Admin or Baseline; until then the policy applies after all tiers", kept},
		{"a CNP for nothing", manifest("cnp", "", "p", "{tier: Admin, priority: 1, subject: {}}"), "cnp-subject", "spec.subject", "exactly one of namespaces and pods says what a policy applies to", "write one of them; until then the policy applies to nothing", nowhere},
		{"a CNP for two things", manifest("cnp", "", "p", "{tier: Admin, priority: 1, subject: {namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}}"), "cnp-subject", "spec.subject", "exactly one of namespaces and pods says what a policy applies to", "write one of them; until then the policy applies to nothing", nowhere},
		{"a CNP without peers", cnp("ingress: [{action: Accept, from: []}]"), "cnp-peer", in + ".from", "a rule needs at least one peer", onceUnread, kept},
		{"a CNP with an empty peer", cnp("ingress: [{action: Accept, from: [{}]}]"), "cnp-peer", in + ".from[0]", "the peer says nothing that is known here", "write namespaces, pods, nodes, networks or domainNames; " + onceUnread, kept},
		{"a CNP without protocols", cnp("ingress: [{action: Accept, from: [{namespaces: {}}], protocols: []}]"), "cnp-protocol", in + ".protocols", "a list of protocols needs at least one", "leave the field out to match all; " + onceUnread, kept},
		{"a CNP with an empty protocol", cnp("ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{}]}]"), "cnp-protocol", in + ".protocols[0]", "the protocol is none that is known here", "write tcp, udp, sctp or destinationNamedPort; " + onceUnread, kept},
		{"a CNP that denies domains", cnp("egress: [{action: Deny, to: [{domainNames: [example.com]}]}]"), "domain-misplaced", "spec.egress[0].to[0].domainNames", "domainNames can only be used in a rule that accepts", onceUnread, kept},
		{"a CNP's domain", cnp("egress: [{action: Accept, to: [{domainNames: [exa*mple.com]}]}]"), "domain-syntax", "spec.egress[0].to[0].domainNames[0]", `"exa*mple.com" is not a domain: a wildcard stands for whole labels: write it between dots`, aDomain + "; " + onceUnread, kept},
		{"a CNP with a bad network", cnp("egress: [{action: Accept, to: [{networks: [nonsense]}]}]"), "net-syntax", "spec.egress[0].to[0].networks[0]", `invalid CIDR: "nonsense"`, cidr + "; " + onceUnread, kept},
		{"a CNP with a bad port", cnp("ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 9, end: 8}}}}]}]"), "port-invalid", in + ".protocols[0].tcp.destinationPort", "ports 9 to 8 are not a range of 1 to 65535", onceUnread, kept},
		{"a CNP with another action", cnp("ingress: [{action: Allow, from: [{namespaces: {}}]}]"), "action-invalid", in + ".action", `"Allow" is not an action of a ClusterNetworkPolicy`, "write Accept, Deny or Pass; until then the rule denies everything at its place", kept},
		{"a policy's name in upper case", manifest("GlobalNetworkPolicy", "", "Web", "{}"), "name-invalid", "metadata.name", "name must be a DNS label, or two of them joined by a dot", "write web", kept},
		{"a set's name", manifest("GlobalNetworkSet", "", "a_b", "{nets: [192.0.2.7]}"), "name-invalid", "metadata.name", "name must consist of lower case alphanumeric characters, '-' or '.'", "choose another name, of at most 63 letters, digits and dashes", kept},
		{"a tier's name with a dot", manifest("Tier", "", "a.b", "{order: 1}"), "name-invalid", "metadata.name", "name must consist of lower case alphanumeric characters or '-'", "choose another name, of at most 63 letters, digits and dashes", kept},
		{"an action that is none", ingress("{action: Reject}"), "action-invalid", in + ".action", `"Reject" is not an action`, "write Allow, Deny, Pass or Log", denied},
		{"no action", ingress("{}"), "action-invalid", in + ".action", `"" is not an action`, "write Allow, Deny, Pass or Log", denied},
		{"an IP version that is none", ingress("{action: Allow, ipVersion: 5}"), "ip-version-invalid", in + ".ipVersion", "5 is not an IP version", "write 4 or 6", denied},
		{"a protocol word", ingress("{action: Allow, protocol: HTTP}"), "protocol-invalid", in + ".protocol", `protocol name invalid: "HTTP"`, aProto, denied},
		{"protocol 0", ingress("{action: Allow, protocol: 0}"), "protocol-invalid", in + ".protocol", `protocol number invalid: "0"`, aProto, denied},
		{"protocol 256", ingress("{action: Allow, notProtocol: 256}"), "protocol-invalid", in + ".notProtocol", `protocol number invalid: "256"`, aProto, denied},
		{"ICMP for IPv6", ingress("{action: Allow, ipVersion: 6, protocol: ICMP}"), "protocol-family", in + ".ipVersion", "protocol ICMP requires ipVersion 4", "write ipVersion: 4 or leave it out", kept},
		{"ICMP for IPv6, by number", ingress("{action: Allow, ipVersion: 6, protocol: 1}"), "protocol-family", in + ".ipVersion", "protocol ICMP requires ipVersion 4", "write ipVersion: 4 or leave it out", kept},
		{"ICMPv6 for IPv4", ingress("{action: Allow, ipVersion: 4, notProtocol: ICMPv6}"), "protocol-family", in + ".ipVersion", "protocol ICMPv6 requires ipVersion 6", "write ipVersion: 6 or leave it out", kept},
		{"ports without a protocol", ingress("{action: Allow, destination: {ports: [80]}}"), "port-protocol", in + ".destination.ports[0]", ports, "add protocol: TCP to the rule, or another that has ports", denied},
		{"a range without a protocol", ingress(`{action: Allow, source: {notPorts: ["80:90"]}}`), "port-protocol", in + ".source.notPorts[0]", ports, "add protocol: TCP to the rule, or another that has ports", denied},
		{"ports of a protocol without", ingress("{action: Allow, protocol: ICMP, destination: {ports: [80]}}"), "port-protocol", in + ".destination.ports[0]", noPorts, "ICMP has no ports", denied},
		{"ports of UDPLite", ingress("{action: Allow, protocol: UDPLite, source: {ports: [80]}}"), "port-protocol", in + ".source.ports[0]", noPorts, "UDPLite has no ports", denied},
		{"port 0", ingress("{action: Allow, protocol: TCP, destination: {ports: [0]}}"), "port-invalid", in + ".destination.ports[0]", `port range invalid, port number must be between 1 and 65535: "0"`, aPort, denied},
		{"port 65536", ingress("{action: Allow, protocol: TCP, destination: {ports: [80, 65536]}}"), "port-invalid", in + ".destination.ports[1]", `port range invalid, port number must be between 1 and 65535: "65536"`, aPort, denied},
		{"a range upside down", ingress(`{action: Allow, protocol: TCP, destination: {ports: ["90:80"]}}`), "port-invalid", in + ".destination.ports[0]", `port range invalid: "90:80"`, aPort, denied},
		{"a net", ingress("{action: Allow, source: {nets: [10.0.0.0/8, 10.0.0.0/33]}}"), "net-syntax", in + ".source.nets[1]", `invalid CIDR: "10.0.0.0/33"`, cidr, denied},
		{"a notNet", ingress("{action: Allow, destination: {notNets: [web]}}"), "net-syntax", in + ".destination.notNets[0]", `invalid CIDR: "web"`, cidr, denied},
		{"a net that is not masked", ingress("{action: Allow, source: {nets: [10.0.0.7/8]}}"), "net-not-masked", in + ".source.nets[0]", `"10.0.0.7/8" has bits set behind its prefix length`, "write 10.0.0.0/8", denied},
		{"a catch-all in notNets", ingress("{action: Deny, source: {notNets: [0.0.0.0/0]}}"), "net-catch-all", in + ".source.notNets[0]", "catch-all CIDR in negation creates logical contradiction (matches no traffic)", "remove it; the rule never matches", kept},
		{"a catch-all of IPv6", ingress(`{action: Deny, destination: {notNets: ["::/0"]}}`), "net-catch-all", in + ".destination.notNets[0]", "catch-all CIDR in negation creates logical contradiction (matches no traffic)", "remove it; the rule never matches", kept},
		{"both families", ingress(`{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {notNets: ["2001:db8::/32"]}}`), "net-families", in, "rule contains both IPv4 and IPv6 CIDRs", "write one rule for each family", kept},
		{"nets against ipVersion", ingress("{action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}}"), "net-families", in + ".ipVersion", "rule IP version doesn't match CIDR version", "the rule never matches", kept},
		{"nets against ipVersion, the other way", ingress(`{action: Allow, ipVersion: 4, destination: {notNets: ["2001:db8::/32"]}}`), "net-families", in + ".ipVersion", "rule IP version doesn't match CIDR version", "the rule never matches", kept},
		{"a rule's selector", ingress("{action: Allow, source: {selector: app = 'web'}}"), "selector-syntax", in + ".source.selector", `expected == or != at character 5, found "="`, "write == to compare, not =", denied},
		{"a rule's notSelector", ingress("{action: Allow, destination: {notSelector: app == web}}"), "selector-syntax", in + ".destination.notSelector", `expected string at character 8, found "web"`, "write the value in quotes: 'web'", denied},
		{"a rule's namespaceSelector", ingress("{action: Allow, source: {namespaceSelector: (all()}}"), "selector-syntax", in + ".source.namespaceSelector", "expected ) at character 7, found the end of the selector", "", denied},
		{"a rule's account selector", ingress("{action: Allow, source: {serviceAccounts: {selector: has(}}}"), "selector-syntax", in + ".source.serviceAccounts.selector", "expected identifier at character 5, found the end of the selector", "", denied},
		{"global() in a selector", ingress("{action: Allow, source: {selector: global()}}"), "selector-global", in + ".source.selector", "global() can only be used in an EntityRule namespaceSelector", misplace, denied},
		{"global() in a notSelector", ingress("{action: Allow, source: {notSelector: global()}}"), "selector-global", in + ".source.notSelector", "global() can only be used in an EntityRule namespaceSelector", misplace, denied},
		{"global() in an account selector", ingress("{action: Allow, source: {serviceAccounts: {selector: global()}}}"), "selector-global", in + ".source.serviceAccounts.selector", "global() can only be used in an EntityRule namespaceSelector", misplace, denied},
		{"global() with company", ingress("{action: Allow, source: {namespaceSelector: global() || has(env)}}"), "selector-global", in + ".source.namespaceSelector", "global() cannot be combined with other selectors", "write global() alone, in a rule of its own", denied},
		{"global() negated", ingress("{action: Allow, source: {namespaceSelector: '!global()'}}"), "selector-global", in + ".source.namespaceSelector", "global() cannot be combined with other selectors", "write global() alone, in a rule of its own", denied},
		{"global() in what it applies to", gnp("{selector: global()}"), "selector-global", "spec.selector", "global() can only be used in an EntityRule namespaceSelector", misplace, nowhere},
		{"what it applies to", np("{selector: app = 'web'}"), "selector-syntax", "spec.selector", `expected == or != at character 5, found "="`, "write == to compare, not =", nowhere},
		{"a type", gnp("{types: [Inbound]}"), "types-invalid", "spec.types", `"Inbound" is not a type`, "write Ingress or Egress; until then the policy applies in both directions", kept},
		{"a type twice", gnp("{types: [Ingress, Ingress]}"), "types-repeated", "spec.types", "'Ingress' type specified more than once", "remove the repetition", kept},
		{"a Kubernetes type", knp("{podSelector: {}, policyTypes: [Inbound]}"), "types-invalid", "spec.policyTypes", `"Inbound" is not a type`, "write Ingress or Egress; until then the policy applies in both directions", kept},
		{"a Kubernetes operator", knp("{podSelector: {matchExpressions: [{key: a, operator: Is}]}}"), "selector-operator", "spec.podSelector.matchExpressions[0].operator", `"Is" is not an operator`, "write In, NotIn, Exists or DoesNotExist", nowhere},
		{"a Kubernetes operator of a peer", knp("{podSelector: {}, ingress: [{from: [{podSelector: {}}, {namespaceSelector: {matchExpressions: [{key: a, operator: Is}]}}]}]}"), "selector-operator", in + ".from[1].namespaceSelector.matchExpressions[0].operator", `"Is" is not an operator`, "write In, NotIn, Exists or DoesNotExist", denied},
		{"a Kubernetes operator of a peer's pods", knp("{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Is}]}}]}]}"), "selector-operator", in + ".from[0].podSelector.matchExpressions[0].operator", `"Is" is not an operator`, "write In, NotIn, Exists or DoesNotExist", denied},
		{"a Kubernetes block", knp("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: web}}]}]}"), "net-syntax", in + ".from[0].ipBlock.cidr", `invalid CIDR: "web"`, cidr, denied},
		{"a Kubernetes exception", knp("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [web]}}]}]}"), "net-syntax", in + ".from[0].ipBlock.except", `invalid CIDR: "web"`, cidr, denied},
		{"a Kubernetes port", knp("{podSelector: {}, ingress: [{ports: [{port: 0}]}]}"), "port-invalid", in + ".ports[0]", "ports 0 to 0 are not a range of 1 to 65535", "the rule is not used until it is mended", kept},
		{"a Kubernetes endPort alone", knp("{podSelector: {}, ingress: [{ports: [{endPort: 90}]}]}"), "port-invalid", in + ".ports[0].endPort", "endPort 90 has no port to begin at", "the rule is not used until it is mended", kept},
		{"a Kubernetes protocol", knp("{podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}"), "protocol-invalid", in + ".ports[0].protocol", `"ICMP" is not a protocol`, "write TCP, UDP or SCTP; the rule is not used until it is mended", kept},
		{"a set's net", manifest("NetworkSet", "blue", "s", "{nets: [10.0.0.0/8, web]}"), "net-syntax", "spec.nets[1]", `"web" is neither a CIDR nor an address`, "write for instance 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32", kept},
		{"a set's domain", manifest("GlobalNetworkSet", "", "s", "{allowedEgressDomains: ['*.example.com', '*.*.com']}"), "domain-syntax", "spec.allowedEgressDomains[1]", `"*.*.com" is not a domain: a domain has at most one wildcard`, aDomain, kept},
		{"a set's address among its domains", manifest("GlobalNetworkSet", "", "s", "{allowedEgressDomains: [192.0.2.1]}"), "domain-syntax", "spec.allowedEgressDomains[0]", `"192.0.2.1" is an address, not a domain`, "write it in nets", kept},
		{"a set's reserved label", "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: s, namespace: blue, labels: {projectcalico.org/namespace: red}}\nspec: {nets: [192.0.2.7]}", "label-reserved", "metadata.labels", "projectcalico.org/namespace is not a valid label name", "remove the label; the namespace is the object's own", kept},
		{"a host endpoint without a node", manifest("HostEndpoint", "", "h", "{interfaceName: eth0}"), "host-endpoint-node", "spec.node", "node must be specified", "name the node that the interface is on", kept},
		{"a host endpoint that is nowhere", manifest("HostEndpoint", "", "h", "{node: n1}"), "host-endpoint-interface", "spec", "at least one of interfaceName or expectedIPs must be specified", `write interfaceName: "*" for all interfaces of the node`, kept},
		{"an expected IP", manifest("HostEndpoint", "", "h", "{node: n1, expectedIPs: [10.0.0.1, 10.0.0.0/8]}"), "address-syntax", "spec.expectedIPs[1]", `"10.0.0.0/8" is not an address`, "write a single IPv4 or IPv6 address without a prefix length", kept},
		{"a host endpoint's protocol", manifest("HostEndpoint", "", "h", "{node: n1, interfaceName: eth0, ports: [{name: a, protocol: ICMP, port: 1}]}"), "protocol-invalid", "spec.ports[0].protocol", "EndpointPort protocol does not support ports.", "use TCP, UDP or SCTP", kept},
		{"a host endpoint's port", manifest("HostEndpoint", "", "h", "{node: n1, interfaceName: eth0, ports: [{name: a, protocol: TCP, port: 0}]}"), "port-invalid", "spec.ports[0].port", "port 0 is not between 1 and 65535", "", kept},
		{"a built-in tier's order", manifest("Tier", "", "default", "{order: 5}"), "tier-builtin", "spec.order", "default tier order must be 1000000", "the built-in order holds; remove the field or write that number", kept},
		{"a built-in tier without an order", manifest("Tier", "", "default", "{}"), "tier-builtin", "spec.order", "default tier order must be 1000000", "the built-in order holds; remove the field or write that number", kept},
		{"a built-in tier's action", manifest("Tier", "", "kube-admin", "{order: 1000, defaultAction: Deny}"), "tier-builtin", "spec.defaultAction", "The 'kube-admin' tier must have default action 'Pass'", "the built-in action holds", kept},
		{"the default tier's action", manifest("Tier", "", "default", "{order: 1000000, defaultAction: Pass}"), "tier-builtin", "spec.defaultAction", "The 'default' tier must have default action 'Deny'", "the built-in action holds", kept},
		{"ICMP fields without a protocol", ingress("{action: Allow, icmp: {type: 8}}"), "icmp-protocol", in + ".icmp", "ICMP fields require protocol to be ICMP or ICMPv6", "add protocol: ICMP to the rule", denied},
		{"ICMP fields of another protocol", ingress("{action: Allow, protocol: TCP, icmp: {type: 8}}"), "icmp-protocol", in + ".icmp", "ICMP fields require protocol to be ICMP or ICMPv6", "add protocol: ICMP to the rule", denied},
		{"an ICMP code without a type", ingress("{action: Allow, protocol: ICMP, icmp: {code: 0}}"), "icmp-invalid", in + ".icmp.code", "ICMP code specified without an ICMP type", "add the type", denied},
		{"the same negated", ingress("{action: Allow, notICMP: {code: 0}}"), "icmp-invalid", in + ".notICMP.code", "ICMP code specified without an ICMP type", "add the type", denied},
		{"an ICMP type", ingress("{action: Allow, protocol: 1, icmp: {type: 255}}"), "icmp-invalid", in + ".icmp.type", "255 is not between 0 and 254", "", denied},
		{"an ICMP code", ingress("{action: Allow, protocol: ICMP, icmp: {type: 3, code: 256}}"), "icmp-invalid", in + ".icmp.code", "256 is not between 0 and 255", "", denied},
		{"a negative ICMP type", ingress("{action: Allow, protocol: ICMPv6, notICMP: {type: -1}}"), "icmp-invalid", in + ".notICMP.type", "-1 is not between 0 and 254", "", denied},
		{"services in the wrong place", ingress("{action: Allow, destination: {services: {name: s, namespace: blue}}}"), "service-misplaced", in + ".destination.services", "not allowed in ingress rule destination", "write it in the source", denied},
		{"services in the wrong place, egress", gnp("{egress: [{action: Allow, source: {services: {name: s, namespace: blue}}}]}"), "service-misplaced", "spec.egress[0].source.services", "not allowed in egress rule source", "write it in the destination", denied},
		{"a service without a name", ingress("{action: Allow, source: {services: {namespace: blue}}}"), "service-name", in + ".source.services.name", "services must specify a service name", "", denied},
		{"a service without a namespace", ingress("{action: Allow, source: {services: {name: s}}}"), "service-namespace", in + ".source.services.namespace", "must specify a namespace", "a cluster-wide policy has no namespace of its own", denied},
		{"services and a selector", ingress("{action: Allow, source: {services: {name: s, namespace: blue}, selector: all()}}"), "service-combined", in + ".source.services", "cannot specify Selector/NotSelector and Services on the same rule", "write two rules", denied},
		{"services and nets", ingress("{action: Allow, source: {services: {name: s, namespace: blue}, notNets: [10.0.0.0/8]}}"), "service-combined", in + ".source.services", "cannot specify Nets/NotNets and Services on the same rule", "write two rules", denied},
		{"services and accounts", ingress("{action: Allow, source: {services: {name: s, namespace: blue}, serviceAccounts: {names: [a]}}}"), "service-combined", in + ".source.services", "cannot specify ServiceAccounts and Services on the same rule", "write two rules", denied},
		{"services and a namespace selector", ingress("{action: Allow, source: {services: {name: s, namespace: blue}, namespaceSelector: all()}}"), "service-combined", in + ".source.services", "cannot specify NamespaceSelector and Services on the same rule", "write two rules", denied},
		{"services and ports", gnp("{egress: [{action: Allow, protocol: TCP, destination: {services: {name: s, namespace: blue}, ports: [80]}}]}"), "service-combined", "spec.egress[0].destination.services", "ports and notPorts cannot be specified with services", "the ports are those of the service; remove them", denied},
		{"domains that are denied", gnp("{egress: [{action: Deny, destination: {domains: [example.com]}}]}"), "domain-misplaced", "spec.egress[0].destination.domains", onlyThere, "allow the domains that are wanted, and deny the rest: an address may have names that nobody has asked for", denied},
		{"domains that are passed", gnp("{egress: [{action: Pass, destination: {domains: [example.com]}}]}"), "domain-misplaced", "spec.egress[0].destination.domains", onlyThere, "allow the domains that are wanted, and deny the rest: an address may have names that nobody has asked for", denied},
		{"domains as source", gnp("{egress: [{action: Allow, source: {domains: [example.com]}}]}"), "domain-misplaced", "spec.egress[0].source.domains", onlyThere, "write nets, or a selector of network sets with nets", denied},
		{"domains as source, ingress", ingress("{action: Allow, source: {domains: [example.com]}}"), "domain-misplaced", in + ".source.domains", onlyThere, "write nets, or a selector of network sets with nets", denied},
		{"domains of ingress", ingress("{action: Allow, destination: {domains: [example.com]}}"), "domain-misplaced", in + ".destination.domains", onlyThere, "the destination of an ingress rule is the endpoint itself; remove the field", denied},
		{"domains and nets", gnp("{egress: [{action: Allow, destination: {domains: [example.com], nets: [10.0.0.0/8]}}]}"), "domain-combined", "spec.egress[0].destination.domains", notWith, "write two rules", denied},
		{"domains and a selector", gnp("{egress: [{action: Allow, destination: {domains: [example.com], selector: all()}}]}"), "domain-combined", "spec.egress[0].destination.domains", notWith, "write two rules", denied},
		{"domains and notSelector", np("{egress: [{action: Allow, destination: {domains: [example.com], notSelector: all()}}]}"), "domain-combined", "spec.egress[0].destination.domains", notWith, "write two rules", denied},
		{"a trailing wildcard", gnp("{egress: [{action: Allow, destination: {domains: [example.*]}}]}"), "domain-syntax", "spec.egress[0].destination.domains[0]", `"example.*" is not a domain: a domain does not end with a wildcard`, aDomain, denied},
		{"too many domains", gnp("{egress: [{action: Allow, destination: {domains: [" + strings.Repeat("a.b, ", 256) + "a.b]}}]}"), "too-long", "spec.egress[0].destination.domains", "257 items where at most 256 are allowed", "put the domains into a NetworkSet or GlobalNetworkSet and select it by a label", denied},
		{"a named port of a protocol without", ingress("{action: Allow, protocol: ICMP, destination: {ports: [http]}}"), "port-protocol", in + ".destination.ports[0]", noPorts, "ICMP has no ports", denied},
		{"a port name", ingress("{action: Allow, protocol: TCP, destination: {ports: ['a b']}}"), "port-invalid", in + ".destination.ports[0]", `port name invalid, must have 1 to 128 of the characters a-z, A-Z, 0-9, '_', '.' and '-': "a b"`, aPort, denied},
		{"two stages that exclude each other", gnp("{preDNAT: true, doNotTrack: true, applyOnForward: true}"), "stages-exclusive", "spec.preDNAT", "preDNAT and doNotTrack cannot both be true", "write two policies; until then this one denies in both stages", denied},
		{"egress rules before DNAT", gnp("{preDNAT: true, applyOnForward: true, types: [Ingress], egress: [{action: Allow}]}"), "prednat-egress", "spec.egress", "preDNAT policy cannot have any egress rules", "remove them: a connection that begins here is never before its translation", kept},
		{"type Egress before DNAT", gnp("{preDNAT: true, applyOnForward: true, types: [Ingress, Egress]}"), "prednat-egress", "spec.types", "preDNAT policy cannot have 'Egress' type", "remove Egress from types", kept},
		{"preDNAT without forward", gnp("{preDNAT: true}"), "stage-forward", "spec.applyOnForward", "applyOnForward must be true if either preDNAT or doNotTrack is true", "write applyOnForward: true, since such policy meets forwarded traffic too", kept},
		{"doNotTrack without forward", gnp("{doNotTrack: true}"), "stage-forward", "spec.applyOnForward", "applyOnForward must be true if either preDNAT or doNotTrack is true", "write applyOnForward: true, since such policy meets forwarded traffic too", kept},
		{"too many ports", ingress("{action: Allow, protocol: TCP, destination: {ports: [" + strings.Repeat("80, ", 50) + "81]}}"), "too-long", in + ".destination.ports", "51 items where at most 50 are allowed", `write ranges, such as "8000:8080", or several rules`, denied},
		{"a net twice", ingress("{action: Allow, source: {nets: [10.0.0.0/8, 10.0.0.0/8]}}"), "item-repeated", in + ".source.nets[1]", `"10.0.0.0/8" is there twice, first as item 1`, "remove one of them", kept},
		{"a profile's rule", manifest("Profile", "", "prof", "{ingress: [{action: Reject}]}"), "action-invalid", in + ".action", `"Reject" is not an action`, "write Allow, Deny, Pass or Log", denied},
	}
}

// TestProblems: each mistake is reported once, where it is, with what to do,
// and has the effect that it says.
func TestProblems(t *testing.T) {
	for _, row := range problemRows() {
		t.Run(row.name, func(t *testing.T) {
			o := read(t, row.manifest)[0]
			object, got := translate.Object(o)
			if len(got) != 1 {
				t.Fatalf("%d problems: %v", len(got), got)
			}
			if !strings.HasSuffix(got[0].Object, "/"+o.GetNamespace()+"/"+o.GetName()) {
				t.Errorf("it is about %q", got[0].Object)
			}
			want := model.Problem{Code: row.code, Path: row.path, Message: row.message, Hint: row.hint, Object: got[0].Object, Offset: got[0].Offset}
			if diff := cmp.Diff(want, got[0]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got := fateOf(object); got != row.fate {
				t.Errorf("fate %d, want %d", got, row.fate)
			}
		})
	}
}

func fateOf(o model.Object) fate {
	var none [2]bool
	switch o := o.(type) {
	case *model.Policy:
		switch {
		case o.Selector == nil:
			return nowhere
		case o.Invalid != none:
			return denied
		}
	case *model.Profile:
		if o.Invalid != none {
			return denied
		}
	}
	return kept
}

// TestEveryCodeHasACase reads the codes out of the source, so that none is
// added without a row above or a case of Check.
func TestEveryCodeHasACase(t *testing.T) {
	tried := map[string]bool{
		"tier-missing": true, "profile-missing": true, "address-shared": true, // TestCheck
		"setting-name": true, "setting-not-read": true, "setting-invalid": true, // TestConfiguration
		"template-name": true, "template-interface": true, "template-duplicate": true, "label-invalid": true, "not-supported": true, // TestAutoHost
		"http-invalid": true, "http-not-seen": true, // TestHTTP
		"set-empty": true, // TestEmptySet
	}
	for _, row := range problemRows() {
		tried[row.code] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:problemf\(|Code: )"([a-z-]+)"`)
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllSubmatch(text, -1) {
			found++
			if !tried[string(m[1])] {
				t.Errorf("%s: code %q has no case in problemRows", name, m[1])
			}
		}
	}
	if found < len(tried) {
		t.Errorf("only %d codes found in the source, and %d tried", found, len(tried))
	}
}

// TestSyntaxOffset: for texts with a grammar the place in the text is told.
func TestSyntaxOffset(t *testing.T) {
	_, got := translate.Object(read(t, gnp("{selector: app = 'web'}"))[0])
	if len(got) != 1 || got[0].Offset != 4 {
		t.Errorf("%+v", got)
	}
}

// TestAllProblems: one problem does not hide the others.
func TestAllProblems(t *testing.T) {
	_, got := translate.Object(read(t, gnp(`
  selector: "("
  types: [Ingress, Egress, Egress]
  applyOnForward: true
  ingress:
  - {action: Reject, protocol: HTTP, source: {nets: [a, b], selector: "("}}
  - {action: Allow}
  egress:
  - {action: Allow, destination: {domains: [example.com], nets: [c]}}`))[0])
	var places []string
	for _, p := range got {
		places = append(places, p.Code+" "+p.Path)
	}
	want := []string{
		"types-repeated spec.types", "selector-syntax spec.selector",
		"action-invalid spec.ingress[0].action", "protocol-invalid spec.ingress[0].protocol",
		"net-syntax spec.ingress[0].source.nets[0]", "net-syntax spec.ingress[0].source.nets[1]", "selector-syntax spec.ingress[0].source.selector",
		"net-syntax spec.egress[0].destination.nets[0]", "domain-combined spec.egress[0].destination.domains",
	}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestOnlyThatDirection: a rule that cannot be read closes its own direction,
// whole, and leaves the other alone.
func TestOnlyThatDirection(t *testing.T) {
	for _, row := range []struct {
		spec string
		want [2]bool
	}{
		{"{ingress: [{action: Allow}, {action: Reject}], egress: [{action: Allow}]}", [2]bool{true, false}},
		{"{ingress: [{action: Reject}, {action: Allow}], egress: [{action: Allow}]}", [2]bool{true, false}},
		{"{ingress: [{action: Allow}], egress: [{action: Reject}]}", [2]bool{false, true}},
		{"{ingress: [{action: Allow}], egress: [{action: Allow}]}", [2]bool{}},
		{"{types: [Ingress], ingress: [{action: Allow}], egress: [{action: Reject}]}", [2]bool{false, true}},
	} {
		for _, text := range []string{np(row.spec), gnp(row.spec)} {
			object, _ := translate.Object(read(t, text)[0])
			p := object.(*model.Policy)
			if p.Invalid != row.want {
				t.Errorf("%s: %v, want %v", row.spec, p.Invalid, row.want)
			}
			if len(p.Rules[verdict.Egress]) != 1 {
				t.Errorf("%s: %d egress rules: what was written is to be seen", row.spec, len(p.Rules[verdict.Egress]))
			}
		}
	}
}
