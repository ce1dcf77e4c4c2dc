#!/usr/bin/env bash
# e2e [--full] [filter]: the end-to-end tests against real servers; --full runs the long forms
set -euo pipefail
source tools/dev.d/lib.sh
args=()
for each in "$@"; do
  case "$each" in
    --full) args+=(--full) ;;
    -*) args+=("$each") ;;
    *) args+=(-k "$each") ;;
  esac
done
bash tools/dev.d/setup.sh
build release deltaforge
mkdir -p build/results
exec $python -m pytest -c tests/pytest.ini tests/e2e tests/harness -v --durations=10 --junitxml=build/results/e2e.xml "${args[@]}"
