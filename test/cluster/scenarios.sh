#!/usr/bin/env bash
# scenarios.sh [GO TEST FLAGS]: our own scenarios against the cluster that is up.
set -euo pipefail
. "$(dirname "$0")/env.sh"
(cd "$here" && CGO_ENABLED=0 go test -c -o "$bin/scenarios.test" ./scenarios)
export HELM=$bin/helm CHART=$(readlink -f "$here/../../charts/tierwall") HELM_CACHE_HOME=$home/helm HELM_CONFIG_HOME=$home/helm HELM_DATA_HOME=$home/helm
export TIERWALL_E2E_KUBECONFIG=$state/control/admin.kubeconfig TIERWALL=$(readlink -f "$here/../../bin/tierwall") KUBECTL=$bin/kubectl
exec ip netns exec $control "$bin/scenarios.test" -test.v -test.timeout 15m "$@"
