#!/usr/bin/env bash
# minimise.sh FOLDER...: the smallest set of inputs that reaches what corpus/ and FOLDER/<target>/ reach becomes corpus/.
# FOLDER: what record.py made, or build/fuzz/found. `./dev build fuzz fuzz` builds the targets.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
programs=../../build/fuzz/tests/fuzz
for source in ./*_fuzz.cc; do
  target=$(basename "$source" _fuzz.cc)
  mkdir -p "corpus/$target"
  from=("corpus/$target")
  for folder in "$@"; do
    [ -d "$folder/$target" ] && from+=("$folder/$target")
  done
  new=$(mktemp -d)
  "$programs/${target}_fuzz" -set_cover_merge=1 -use_counters=0 -detect_leaks=0 -max_len=32768 "$new" "${from[@]}" > /dev/null 2>&1 ||
    { echo "minimise: $target: one of its inputs is a finding; corpus/$target is as it was" >&2; rm -rf "$new"; continue; }
  rm -rf "corpus/$target"
  mkdir "corpus/$target"
  find "$new" -type f -exec mv -t "corpus/$target" {} +
  rm -rf "$new"
  echo "$target: $(find "corpus/$target" -type f | wc -l) inputs, $(du -sb "corpus/$target" | cut -f1) bytes"
done
