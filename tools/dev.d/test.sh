#!/usr/bin/env bash
# test: everything that CI runs - set-up, unit tests, checkers, end-to-end tests; the last line counts
set -uo pipefail
source tools/dev.d/lib.sh
results=build/results/test
rm -rf "$results" && mkdir -p "$results/unit" "$results/tsan"

# step NAME COMMAND...: what fails is counted as one failed test, and the rest still runs.
step() {
  local name=$1 started=$SECONDS
  shift
  say "$name ..."
  if "$@"; then
    $python tools/results.py record "$results" "$name" passed
  else
    $python tools/results.py record "$results" "$name" failed
  fi
  say "$name: $((SECONDS - started)) s"
}

unit() {
  GTEST_OUTPUT="xml:$PWD/$results/unit/" timeout 1200 \
    ctest --test-dir build/debug -j"$jobs" --timeout 600 --output-on-failure --no-tests=error
}

races() {
  GTEST_OUTPUT="xml:$PWD/$results/tsan/" DF_SIM_SEEDS=40 \
    timeout 900 build/tsan/src/pipeline/pipeline_test --gtest_brief=1 # the simulation has one thread
}

# The results count beside the step itself: one a target.
fuzz() { timeout 900 bash tools/dev.d/fuzz.sh --smoke --results "$results"; }

end_to_end() {
  timeout 3900 $python -m pytest -c tests/pytest.ini tests/e2e tests/harness tools -q --durations=10 --junitxml="$results/e2e.xml"
}

if ! bash tools/dev.d/setup.sh; then
  echo '0 passed, 1 failed'
  exit 1
fi
step 'build: debug, with address and undefined-behaviour sanitizers' build debug all
step 'unit tests' unit
step 'build: release' build release deltaforge
step 'build: clang' build clang deltaforge
step 'build: thread sanitizer' build tsan pipeline_test
step 'pipeline under the thread sanitizer' races
step 'fuzz: the corpus, and changes of it' fuzz
step 'end-to-end tests' end_to_end
step 'layers' $python tools/check_layers.py
step 'sizes' $python tools/check_sizes.py
step 'reference pages' bash tools/dev.d/reference.sh --check
step 'promises' $python tools/check_promises.py --results "$results"
exec $python tools/results.py sum "$results"
