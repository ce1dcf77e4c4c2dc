#!/usr/bin/env bash
# bench pg [options]: drain rates beside pg_recvlogical, CPU, memory; JSON into bench/results/
set -euo pipefail
source tools/dev.d/lib.sh
what=${1:-}
[ -f "bench/$what.py" ] || die "usage: ./dev bench pg [options]"
shift
bash tools/dev.d/setup.sh
build release deltaforge
exec $python "bench/$what.py" "$@"
