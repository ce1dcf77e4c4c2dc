#!/usr/bin/env bash
# Caches a small Debian sid with MySQL 9 in ~/.cache/deltaforge/mysql: a folder to chroot into (643 MB, about a minute),
# and in it /initialized, a data directory that a test server starts from with a copy.
#
# Debian 12 has MariaDB only. The suite is taken with debootstrap from this machine's own archive, and its signature is
# checked. To try it:  chroot ~/.cache/deltaforge/mysql mysqld --version
set -euo pipefail

source "$(dirname "$0")/archive.sh"
root=${DF_CACHE:-$HOME/.cache/deltaforge}/mysql

say() { echo "mysql: $*"; }
fail() { echo "mysql: $*" >&2; exit 1; }
version_in() { timeout 20 chroot "$1" mysqld --version 2> /dev/null | grep -o 'Ver [0-9.]*'; }

[ "$(id -u)" = 0 ] || fail "as root, please: it is made with debootstrap and chroot"
mkdir -p "$(dirname "$root")"
exec 9> "$root.lock" # two set-ups may run beside each other
flock -w 1200 9 || fail "another set-up has held $root.lock for 20 minutes"

if ! version_in "$root" > /dev/null; then
  command -v debootstrap > /dev/null || fail "debootstrap is missing: apt-get install debootstrap"
  [ -n "$archive" ] || fail "no archive found in /etc/apt: add the Debian sources of this machine, then run ./dev setup again"
  work=$(mktemp -d "$root.XXXXXX") # beside its place, so that it moves there in one step
  trap 'rm -rf "$work"' EXIT
  say "fetching it from Debian sid (about a minute)"
  timeout 900 debootstrap --variant=minbase --keyring="$key" --include=mysql-server-core,mysql-client-core sid \
    "$work" "$archive" > "$root.log" 2>&1 9>&- || { tail -20 "$root.log" >&2; fail "debootstrap failed; its output is in $root.log"; }
  rm -rf "$work"/var/cache/apt/archives/*.deb "$work"/var/lib/apt/lists/*
  chmod 755 "$work" # mktemp's 700 would hide it from a server that does not run as root
  version_in "$work" > /dev/null || fail "its mysqld does not run; what was fetched: $(tail -3 "$root.log")"
  rm -rf "$root"
  mv "$work" "$root"
fi

# In place as a whole, or not at all, like the tree itself. Each server makes its own auto.cnf, which holds its uuid.
if [ ! -d "$root/initialized" ]; then
  say "making a data directory"
  rm -rf "$root/initializing"
  timeout 120 chroot "$root" mysqld --no-defaults --initialize-insecure --user=root --datadir=/initializing \
    --innodb-redo-log-capacity=128M > "$root.log" 2>&1 9>&- || { tail -20 "$root.log" >&2; fail "mysqld cannot make a data directory"; }
  rm -f "$root/initializing/auto.cnf"
  mv "$root/initializing" "$root/initialized"
fi
rm -f "$root.log"
say "$(version_in "$root") is in $root"
