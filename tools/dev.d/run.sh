#!/usr/bin/env bash
# run ARGS: build the release binary and run it, for example ./dev run --config examples/x.yaml
set -euo pipefail
source tools/dev.d/lib.sh
build release deltaforge
exec build/release/deltaforge run "$@"
