#!/usr/bin/env bash
# agents.sh: Tierwall without its chart, where pods are network namespaces: the
# CRDs, tiers and roles of the manifests, and an agent of the program at
# $TIERWALL on each node.
set -euo pipefail
. "$(dirname "$0")/env.sh"
root=$here/../..
tierwall=${TIERWALL:-$root/bin/tierwall}
"$here/kubectl.sh" apply --server-side -f "$root/deploy/manifests/tierwall-crds.yaml" >/dev/null
"$here/kubectl.sh" wait --for=condition=Established crd --all --timeout=60s >/dev/null
for _ in $(seq 20); do
  "$here/kubectl.sh" apply -f "$root/deploy/tiers.yaml" -f "$root/deploy/roles/server.yaml" -f "$root/deploy/roles/agent.yaml" >/dev/null && break
  sleep 0.5
done
for i in $(seq "$(ls /run/netns | grep -cE "^$name-node[0-9]+$")"); do
  node=$name-node$i
  start "agent$i" ip netns exec "$node" "$tierwall" agent --node "$node" --health-listen 127.0.0.1:9471 \
    --kubeconfig "$state/control/agent-$node.kubeconfig"
  for _ in $(seq 300); do
    ip netns exec "$node" "$bin/agnhost" connect 127.0.0.1:9471 --timeout=1s >/dev/null 2>&1 && break
    sleep 0.1
  done
done
echo "agents run on the nodes"
