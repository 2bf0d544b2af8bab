// Package deploy holds what is applied to a cluster beside the CRDs: the
// admission policies that hold tiers, and roles. The YAML files can be applied
// as they are; those that are for one tier have the word TIER in its place:
//
//	kubectl apply -f deploy/tier-access.yaml -f deploy/roles/server.yaml
//	sed s/TIER/security/g deploy/roles/tier-editor.yaml | kubectl apply -f -
//
// The package gives the same objects to programs.
package deploy
