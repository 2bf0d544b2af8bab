#!/usr/bin/env bash
# Takes the cluster down: the processes that were recorded and what they started
# in the nodes' cgroups, the cgroups and the network namespaces. It can be run
# again, and after a crash.
set -uo pipefail
. "$(dirname "$0")/env.sh"
quiet=${1:-}

# the recorded processes that still are what they were, of some names
alive() { # PATTERN
  [ -e "$state/processes" ] || return 0
  while read -r pid when what; do
    [[ $what =~ ^($1)[0-9]*$ ]] && [ "$(started "$pid")" = "$when" ] && echo "$pid"
  done <"$state/processes"
}
end() { # SIGNAL PATTERN
  local pid
  for pid in $(alive "$2"); do kill "-$1" "$pid" 2>/dev/null; done
}
gone() { # PATTERN: waits
  for _ in $(seq 50); do
    [ -z "$(alive "$1")" ] && return 0
    sleep 0.1
  done
  end KILL "$1"
}
cgroups() { cat "$state"/node*/cgroups 2>/dev/null; }
empty() {
  local group file pid
  for group in $(cgroups); do
    find "$group" -name cgroup.procs 2>/dev/null | while read -r file; do
      for pid in $(cat "$file" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
    done
  done
}

end TERM 'kubelet|podlet|proxy|agent'
gone 'kubelet|podlet|proxy|agent'
empty # containers and their shims
end TERM '.*'
gone '.*'
for _ in 1 2 3; do
  empty
  sleep 0.1
  for group in $(cgroups); do find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null; done
done
# what a pod of a crashed node still runs in its namespace is ours by that name
for ns in $(ls /run/netns 2>/dev/null | grep -E "^$name-(control$|node[0-9]+(-pod[0-9]+)?$)"); do
  for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
  ip netns del "$ns"
done
for mounted in $(awk -v at="$state/" 'index($2, at) == 1 {print $2}' /proc/mounts | sort -r); do umount -l "$mounted"; done
rm -rf "$state"
[ "$quiet" = --quiet ] || echo "the cluster is down"
