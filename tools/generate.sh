#!/bin/sh
# Regenerates api/v3/zz_generated.deepcopy.go and api/crds/*.yaml from the types
# in api/v3, takes over the definition of ClusterNetworkPolicy, and brings the
# charts and the manifests that are made from them up to date. Run it from
# anywhere; running it twice changes nothing.
#
# allowDangerousTypes: the orders of tiers and policies are floats in this API.
# maxDescLen=0 is not used: the descriptions are what kubectl explain prints.
set -eu
export CGO_ENABLED=0

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

# A chart can hold only files in its own folder: these are copies.
rm -rf charts/tierwall-crds/files charts/tierwall/files
mkdir -p charts/tierwall-crds/files charts/tierwall/files
cp api/crds/*.yaml api/crds/upstream/*.yaml charts/tierwall-crds/files/
cp deploy/tier-access.yaml deploy/tiers.yaml charts/tierwall/files/
cp deploy/roles/agent.yaml deploy/roles/server.yaml deploy/roles/viewer.yaml deploy/roles/namespace-developer.yaml deploy/roles/find-server.yaml charts/tierwall/files/

# The manifests are the charts with their values as they are. What helm would
# install and kubectl cannot know of, the namespace, is put before them.
helm=$(cd "$root/tools/helm" && go tool -n helm)
mkdir -p deploy/manifests
manifest() { # CHART
	echo "# Generated from charts/$1: do not edit it here."
	if [ "$1" = tierwall ]; then
		printf '%s\n' 'apiVersion: v1' 'kind: Namespace' 'metadata:' '  name: tierwall'
	fi
	"$helm" template "$1" "charts/$1" --namespace tierwall
}
manifest tierwall-crds >deploy/manifests/tierwall-crds.yaml
manifest tierwall >deploy/manifests/tierwall.yaml
