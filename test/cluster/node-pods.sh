#!/usr/bin/env bash
# node-pods.sh I: a node whose pods are network namespaces, with kube-proxy.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$here/proxy.sh"
i=$1 node=$name-node$i own=$state/node$i
mkdir -p "$own"
if [ "${2:-}" != inside ]; then
  exec ip netns exec "$node" unshare --mount --propagation slave "$0" "$i" inside
fi
proxy "$i" >"$own/proxy.yaml"
start "proxy$i" "$bin/kube-proxy" --config="$own/proxy.yaml"
start "podlet$i" "$bin/podlet" -node "$node" -address "$(node_address "$i")" -pods "$(node_pods "$i").0/24" -root "$home/root" \
  -kubeconfig "$state/control/$node.kubeconfig" -ca "$state/control/pki/ca.crt" \
  -cert "$state/control/pki/$node.crt" -key "$state/control/pki/$node.key"
wait
