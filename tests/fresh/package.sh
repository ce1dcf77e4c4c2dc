#!/usr/bin/env bash
# The Debian package on a fresh Debian 12: installed with apt, run by a real systemd with the unit's own hardening
# beside a PostgreSQL, upgraded, removed, purged. As root; about a minute and a half. ./dev fresh package builds it first.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
source "$here/chroot.sh"
source "$here/boot.sh"
deb=$(ls -t "$here"/../../build/release/deltaforge_*_amd64.deb | head -1)
root=$fresh_cache/package
say() { echo "package: $*"; }
die() { say "FAILED: $*" >&2; exit 1; }
finish() {
  code=$?
  trap - EXIT
  [ $code -eq 0 ] || [ -z "$system" ] || booted journalctl -u deltaforge -n 20 --no-pager || true
  power_off
  close_root "$root"
  exit $code
}
trap finish EXIT
expect() { # expect WHAT EXPECTED FOUND
  [ "$2" = "$3" ] || die "$1: expected '$2', found '$3'"
}
soon() { # soon SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "waited in vain: $what"
    sleep 0.2
  done
}

say "a fresh Debian 12"
fresh_root "$root"
install_log=$root.log
inside "$root" apt-get -q update > "$install_log" 2>&1
cp "$deb" "$root/root/deltaforge.deb"

say "apt install"
inside "$root" timeout 300 apt-get -q -y install --no-install-recommends /root/deltaforge.deb >> "$install_log" 2>&1 ||
  { tail -5 "$install_log"; die "apt cannot install it"; }
expect version "deltaforge $(dpkg-deb -f "$deb" Version)" "$(inside "$root" deltaforge --version)"
expect libraries "" "$(inside "$root" ldd /usr/bin/deltaforge | grep 'not found' || true)"
inside "$root" env POSTGRES_DSN=postgresql://h/d deltaforge validate /etc/deltaforge/example.yaml > /dev/null ||
  die "the example is not valid"
expect 'state directory' 'deltaforge deltaforge 700' "$(inside "$root" stat -c '%U %G %a' /var/lib/deltaforge)"
expect 'pipelines' 'root deltaforge 750' "$(inside "$root" stat -c '%U %G %a' /etc/deltaforge/pipelines)"
expect 'environment' 'root root 600' "$(inside "$root" stat -c '%U %G %a' /etc/deltaforge/environment)"

say "a systemd and a PostgreSQL beside it"
inside "$root" timeout 300 apt-get -q -y install --no-install-recommends systemd dbus postgresql-15 >> "$install_log" 2>&1 ||
  die "apt cannot install PostgreSQL"
inside "$root" pg_conftool 15 main set wal_level logical
rm "$root/usr/sbin/policy-rc.d"
boot "$root" || die "systemd does not start"
booted systemctl start postgresql@15-main
sql() { booted su postgres -c "psql -qAtX -d $1 -c \"$2\""; }
sql postgres 'CREATE ROLE deltaforge LOGIN REPLICATION'
sql postgres 'CREATE DATABASE shop OWNER deltaforge'
booted su deltaforge -s /bin/sh -c 'psql -q -d shop -c "CREATE TABLE orders (id int PRIMARY KEY)"'

say "the service"
expect 'after installing' disabled "$(booted systemctl is-enabled deltaforge || true)"
expect 'after installing' inactive "$(booted systemctl is-active deltaforge || true)"
expect 'health of nobody' 1 "$(booted deltaforge health > /dev/null 2>&1; echo $?)"
printf 'POSTGRES_DSN=postgresql:///shop?host=/var/run/postgresql\nDELTAFORGE_API_TOKEN=0123456789abcdef0123\n' \
  > "$root/etc/deltaforge/environment"
property() { booted systemctl show -P "$1" deltaforge; }
# Without a pipeline it says so and is not started again and again.
booted systemctl start deltaforge || true
soon 10 "an end without a pipeline" booted systemctl is-failed deltaforge
sleep 6
expect 'exit code' 1 "$(property ExecMainStatus)"
expect 'starts after exit 1' 0 "$(property NRestarts)"

cp "$root/etc/deltaforge/example.yaml" "$root/etc/deltaforge/pipelines/shop.yaml"
booted systemctl enable --now --quiet deltaforge
soon 20 "health" booted deltaforge health
changes=$root/var/lib/deltaforge/changes
rows() { cat "$changes"/*.jsonl 2> /dev/null | wc -l; }
has_rows() { [ "$(rows)" -eq "$1" ]; }
slot() { [ "$(sql shop 'SELECT count(*) FROM pg_replication_slots WHERE active')" = 1 ]; }
soon 20 "the slot" slot
sql shop 'INSERT INTO orders SELECT generate_series(1, 3)'
soon 20 "3 changes in the file" has_rows 3
main() { property MainPID; }
expect 'capabilities' 0000000000000000 "$(booted sed -n 's/^CapBnd:\s*//p' "/proc/$(main)/status")"
expect 'system call filter' 2 "$(booted sed -n 's/^Seccomp:\s*//p' "/proc/$(main)/status")"
expect 'user' deltaforge "$(booted sh -c "id -nu \$(sed -n 's/^Uid:\s*\([0-9]*\).*/\1/p' /proc/$(main)/status)")"
booted systemd-analyze security --no-pager deltaforge --threshold=15 > "$root.security" || die "exposed: $(tail -1 "$root.security")"
say "$(tail -1 "$root.security" | tr -d '→' | sed 's/^ *//')"

say "a crash, an upgrade"
booted sh -c "kill -9 $(main)"
soon 30 "another start after a crash" booted deltaforge health
expect 'starts after a crash' 1 "$(property NRestarts)"
sql shop 'INSERT INTO orders VALUES (4)'
soon 20 "the next change, once" has_rows 4
before=$(main)
booted apt-get -q -y --reinstall install /root/deltaforge.deb >> "$install_log" 2>&1 || die "it cannot be upgraded"
[ "$(main)" != "$before" ] || die "an upgrade did not restart the service"
grep -q 0123456789abcdef "$root/etc/deltaforge/environment" || die "an upgrade threw the environment away"
soon 30 "health after an upgrade" booted deltaforge health
sql shop 'INSERT INTO orders VALUES (5)'
soon 20 "the next change, once" has_rows 5
booted systemctl stop deltaforge
expect 'a stop' 'exited 0' "$(property Result | sed 's/success/exited/') $(property ExecMainStatus)"
booted systemctl start deltaforge
soon 20 "health" booted deltaforge health

say "remove, purge"
booted apt-get -q -y remove deltaforge >> "$install_log" 2>&1 || die "it cannot be removed"
expect 'processes after remove' "" "$(booted sh -c 'grep -lx deltaforge /proc/[0-9]*/comm' 2> /dev/null || true)"
has_rows 5 || die "remove took the state"
[ -f "$root/etc/deltaforge/pipelines/shop.yaml" ] || die "remove took the configuration"
booted apt-get -q -y purge deltaforge >> "$install_log" 2>&1 || die "it cannot be purged"
rm "$root/root/deltaforge.deb"
expect 'after purge' "" "$(find "$root/etc" "$root/usr" "$root/var" -xdev -name '*deltaforge*' | grep -v -e '/var/log/' -e '/var/lib/postgresql' || true)"
expect 'the user after purge' "" "$(grep deltaforge "$root/etc/passwd" "$root/etc/group" || true)"
expect 'failed units' "" "$(booted systemctl --failed --plain --no-legend | grep deltaforge || true)"
say "ok"
