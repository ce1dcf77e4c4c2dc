#!/usr/bin/env bash
# build [preset] [targets]: compile; presets release (default), debug, tsan, clang, fuzz
set -euo pipefail
source tools/dev.d/lib.sh
preset=${1:-release}
[ $# -gt 0 ] && shift
build "$preset" "$@"
say "build/$preset/deltaforge"
