#!/usr/bin/env bash
# check: the quick checks - format, layers, sizes, reference pages, and clang-tidy on changed files
set -uo pipefail
source tools/dev.d/lib.sh
failed=0
cpp_files | xargs -r clang-format-14 --dry-run -Werror || failed=1
$python tools/check_layers.py || failed=1
$python tools/check_sizes.py || failed=1
bash tools/dev.d/reference.sh --check || failed=1
mapfile -t changed < <({ git diff --name-only HEAD 2> /dev/null; git ls-files -o --exclude-standard; } |
  grep '^src/.*\.cc$' | sort -u | while read -r file; do [ -f "$file" ] && echo "$file"; done)
if [ ${#changed[@]} -gt 0 ]; then
  [ -f build/debug/compile_commands.json ] || cmake --preset debug > /dev/null
  printf '%s\n' "${changed[@]}" | xargs -P "$jobs" -n 1 clang-tidy-14 -p build/debug --quiet 2> /dev/null || failed=1
fi
exit $failed
