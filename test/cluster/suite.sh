#!/usr/bin/env bash
# suite.sh netpol [FOCUS] | clusterpolicies [RUN]: an upstream suite against the
# cluster that is up. Their SCTP specs run only where the kernel has SCTP.
set -euo pipefail
. "$(dirname "$0")/env.sh"
which=${1:?netpol or clusterpolicies}
shift
export KUBECONFIG=$state/control/admin.kubeconfig
sctp() { modprobe -q sctp 2>/dev/null || [ -d /proc/net/sctp ]; }
case $which in
  netpol)
    skip=(--ginkgo.skip=SCTPConnectivity)
    ! sctp || skip=()
    exec ip netns exec $control "$bin/e2e.test" --kubeconfig="$KUBECONFIG" --provider=skeleton \
      --ginkgo.focus="${1:-Netpol}" "${skip[@]}" --ginkgo.no-color --ginkgo.timeout=30m
    ;;
  clusterpolicies)
    skip=(-test.skip=SCTP)
    ! sctp || skip=()
    exec ip netns exec $control "$bin/conformance.test" -test.v -test.run "${1:-TestConformanceProfiles}" -test.timeout 30m "${skip[@]}" \
      --conformance-profiles=ClusterNetworkPolicy --organization=tierwall --project=tierwall --url=https://tierwall.dev \
      --version=dev --contact=none --additional-info=none --all-features --debug=false --cleanup-base-resources=true
    ;;
  *) echo "what is \"$which\"?" >&2; exit 2 ;;
esac
