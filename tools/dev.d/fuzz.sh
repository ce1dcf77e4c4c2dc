#!/usr/bin/env bash
# fuzz [--seconds N] [--smoke] [target...]: parsers of foreign bytes under libFuzzer, 600 s each; --smoke: the corpus and 3 s, no libFuzzer
set -uo pipefail
source tools/dev.d/lib.sh
seconds=600 smoke= results= targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=${2:?a number of seconds} && shift ;;
    --smoke) smoke=1 ;;
    --results) results=${2:?a folder} && shift ;; # for ./dev test: one result a target
    -*) die "usage: ./dev fuzz [--seconds N] [--smoke] [target...]" ;;
    *) targets+=("$1") ;;
  esac
  shift
done
all=()
for file in tests/fuzz/*_fuzz.cc; do
  name=$(basename "$file" _fuzz.cc)
  all+=("$name")
done
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
  [ -f "tests/fuzz/${target}_fuzz.cc" ] || die "no target '$target'; there are ${all[*]}"
done
bash tools/dev.d/setup.sh || exit 1
# CI has no time to build everything once more for libFuzzer: there the corpus, and blind changes of it, run in `debug`.
preset=fuzz
[ -z "$smoke" ] || preset=debug
build $preset "${targets[@]/%/_fuzz}" || die "the targets do not build"

# What no input may cost: a call that takes longer, or a process that grows further, is a finding.
options=(-timeout=20 -rss_limit_mb=2048 -max_len=32768 -print_final_stats=1 -detect_leaks=0 -max_total_time="$seconds")
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=allocator_may_return_null=0

# run_one TARGET: what is new goes into build/fuzz/found/<target>, what ends the process into build/fuzz/findings.
run_one() {
  local target=$1 program=build/$preset/tests/fuzz/${1}_fuzz log=build/$preset/fuzz/$1.txt corpus=tests/fuzz/corpus/$1
  local found=build/fuzz/found/$target input
  mkdir -p "build/$preset/fuzz" "$found" build/fuzz/findings
  if [ -n "$smoke" ]; then
    timeout 120 "$program" 3 "$corpus" > "$log" 2>&1
  else
    "$program" "${options[@]}" -artifact_prefix="build/fuzz/findings/$target-" "$found" "$corpus" > "$log" 2>&1
  fi
  if [ $? -eq 0 ]; then
    say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no finding"
    return 0
  fi
  if [ -n "$smoke" ]; then
    input=$(sed -n '/^tests.fuzz.corpus/p' "$log" | tail -1)
    [ ! -f "$program.last" ] || { input=build/fuzz/findings/$target-$(sha1sum < "$program.last" | cut -c 1-16) && mv "$program.last" "$input"; }
  else
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
  fi
  grep -m 3 -E '^does not hold|runtime error|ERROR: |SUMMARY' "$log" >&2
  say "$target: a finding (the whole output is in $log); it comes again with:"
  say "  ./dev build fuzz ${target}_fuzz && build/fuzz/tests/fuzz/${target}_fuzz ${input:-$corpus/*}"
  return 1
}

# record TARGET STATE
record() { [ -z "$results" ] || $python tools/results.py record "$results" "fuzz::$1" "$2"; }

failed=$(mktemp -d)
trap 'rm -rf "$failed"' EXIT
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
  {
    if run_one "$target"; then
      record "$target" passed
    else
      record "$target" failed
      touch "$failed/$target"
    fi
  } &
done
wait
[ -z "$(ls "$failed")" ]
