#!/usr/bin/env bash
# new sink|processor|source NAME: make the folder of a new component, ready to build, and its one line in components.def
set -euo pipefail
source tools/dev.d/lib.sh
kind=${1:-} name=${2:-}
[[ $kind =~ ^(sink|processor|source)$ && $name =~ ^[a-z][a-z0-9_]*$ ]] ||
  die "usage: ./dev new sink|processor|source NAME (lower case, a-z 0-9 _)"
folder=src/${kind}s/$name
[ ! -e "$folder" ] || die "$folder exists already"
class=$(sed -E 's/(^|_)([a-z])/\U\2/g' <<< "$name")
# Its library is df_<name>, its tests <name>_test: another folder may have that name.
library=$name
grep -rqs "^df_folder($name[ )]" --include=CMakeLists.txt src && library=${name}_$kind

mkdir -p "$folder"
for template in tools/new/"$kind"/*.in; do
  target=$(basename "$template" .in)
  sed "s/@name@/$name/g; s/@Name@/$class/g; s/@library@/$library/g" "$template" > "$folder/${target//@name@/$name}"
done
# To its place in the alphabet, and outside of another's #if.
LC_ALL=C awk -v new="COMPONENT(${kind}s, $name)" '
  { line[NR] = $0 }
  !at && /^COMPONENT/ && $0 > new { at = line[NR - 1] ~ /^#if/ ? NR - 1 : NR }
  END {
    for (i = 1; i <= NR; i++) { if (i == at) print new; print line[i] }
    if (!at) print new
  }' src/server/components.def > src/server/components.new
mv src/server/components.new src/server/components.def
clang-format-14 -i "$folder"/*.h "$folder"/*.cc
say "made $folder; ./dev build debug ${library}_test && build/debug/$folder/${library}_test runs its tests"
