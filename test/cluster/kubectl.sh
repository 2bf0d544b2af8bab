#!/usr/bin/env bash
# kubectl, and with --helm helm, as the administrator of the cluster.
. "$(dirname "$0")/env.sh"
program=kubectl
if [ "${1:-}" = --helm ]; then
  program=helm
  shift
fi
export KUBECONFIG=$state/control/admin.kubeconfig HELM_CACHE_HOME=$home/helm HELM_CONFIG_HOME=$home/helm HELM_DATA_HOME=$home/helm
exec ip netns exec $control "$bin/$program" "$@"
