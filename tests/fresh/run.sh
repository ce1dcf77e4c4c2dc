#!/usr/bin/env bash
# The README's two commands inside a freshly made Debian 12 (debootstrap, chroot). By hand, as root: about half an hour.
#   tests/fresh/run.sh [demo] ['demo mysql'] [test]      default: all three, on a clone of HEAD
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
source "$here/chroot.sh"
repo=$(git -C "$here" rev-parse --show-toplevel)
root=$fresh_cache/root
[ $# -gt 0 ] || set -- demo 'demo mysql' test
say() { echo "fresh: $*"; }
trap 'close_root "$root"' EXIT

fresh_root "$root"
git clone -q --no-local "$repo" "$root/root/deltaforge"

code=0
for each in "$@"; do
  log=$fresh_cache/${each// /-}.log
  say "./dev $each, output in $log"
  read -ra args <<< "$each"
  [ "${args[0]}" = demo ] && args+=(--seconds 15)
  started=$SECONDS
  if inside "$root" bash -c 'cd /root/deltaforge && exec timeout 5400 ./dev "$@" < /dev/null' dev "${args[@]}" > "$log" 2>&1; then
    say "./dev $each: ok in $((SECONDS - started)) s: $(tail -1 "$log")"
  else
    say "./dev $each: FAILED after $((SECONDS - started)) s: $(tail -3 "$log")"
    code=1
  fi
done
exit $code
