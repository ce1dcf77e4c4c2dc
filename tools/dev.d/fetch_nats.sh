#!/usr/bin/env bash
# Caches a current NATS server in ~/.cache/deltaforge/nats (17 MB, 10 seconds): bin/nats-server.
#
# Debian 12 has 2.9 only. This one is the newest of Debian's own: one program that needs nothing but the C library; its
# package is fetched through apt. To try it:  ~/.cache/deltaforge/nats/bin/nats-server --version
set -euo pipefail

source "$(dirname "$0")/archive.sh"
root=${DF_CACHE:-$HOME/.cache/deltaforge}/nats
suites=(sid forky trixie) # the first that has one that runs here

say() { echo "nats: $*"; }
fail() { echo "nats: $*" >&2; exit 1; }
version_in() { timeout 20 "$1/bin/nats-server" --version 2> /dev/null | grep -o 'v[0-9][0-9.]*'; }
tell() { say "NATS $(version_in "$root") is in $root"; }

mkdir -p "$(dirname "$root")"
exec 9> "$root.lock" # two set-ups may run beside each other
flock -w 600 9 || fail "another set-up has held $root.lock for 10 minutes"
version_in "$root" > /dev/null && { tell; exit 0; }
[ -n "$archive" ] || fail "no archive found in /etc/apt: add the Debian sources of this machine, then run ./dev setup again"
work=$(mktemp -d "$root.XXXXXX") # beside its place, so that it moves there in one step
trap 'rm -rf "$work"' EXIT
cd "$work"

for suite in "${suites[@]}"; do
  say "fetching nats-server from Debian $suite"
  private_apt "$work/apt-$suite"
  echo "deb [arch=amd64 signed-by=$key] $archive $suite main" > "apt-$suite/list"
  {
    timeout 180 apt-get "${apt[@]}" update && timeout 180 apt-get "${apt[@]}" download nats-server
  } > log 2>&1 || { tail -5 log >&2; continue; }
  mkdir -p tree/bin
  dpkg-deb --extract nats-server_*.deb all
  find all -type f -name nats-server -perm -u+x -exec cp {} tree/bin \;
  if version_in "$PWD/tree" > /dev/null; then
    chmod -R a+rX tree
    rm -rf "$root"
    mv tree "$root"
    tell
    exit 0
  fi
  rm -rf tree all nats-server_*.deb
done
fail "none of ${suites[*]} has a nats-server that runs here"
