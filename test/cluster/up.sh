#!/usr/bin/env bash
# Brings the cluster up and returns when its nodes are ready. What an earlier
# one left behind goes first. The machine's own network is not touched: the
# control plane and each node are network namespaces, joined by a bridge in the
# control plane's.
#
#   up.sh [--nodes N] [--pods]      --pods: pods are network namespaces
#   PROXY_MODE=nftables|iptables    how kube-proxy works
#   CNI=ptp|bridge                  how pods are attached (with a kubelet)
set -euo pipefail
. "$(dirname "$0")/env.sh"
nodes=2 kind=kubelet
while [ $# -gt 0 ]; do
  case $1 in
    --nodes) nodes=$2; shift ;;
    --pods) kind=pods ;;
    *) echo "usage: up.sh [--nodes N] [--pods]" >&2; exit 2 ;;
  esac
  shift
done
"$here/down.sh" --quiet
mkdir -p "$state/log" "$state/control"
from=$SECONDS
say() { echo "[$((SECONDS - from)) s] $*"; }
fail() { echo "$*" >&2; exit 1; }

in_control="ip netns exec $control"
ip netns add $control
ip -n $control link set lo up
ip -n $control link add br0 type bridge
ip -n $control addr add "$(node_address 0)/24" dev br0
ip -n $control addr add "$(node_address6 0)/64" dev br0 nodad
ip -n $control link set br0 up
# what goes from node to node here is not this namespace's business
$in_control sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null || true
$in_control sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
names=()
for i in $(seq "$nodes"); do
  node=$name-node$i
  names+=("$node=$(node_address "$i")")
  ip netns add "$node"
  ip -n "$node" link set lo up
  ip -n "$node" link add eth0 type veth peer name "node$i" netns $control
  ip -n $control link set "node$i" master br0 up
  ip -n "$node" addr add "$(node_address "$i")/24" dev eth0
  ip -n "$node" addr add "$(node_address6 "$i")/64" dev eth0 nodad
  ip -n "$node" link set eth0 up
  ip -n "$node" route add default via "$(node_address 0)"
  ip -n "$node" route add default via "$(node_address6 0)"
  ip -n $control route add "$(node_pods "$i").0/24" via "$(node_address "$i")"
  ip -n $control route add "$(node_pods6 "$i")/64" via "$(node_address6 "$i")"
  for other in $(seq "$nodes"); do
    [ "$other" = "$i" ] && continue
    ip -n "$node" route add "$(node_pods "$other").0/24" via "$(node_address "$other")"
    ip -n "$node" route add "$(node_pods6 "$other")/64" via "$(node_address6 "$other")"
  done
  ip netns exec "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done

start control $in_control "$bin/controlplane" "$state/control" "$(node_address 0)" "${names[@]}"
for _ in $(seq 600); do
  [ -e "$state/control/ready" ] && break
  sleep 0.1
done
[ -e "$state/control/ready" ] || fail "the API server is not ready: see $state/log/control.log and $state/control/apiserver.log"
say "the API server is ready"
start controller-manager $in_control "$bin/kube-controller-manager" --kubeconfig="$state/control/controller-manager.kubeconfig" \
  --root-ca-file="$state/control/pki/ca.crt" --service-account-private-key-file="$state/control/pki/sa.key" \
  --use-service-account-credentials=true --leader-elect=false --bind-address=127.0.0.1 \
  --allocate-node-cidrs=false --cluster-cidr=10.244.0.0/16,fd00:10:244::/48 --service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112
start scheduler $in_control "$bin/kube-scheduler" --kubeconfig="$state/control/scheduler.kubeconfig" --leader-elect=false --bind-address=127.0.0.1
for i in $(seq "$nodes"); do
  start "node$i" "$here/node-$kind.sh" "$i"
done
ready() { "$here/kubectl.sh" get nodes --no-headers 2>/dev/null | grep -cw Ready || true; }
for _ in $(seq 600); do
  [ "$(ready)" = "$nodes" ] && break
  sleep 0.2
done
[ "$(ready)" = "$nodes" ] || fail "$(ready) of $nodes nodes are ready: see $state/log"
# kubelets and the plugin have these networks from their own configuration; the API
# says so as in clusters whose controller hands them out
for i in $(seq "$nodes"); do
  nets="\"$(node_pods "$i").0/24\""
  [ "$kind" = pods ] || nets="$nets,\"$(node_pods6 "$i")/64\""
  "$here/kubectl.sh" patch node "$name-node$i" -p "{\"spec\":{\"podCIDR\":\"$(node_pods "$i").0/24\",\"podCIDRs\":[$nets]}}" >/dev/null
done
for _ in $(seq 300); do
  "$here/kubectl.sh" -n default get serviceaccount default >/dev/null 2>&1 && break
  sleep 0.1
done
say "$nodes nodes are ready"
