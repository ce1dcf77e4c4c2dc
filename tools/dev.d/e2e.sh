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
case " $* " in
  *' --full '*)
    build debug pipeline_test
    DF_SIM_SEEDS=10000 build/debug/src/pipeline/pipeline_test --gtest_filter='Simulation.*' --gtest_brief=1 2> /dev/null
    $python tools/planted_faults.py
    ;;
esac
exec $python -m pytest -c tests/pytest.ini tests/e2e tests/harness -v --durations=10 --junitxml=build/results/e2e.xml "${args[@]}"
