#!/usr/bin/env bash
# suite.sh netpol [FOCUS] | clusterpolicies [RUN]: an upstream suite against the
# cluster that is up. Its last line says how many passed, failed and were
# skipped, and the seconds; the whole log is kept in $TIERWALL_CLUSTER_DIR. Where
# the kernel has no SCTP, pods speak it by themselves (./sctp).
#
# It fails where the suite does, where nothing was run, and where something is
# skipped: no spec that the focus means needs what this cluster does not have.
set -uo pipefail
. "$(dirname "$0")/env.sh"
. "$here/count.sh"
which=${1:?netpol or clusterpolicies}
shift
export KUBECONFIG=$state/control/admin.kubeconfig
log=$home/$which.log from=$SECONDS
case $which in
  netpol)
    ip netns exec $control "$bin/e2e.test" --kubeconfig="$KUBECONFIG" --provider=skeleton \
      --ginkgo.focus="${1:-Netpol}" --ginkgo.no-color --ginkgo.timeout=30m
    ;;
  clusterpolicies)
    ip netns exec $control "$bin/conformance.test" -test.v -test.run "${1:-TestConformanceProfiles}" -test.timeout 30m \
      --conformance-profiles=ClusterNetworkPolicy --organization=tierwall --project=tierwall --url=https://tierwall.dev \
      --version=dev --contact=none --additional-info=none --all-features --debug=false --cleanup-base-resources=true
    ;;
  *) echo "what is \"$which\"?" >&2; exit 2 ;;
esac | tee "$log"
code=${PIPESTATUS[0]}
read -r passed failed skipped < <("count_$which" <"$log")
echo "$which: $passed passed, $failed failed, $skipped skipped, $((SECONDS - from)) s" | tee "$state/$which.count"
[ "$code" = 0 ] && [ "$passed" -gt 0 ] && [ "$failed" = 0 ] && [ "$skipped" = 0 ]
