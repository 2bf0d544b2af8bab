#!/usr/bin/env bash
# Builds what the cluster is made of into $TIERWALL_CLUSTER_DIR/bin; what is
# current is left as it is. From an empty build cache that is about 15 minutes
# on two cores, and seconds from a warm one.
#
#   build.sh pods      what nodes need whose pods are network namespaces
#   build.sh kubelet   the kubelet beside it, for real containers
#   build.sh helm      helm
#   build.sh suites    the upstream suites
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${TIERWALL_CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tierwall/cluster}/bin
mkdir -p "$bin"
cd "$here"
export CGO_ENABLED=0

# the versions that the programs say of themselves, as the upstream build sets them
release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${release#v1.}
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=$release -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*} -X k8s.io/client-go/pkg/version.gitVersion=$release"

program() { # NAME PACKAGE
  local from=$SECONDS
  go build -ldflags "$flags" -o "$bin/$1" "$2"
  echo "built $1 in $((SECONDS - from)) s"
}
suite() { # NAME PACKAGE
  local from=$SECONDS
  go test -c -ldflags "$flags" -o "$bin/$1" "$2"
  echo "built $1 in $((SECONDS - from)) s"
}

# agnhost, with an SCTP of its own where the kernel has none
agnhost() {
  local own=()
  if ! kernel_sctp; then
    cp go.sum "$bin/../agnhost.sum"
    sed "\$a replace github.com/ishidawataru/sctp => $here/sctp" go.mod >"$bin/../agnhost.mod"
    own=(-modfile="$bin/../agnhost.mod")
  fi
  local from=$SECONDS
  go build "${own[@]}" -ldflags "$flags" -o "$bin/agnhost" k8s.io/kubernetes/test/images/agnhost
  echo "built agnhost in $((SECONDS - from)) s"
}
kernel_sctp() { modprobe -q sctp 2>/dev/null || [ -d /proc/net/sctp ]; }

for part in "${@:-pods}"; do
  case $part in
    pods)
      program controlplane ./controlplane
      program podlet ./podlet
      for name in kube-controller-manager kube-scheduler kube-proxy kubectl; do
        program $name k8s.io/kubernetes/cmd/$name
      done
      agnhost
      ;;
    kubelet) program kubelet k8s.io/kubernetes/cmd/kubelet ;;
    helm) (cd "$here/../../tools/helm" && program helm helm.sh/helm/v4/cmd/helm) ;;
    suites)
      suite e2e.test k8s.io/kubernetes/test/e2e
      suite conformance.test sigs.k8s.io/network-policy-api/conformance
      ;;
    *) echo "what is \"$part\"? pods, kubelet, helm or suites" >&2; exit 2 ;;
  esac
done
