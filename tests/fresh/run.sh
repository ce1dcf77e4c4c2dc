#!/usr/bin/env bash
# The README's two commands inside a freshly made Debian 12 (debootstrap, chroot). By hand, as root: about half an hour.
#   tests/fresh/run.sh [demo] ['demo mysql'] [test]      default: all three, on a clone of HEAD
set -euo pipefail
repo=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
cache=${DF_CACHE:-$HOME/.cache/deltaforge}/fresh
root=$cache/root
[ $# -gt 0 ] || set -- demo 'demo mysql' test
sources=/etc/apt/sources.list.d/debian.sources
archive=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "$sources" | head -1)
say() { echo "fresh: $*"; }

finish() {
  for each in dev/pts dev/shm dev sys proc; do
    mountpoint -q "$root/$each" && umount -l "$root/$each"
  done
  return 0
}
trap finish EXIT

mkdir -p "$cache"
if [ ! -f "$cache/base.tar" ]; then
  say "debootstrap of bookworm"
  command -v debootstrap > /dev/null || apt-get -q -y install debootstrap
  rm -rf "$cache/base"
  timeout 900 debootstrap --variant=minbase --include=ca-certificates bookworm "$cache/base" "$archive" > "$cache/debootstrap.log"
  tar -C "$cache/base" -cf "$cache/base.tar" . && rm -rf "$cache/base"
fi
finish
rm -rf "$root" && mkdir -p "$root"
tar -C "$root" -xf "$cache/base.tar"

# The network as this machine has it: package sources, names, certificates.
rm -f "$root/etc/apt/sources.list"
cp "$sources" "$root/etc/apt/sources.list.d/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2> /dev/null || true
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
mount --bind /dev/shm "$root/dev/shm"
inside() { chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" LANG=C.UTF-8 "$@"; }
inside update-ca-certificates > /dev/null 2>&1
git clone -q --no-local "$repo" "$root/root/deltaforge"

code=0
for each in "$@"; do
  log=$cache/${each// /-}.log
  say "./dev $each, output in $log"
  read -ra args <<< "$each"
  [ "${args[0]}" = demo ] && args+=(--seconds 15)
  started=$SECONDS
  if inside bash -c 'cd /root/deltaforge && exec timeout 5400 ./dev "$@" < /dev/null' dev "${args[@]}" > "$log" 2>&1; then
    say "./dev $each: ok in $((SECONDS - started)) s: $(tail -1 "$log")"
  else
    say "./dev $each: FAILED after $((SECONDS - started)) s: $(tail -3 "$log")"
    code=1
  fi
done
exit $code
