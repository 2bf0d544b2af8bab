#!/usr/bin/env bash
# Installs what Go does not bring. Without an argument: nft and ip, for the lab and
# the kernel tests, to read tables as a person would and to look into namespaces.
# `node`: npm, to build the Manager. `browser`: Chromium, for its tests, and openssl,
# for the certificate of the provider that they log in at.
set -eu
missing=()
case "${1:-kernel}" in
  kernel)
    command -v nft >/dev/null || missing+=(nftables)
    command -v ip >/dev/null || missing+=(iproute2) ;;
  node)
    command -v npm >/dev/null || missing+=(nodejs npm) ;;
  browser)
    [ -x "${TIERWALL_CHROMIUM:-/usr/bin/chromium}" ] || missing+=(chromium)
    command -v openssl >/dev/null || missing+=(openssl) ;;
  *)
    echo "usage: $0 [kernel|node|browser]" >&2; exit 2 ;;
esac
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "please install: ${missing[*]} (as root, with your system's package manager)" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
