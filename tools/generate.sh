#!/bin/sh
# Regenerates api/v3/zz_generated.deepcopy.go and api/crds/*.yaml from the types
# in api/v3, and takes over the definition of ClusterNetworkPolicy. Run it from anywhere; running it twice changes nothing.
#
# allowDangerousTypes: the orders of tiers and policies are floats in this API.
# maxDescLen=0 is not used: the descriptions are what kubectl explain prints.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
gen=$(cd "$root/tools" && go tool -n controller-gen)

cd "$root"
"$gen" object paths=./api/v3/...

# A kind that is gone must not leave its definition behind.
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"$gen" crd:allowDangerousTypes=true,crdVersions=v1 paths=./api/v3/... output:crd:dir="$new"
mkdir -p api/crds
rm -f api/crds/projectcalico.org_*.yaml
cp "$new"/*.yaml api/crds/

# The definition of the upstream kind that is read beside them, as its own
# project publishes it with the version in go.mod.
upstream=$(go list -m -f '{{.Dir}}' sigs.k8s.io/network-policy-api)
mkdir -p api/crds/upstream
{
	echo '# Copyright The Kubernetes Authors. SPDX-License-Identifier: Apache-2.0'
	echo "# From sigs.k8s.io/network-policy-api $(go list -m -f '{{.Version}}' sigs.k8s.io/network-policy-api), config/crd/experimental."
	cat "$upstream/config/crd/experimental/policy.networking.k8s.io_clusternetworkpolicies.yaml"
} >api/crds/upstream/policy.networking.k8s.io_clusternetworkpolicies.yaml

# The Manager's API: types and routes from its document.
oapi=$(cd "$root/tools" && go tool -n oapi-codegen)
(cd server/manager && "$oapi" -config oapi.yaml openapi.yaml)
