#!/usr/bin/env bash
# Makes the images that nodes import and the root folder of pods that are network
# namespaces: agnhost and busybox under the names that the suites ask for.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$home/images"
busybox=$(command -v busybox)
applets="sh cat ls sleep wget nc ping ip echo true false grep mkdir rm cp mv test env id hostname nslookup ps tail head date touch chmod sed awk tr wc seq kill"
maker=$bin/image
(cd "$here/../../tools" && CGO_ENABLED=0 go build -o "$maker" ./image)
# the suites say /bin/bash and mean a shell
bash=$home/bash
printf '#!/bin/sh\nexec /bin/sh "$@"\n' >"$bash"
chmod 755 "$bash"
links=()
for a in $applets; do links+=(-link "/bin/busybox:/bin/$a"); done
suite=registry.k8s.io/e2e-test-images
names=()
for tag in 2.66.1 2.55 2.45 2.43; do names+=(-name "$suite/agnhost:$tag"); done
both=(-from "$busybox:/bin/busybox" -from "$bash:/bin/bash" -from "$bin/agnhost:/agnhost" "${links[@]}" -dir /tmp -dir /uploads -dir /etc -dir /proc -dir /sys -dir /dev -dir /var)
"$maker" -o "$home/images/agnhost.tar" "${names[@]}" "${both[@]}" -link /agnhost:/pause -entrypoint /agnhost -cmd pause
"$maker" -o "$home/images/pause.tar" -name registry.k8s.io/pause:3.10.2 -name registry.k8s.io/pause:3.10 -name registry.k8s.io/pause:3.6 \
  -from "$bin/agnhost:/agnhost" -entrypoint /agnhost -entrypoint pause
root=$home/root
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,uploads,var}
install "$bin/agnhost" "$root/agnhost"
install "$busybox" "$root/bin/busybox"
install "$bash" "$root/bin/bash"
ln -sf /agnhost "$root/pause"
for a in $applets; do ln -sf busybox "$root/bin/$a"; done
[ ! -e "$here/../../bin/tierwall.tar" ] || cp "$here/../../bin/tierwall.tar" "$home/images/tierwall.tar"
