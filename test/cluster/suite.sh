#!/usr/bin/env bash
# suite.sh netpol [FOCUS] | clusterpolicies [RUN]: an upstream suite against the
# cluster that is up. Where the kernel has no SCTP, pods speak it by themselves
# (./sctp).
set -euo pipefail
. "$(dirname "$0")/env.sh"
which=${1:?netpol or clusterpolicies}
shift
export KUBECONFIG=$state/control/admin.kubeconfig
case $which in
  netpol)
    exec ip netns exec $control "$bin/e2e.test" --kubeconfig="$KUBECONFIG" --provider=skeleton \
      --ginkgo.focus="${1:-Netpol}" --ginkgo.no-color --ginkgo.timeout=30m
    ;;
  clusterpolicies)
    exec ip netns exec $control "$bin/conformance.test" -test.v -test.run "${1:-TestConformanceProfiles}" -test.timeout 30m \
      --conformance-profiles=ClusterNetworkPolicy --organization=tierwall --project=tierwall --url=https://tierwall.dev \
      --version=dev --contact=none --additional-info=none --all-features --debug=false --cleanup-base-resources=true
    ;;
  *) echo "what is \"$which\"?" >&2; exit 2 ;;
esac
