// Package v3 holds the objects of API group projectcalico.org, version v3, as
// their users write them: tiers, network policies and their staged
// counterparts, network sets, host endpoints and profiles.
//
// Start with [NetworkPolicy] and [Rule]. The field names in JSON are a
// contract with every manifest that exists for this API, so a field here is
// never renamed. What the fields mean is in semantics.md: section 1 has them
// all, section 2 what an omitted one stands for, section 3 what is refused and
// in which words, section 16 the domains and headers. The comments of the types
// do not repeat that, for they are printed by kubectl explain.
//
// The package has no behaviour beyond its values: [Protocol] and [Port] know
// how they are written, the functions of defaults.go say what an omitted field
// stands for. Turning objects into a model, and saying everything that is
// wrong with them, is the work of package translate.
//
// The CEL rules among the markers are written for the API server's cost
// estimate, which multiplies each by the 1024 rules, 256 nets or 50 ports that it
// may run for, at the longest string the schema allows. Hence one rule for each
// list of ports, "type(self) in [string]" where "==" is estimated at ten times
// as much, and no rule that looks into every net. The tests of the crds package
// print what each definition costs and hold a margin.
//
// Two rules hold for decoding. An object is never lost because of one value in
// it: a port of 70000 decodes, keeps what was written, and reports it from
// [Port.Err]. And an unknown word of an enumeration is kept as it is, for the
// reader to refuse. Only a value of another JSON type (a list for a number)
// is a decoding error.
//
// The columns that kubectl get prints follow the questions that a policy
// answers: when (Tier, Order), on what (Selector, and for global policies Scope,
// which is their namespaceSelector; the scope of a namespaced policy is its
// namespace, and needs no column), and which way (Types). The short names are
// those that the users of this API know: cnp, gnp, snp, sgnp and so on; np is
// the one of Kubernetes' own NetworkPolicy.
//
// The CustomResourceDefinitions in the crds package beside this one, and
// zz_generated.deepcopy.go, are generated from the markers in these files by
// tools/generate.sh.
//
// +kubebuilder:object:generate=true
// +groupName=projectcalico.org
// +versionName=v3
package v3
