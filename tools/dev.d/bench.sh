#!/usr/bin/env bash
# bench pg|mysql [options]: drain rates beside the database's own tool, CPU, memory; JSON into bench/results/
set -euo pipefail
source tools/dev.d/lib.sh
what=${1:-}
[ -f "bench/$what.py" ] || die "usage: ./dev bench pg|mysql [options]"
shift
bash tools/dev.d/setup.sh
build release deltaforge
exec $python "bench/$what.py" "$@"
