// Package v3 holds the objects of API group projectcalico.org, version v3, as
// their users write them: tiers, network policies and their staged
// counterparts, network sets, host endpoints and profiles.
//
// Start with [NetworkPolicy] and [Rule]. The field names in JSON are a
// contract with every manifest that exists for this API, so a field here is
// never renamed; what the fields mean is in semantics.md, sections 1 to 3.
//
// The package has no behaviour beyond its values: [Protocol] and [Port] know
// how they are written, the functions of defaults.go say what an omitted field
// stands for. Turning objects into a model, and saying everything that is
// wrong with them, is the work of package translate.
//
// Two rules hold for decoding. An object is never lost because of one value in
// it: a port of 70000 decodes, keeps what was written, and reports it from
// [Port.Err]. And an unknown word of an enumeration is kept as it is, for the
// reader to refuse. Only a value of another JSON type (a list for a number)
// is a decoding error.
//
// The CustomResourceDefinitions in the crds package beside this one, and
// zz_generated.deepcopy.go, are generated from the markers in these files by
// tools/generate.sh.
//
// +kubebuilder:object:generate=true
// +groupName=projectcalico.org
// +versionName=v3
package v3
