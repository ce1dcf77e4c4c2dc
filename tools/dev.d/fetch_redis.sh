#!/usr/bin/env bash
# Caches Redis 8 and Valkey in ~/.cache/deltaforge/redis (24 MB, 10 seconds): bin/redis8 and bin/valkey start them.
#
# Debian 12 has Redis 7.0 only. They are Debian 13's, with the libraries that they need; its packages are fetched through
# apt. To try it:  ~/.cache/deltaforge/redis/bin/valkey --version
set -euo pipefail

source "$(dirname "$0")/archive.sh"
root=${DF_CACHE:-$HOME/.cache/deltaforge}/redis
declare -A servers=([redis8]=redis-server [valkey]=valkey-server)
packages=(redis-server redis-tools valkey-server valkey-tools libatomic1 libc6 libcap2 libgcc-s1 libjemalloc2 liblzf1
  libssl3t64 libstdc++6 libsystemd0 libzstd1 zlib1g)

say() { echo "redis: $*"; }
fail() { echo "redis: $*" >&2; exit 1; }
versions_in() {
  for each in "${!servers[@]}"; do
    timeout 20 "$1/bin/$each" --version 2> /dev/null | grep -o '^[A-Z][a-z]* server v=[0-9.]*' || return 1
  done
}
tell() { say "$(versions_in "$root" | paste -sd , | sed 's/ server v=/ /g; s/,/ and /') are in $root"; }

mkdir -p "$(dirname "$root")"
exec 9> "$root.lock" # two set-ups may run beside each other
flock -w 600 9 || fail "another set-up has held $root.lock for 10 minutes"
versions_in "$root" > /dev/null && { tell; exit 0; }
[ -n "$archive" ] || fail "no archive found in /etc/apt: add the Debian sources of this machine, then run ./dev setup again"
work=$(mktemp -d "$root.XXXXXX") # beside its place, so that it moves there in one step
trap 'rm -rf "$work"' EXIT
cd "$work"

say "fetching Redis 8 and Valkey from Debian 13"
private_apt "$work/apt"
echo "deb [arch=amd64 signed-by=$key] $archive trixie main" > apt/list
{
  timeout 180 apt-get "${apt[@]}" update && timeout 180 apt-get "${apt[@]}" download "${packages[@]}"
} > log 2>&1 || { tail -5 log >&2; fail "apt could not fetch them"; }
for each in *.deb; do
  dpkg-deb --extract "$each" all
done
mkdir -p tree/bin tree/lib
cp -P all/usr/lib/x86_64-linux-gnu/*.so* tree/lib
for each in "${!servers[@]}"; do
  program=${servers[$each]}
  cp "all/usr/bin/$program" tree
  cat > "tree/bin/$each" <<SCRIPT
#!/bin/sh
tree=\${0%/bin/*}
exec "\$tree/lib/ld-linux-x86-64.so.2" --library-path "\$tree/lib" "\$tree/$program" "\$@"
SCRIPT
  chmod +x "tree/bin/$each"
done
chmod -R a+rX tree
versions_in "$PWD/tree" > /dev/null || fail "what was fetched does not run: $(tree/bin/valkey --version 2>&1 | tail -1)"
rm -rf "$root"
mv tree "$root"
tell
