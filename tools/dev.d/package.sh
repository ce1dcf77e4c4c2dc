#!/usr/bin/env bash
# package: build/release/deltaforge_<version>_amd64.deb, for Debian 12 (`./dev fresh package` tries it there)
set -euo pipefail
source tools/dev.d/lib.sh
build release deltaforge
cmake --preset release > /dev/null # a build folder may be older than the packaging
log=build/release/package.log
(umask 022 && cd build/release && cpack) > "$log" 2>&1 || { tail -20 "$log" >&2; die "cpack failed; its output is in $log"; }
say "$(sed -n 's/.*package: \(.*\.deb\) generated\./\1/p' "$log")"
