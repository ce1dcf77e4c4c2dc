#!/usr/bin/env bash
# reference [--check]: write docs/reference from the configuration of this build; --check only compares
set -euo pipefail
source tools/dev.d/lib.sh
build release deltaforge
build/release/deltaforge schema | $python tools/reference.py - "$@"
