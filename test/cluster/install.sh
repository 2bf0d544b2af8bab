#!/usr/bin/env bash
# Installs the charts with helm on the cluster that is up, and waits for them.
set -euo pipefail
. "$(dirname "$0")/env.sh"
charts=$here/../../charts
"$here/kubectl.sh" --helm install tierwall-crds "$charts/tierwall-crds" --namespace tierwall --create-namespace >/dev/null
"$here/kubectl.sh" --helm install tierwall "$charts/tierwall" --namespace tierwall --wait --timeout 3m >/dev/null
"$here/kubectl.sh" -n tierwall rollout status daemonset/tierwall-agent --timeout=3m
"$here/kubectl.sh" -n tierwall rollout status deployment/tierwall-server --timeout=3m
