#!/usr/bin/env bash
# setup [--build]: install what the build and the tests need (Debian packages; newer servers and librdkafka into a cache)
set -euo pipefail
source tools/dev.d/lib.sh
lists=(tools/dev.d/packages_build.txt tools/dev.d/packages.txt)
parts=(librdkafka fetch_postgres fetch_mysql fetch_redis fetch_nats fetch_kafka fetch_consumers)
case "${1:-}" in
  --build) lists=("${lists[0]}") parts=("${parts[0]}") ;; # for the image: no tests there
  '') ;;
  *) die "usage: ./dev setup [--build]" ;;
esac

missing=()
while read -r package; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
done < <(grep -hv '^#' "${lists[@]}")
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || die "as root, please: apt-get install ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  { timeout 300 apt-get -q update && timeout 1200 apt-get -q -y install --no-install-recommends "${missing[@]}"; } \
    > "$log" 2>&1 || { tail -20 "$log" >&2; die "apt-get failed; the whole output is in $log"; }
  rm -f "$log"
fi
for part in "${parts[@]}"; do
  bash tools/dev.d/$part.sh >&2
done
