# Where everything is; sourced by the other scripts.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${TIERWALL_CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tierwall/cluster}
bin=$home/bin
state=$home/state
# the network namespaces: NAME-control and NAME-node1 and so on
name=${TIERWALL_CLUSTER_NAME:-twc}
control=$name-control
export TIERWALL_CLUSTER_DIR=$home

node_address() { echo "172.30.0.$((10 + $1))"; }
node_address6() { echo "fd00:172:30::$((10 + $1))"; }
node_pods() { echo "10.244.$1"; }         # the first three octets of a /24
node_pods6() { echo "fd00:10:244:$1::"; } # a /64

# start NAME COMMAND...: a program in the background, its log in $state/log and
# its pid, with the time at which it started, in $state/processes
start() {
  local what=$1
  shift
  setsid "$@" >"$state/log/$what.log" 2>&1 </dev/null &
  record "$!" "$what"
}
record() { # PID NAME
  echo "$1 $(started "$1") $2" >>"$state/processes"
}
# when a process started, in ticks since boot: with it a pid names one process
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
