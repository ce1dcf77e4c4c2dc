#!/usr/bin/env bash
# new sink|source NAME: make the folder of a new component, ready to build, and its one line in components.def
set -euo pipefail
source tools/dev.d/lib.sh
kind=${1:-} name=${2:-}
[[ $kind =~ ^(sink|source)$ && $name =~ ^[a-z][a-z0-9_]*$ ]] || die "usage: ./dev new sink|source NAME (lower case, a-z 0-9 _)"
folder=src/${kind}s/$name
[ ! -e "$folder" ] || die "$folder exists already"
class=$(sed -E 's/(^|_)([a-z])/\U\2/g' <<< "$name")

mkdir -p "$folder"
for template in tools/new/"$kind"/*.in; do
  target=$(basename "$template" .in)
  sed "s/@name@/$name/g; s/@Name@/$class/g" "$template" > "$folder/${target//@name@/$name}"
done
{ cat src/server/components.def && echo "COMPONENT(${kind}s, $name)"; } |
  { read -r comment && echo "$comment" && LC_ALL=C sort; } > src/server/components.new
mv src/server/components.new src/server/components.def
sed -i "/ sinks\/kafka /s/)\$/ ${kind}s\/$name)/" src/CMakeLists.txt
clang-format-14 -i "$folder"/*.h "$folder"/*.cc
say "made $folder; ./dev build debug ${name}_test && build/debug/$folder/${name}_test runs its tests"
