#!/usr/bin/env bash
# kubectl, and with --helm helm, with --tierwall tierwall, as the administrator of
# the cluster.
. "$(dirname "$0")/env.sh"
program=$bin/kubectl
case ${1:-} in
  --helm) program=$bin/helm; shift ;;
  --tierwall) program=$here/../../bin/tierwall; shift ;;
esac
export KUBECONFIG=$state/control/admin.kubeconfig HELM_CACHE_HOME=$home/helm HELM_CONFIG_HOME=$home/helm HELM_DATA_HOME=$home/helm
exec ip netns exec $control "$program" "$@"
