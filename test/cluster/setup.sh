#!/usr/bin/env bash
# Installs what the cluster takes from the system (Debian, as root).
set -euo pipefail
missing=()
for pair in containerd:containerd runc:runc busybox:busybox-static iptables:iptables ip:iproute2 nft:nftables; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ -e /usr/lib/cni/ptp ] || missing+=(containernetworking-plugins)
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
