#!/usr/bin/env bash
# docs.sh: follows docs/install.md on the cluster that is up, and on which
# nothing is installed: every indented line, as it stands there, from "Install" to the
# end. What has to come out is at the end of this file.
set -uo pipefail
. "$(dirname "$0")/env.sh"
cd "$here/../.."
said=$state/docs.log
{
  echo "alias kubectl=test/cluster/kubectl.sh helm='test/cluster/kubectl.sh --helm' tierwall='test/cluster/kubectl.sh --tierwall'"
  sed -n '/^## Install/,$p' docs/install.md | sed -n 's/^    //p'
} >"$state/docs.sh"
bash -O expand_aliases -v "$state/docs.sh" >"$said" 2>&1
failed=0
check() { # TIMES TEXT
  local n
  n=$(grep -cxE "$2" "$said")
  [ "$n" = "$1" ] && return
  echo "\"$2\" came out $n times, not $1" >&2
  failed=1
}
check 1 'the stranger reached the server'
check 1 "$name-node1 +in step.*"
check 1 "$name-node2 +in step.*"
check 1 'accepted: True'
check 1 'programmed: True \(2 of 2 nodes\)'
check 1 'TIMEOUT'
check 1 'the friend reached the server'
check 1 '✗ deny  demo/stranger → demo/server  TCP port 80'
check 1 '✓ allow  demo/friend → demo/server  TCP port 80'
check 1 'the stranger reaches the server again'
check 1 'release "tierwall" uninstalled'
check 1 'namespace "demo" deleted'
for i in 1 2; do
  if ip netns exec "$name-node$i" nft list tables | grep -q tierwall; then
    echo "$name-node$i still has Tierwall's table" >&2
    failed=1
  fi
done
left=$("$here/kubectl.sh" get validatingwebhookconfigurations,mutatingwebhookconfigurations,clusterroles,crds -o name | grep -E 'tierwall|projectcalico')
[ -z "$left" ] || { echo "it left behind: $left" >&2; failed=1; }
[ $failed = 0 ] && echo "docs/install.md is true" && exit 0
cat "$said" >&2
exit 1
