#!/usr/bin/env bash
# node-kubelet.sh I: a node with kubelet, containerd and kube-proxy, in its
# network namespace and in mount, UTS and cgroup namespaces of its own.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$here/proxy.sh"
i=$1 node=$name-node$i own=$state/node$i
mkdir -p "$own"

# Two kubelets on one machine would share /kubepods: each is given a cgroup of
# its own below the caller's, in every hierarchy (cgroup v1).
enter_cgroups() {
  local id controllers path group
  : >"$own/cgroups"
  while IFS=: read -r id controllers path; do
    [ -n "$controllers" ] || continue
    controllers=${controllers#name=}
    group=/sys/fs/cgroup/$controllers${path%/}/$node
    mkdir -p "$group"
    if [ "$controllers" = cpuset ]; then
      for file in cpuset.cpus cpuset.mems; do cat "$(dirname "$group")/$file" >"$group/$file"; done
    fi
    echo "$BASHPID" >"$group/cgroup.procs"
    echo "$group" >>"$own/cgroups"
  done <<<"$1"
}
if [ "${2:-}" != inside ]; then
  enter_cgroups "$(cat /proc/self/cgroup)" # read whole: it changes on the way
  exec nsenter --net="/run/netns/$node" unshare --mount --uts --cgroup --propagation private "$0" "$i" inside
fi

hostname "$node"
mount --make-rprivate /
umount -R /sys 2>/dev/null || umount -l /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "/sys/fs/cgroup/$c"
  mount -t cgroup -o $c cgroup "/sys/fs/cgroup/$c"
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns
for dir in /var/lib/kubelet /var/lib/containerd /var/log/pods /var/log/containers /etc/cni /var/lib/cni; do
  mkdir -p "$own$dir" "$dir"
  mount --bind "$own$dir" "$dir"
done
# the kubelet insists on values of the whole machine; it is shown files that have them
mkdir -p "$own/sysctl"
while read -r file value; do
  [ "$(cat "/proc/sys/$file")" = "$value" ] && continue
  shown=$own/sysctl/${file//\//.}
  echo "$value" >"$shown"
  mount --bind "$shown" "/proc/sys/$file"
done <<C
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
C
mount --make-rshared /

attach='"type":"ptp","ipMasq":false'
[ "${CNI:-ptp}" = bridge ] && attach='"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true'
mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/10-pods.conflist <<C
{"cniVersion":"0.4.0","name":"pods","plugins":[
 {$attach,"mtu":1500,"ipam":{"type":"host-local","ranges":[[{"subnet":"$(node_pods "$i").0/24"}],[{"subnet":"$(node_pods6 "$i")/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
C
cat >"$own/containerd.toml" <<C
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.2"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
C
echo "nameserver 127.0.0.1" >"$own/resolv.conf"
cat >"$own/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/control/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/control/pki/$node.crt
tlsPrivateKeyFile: $state/control/pki/$node.key
clusterDomain: cluster.local
clusterDNS: [10.96.0.53]
resolvConf: $own/resolv.conf
evictionHard: {memory.available: 100Mi, nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
maxPods: 110
makeIPTablesUtilChains: false
C
proxy "$i" >"$own/proxy.yaml"
export PATH=$bin:/usr/sbin:/usr/bin:/sbin:/bin
start "containerd$i" containerd -c "$own/containerd.toml"
for _ in $(seq 200); do
  ctr version >/dev/null 2>&1 && break
  sleep 0.1
done
for archive in "$home"/images/*.tar; do
  ctr -n k8s.io images import "$archive"
done
start "proxy$i" kube-proxy --config="$own/proxy.yaml"
start "kubelet$i" kubelet --config="$own/kubelet.yaml" --kubeconfig="$state/control/$node.kubeconfig" \
  --hostname-override="$node" --node-ip="$(node_address "$i"),$(node_address6 "$i")"
wait
