#!/usr/bin/env bash
# Everything on a real cluster, which is brought up and taken down: docs/install.md
# as it stands, our own scenarios and the upstream suites. What fails is said at
# the end.
#
#   e2e.sh [smoke]     smoke: without the upstream suites
#   PROXY_MODE, CNI    as for up.sh
#   FOCUS=REGEX        these specs of the upstream NetworkPolicy suite alone
#   PODS=netns         pods are network namespaces, and agents run without the
#                      chart: so it is anyhow, and that is said, where kubelets
#                      cannot run (they need cgroup v1 here)
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
kubelets=yes
case ${PODS:-} in
  '') ;;
  netns) kubelets= ;;
  *) echo "PODS=$PODS: netns, or nothing for kubelets" >&2; exit 2 ;;
esac
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  kubelets=
  echo "this machine has cgroup v2: pods are network namespaces, and the chart is not tried" >&2
fi
set -e
"$here/setup.sh"
parts=(pods)
[ -z "$kubelets" ] || parts+=(kubelet helm)
[ "${1:-}" = smoke ] || parts+=(suites)
"$here/build.sh" "${parts[@]}"
"$here/images.sh"
set +e
if [ -n "$kubelets" ]; then
  "$here/up.sh" || exit 1
  part "docs/install.md" "$here/docs.sh"
  part "installation" "$here/install.sh"
else
  "$here/up.sh" --pods || exit 1
  part "agents" "$here/agents.sh"
fi
part "our own scenarios" "$here/scenarios.sh"
if [ "${1:-}" != smoke ]; then
  part "upstream NetworkPolicy suite" "$here/suite.sh" netpol "${FOCUS:-}"
  [ -n "${FOCUS:-}" ] || part "ClusterNetworkPolicy conformance" "$here/suite.sh" clusterpolicies
  cat "$state"/*.count
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
