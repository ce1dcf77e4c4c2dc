#!/usr/bin/env bash
# bench [pg|mysql|processors|nats|webhook|latency|idle] [options]: rates beside the database's own tool, CPU, memory, latency; JSON into
# bench/results/. Without a name all of them. bench --compare [name...]: the newest run beside the one before.
set -euo pipefail
source tools/dev.d/lib.sh
if [ "${1:-}" = --compare ]; then
  shift
  exec $python bench/compare.py "$@"
fi
what=${1:-}
[ -z "$what" ] || [ -f "bench/$what.py" ] || die "usage: ./dev bench [pg|mysql|processors|nats|webhook|latency|idle [options]] | --compare [name...]"
[ $# -eq 0 ] || shift
bash tools/dev.d/setup.sh
build release deltaforge
for each in ${what:-pg mysql processors nats webhook latency idle}; do $python "bench/$each.py" "$@"; done
