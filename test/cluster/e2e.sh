#!/usr/bin/env bash
# Everything on a real cluster: the charts on nodes with kubelets and our own
# scenarios, then the upstream suites. What fails is said at the end.
#
#   e2e.sh [smoke]     smoke: our scenarios only
#   PROXY_MODE, CNI    as for up.sh
set -uo pipefail
. "$(dirname "$0")/env.sh"
failed=()
part() { # NAME COMMAND...
  local what=$1 from=$SECONDS
  shift
  echo "== $what"
  "$@" || failed+=("$what")
  echo "== $what took $((SECONDS - from)) s"
}
trap '"$here/down.sh"' EXIT
set -e
"$here/setup.sh"
parts=(pods kubelet helm)
[ "${1:-}" = smoke ] || parts+=(suites)
"$here/build.sh" "${parts[@]}"
"$here/images.sh"
"$here/up.sh"
"$here/install.sh"
set +e
part "our own scenarios" "$here/scenarios.sh"
if [ "${1:-}" != smoke ]; then
  part "upstream NetworkPolicy suite" "$here/suite.sh" netpol
  part "ClusterNetworkPolicy conformance" "$here/suite.sh" clusterpolicies
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
