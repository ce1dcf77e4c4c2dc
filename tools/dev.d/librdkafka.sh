#!/usr/bin/env bash
# Builds librdkafka from Debian's newer source package into ~/.cache/deltaforge/librdkafka (static, SASL, TLS, lz4, zstd).
#
# Debian 12's own 2.0.2 cannot log in with SCRAM to Kafka 4. The source package of sid or trixie is fetched through apt.
# Safe to run again; when a library of at least 2.8 is there already, nothing is done.
set -euo pipefail

source "$(dirname "$0")/archive.sh"
prefix=${DF_RDKAFKA_ROOT:-$HOME/.cache/deltaforge/librdkafka}
wanted=2.8
pc=$prefix/lib/pkgconfig/rdkafka-static.pc

say() { echo "librdkafka: $*"; }
fail() { echo "librdkafka: $*" >&2; exit 1; }
at_least() { [ "$(printf '%s\n%s\n' "$wanted" "$1" | sort -V | head -1)" = "$wanted" ]; }

if [ -f "$prefix/lib/librdkafka.a" ] && [ -f "$pc" ]; then
  have=$(sed -n 's/^Version: *//p' "$pc")
  at_least "$have" && { say "$have is in $prefix already"; exit 0; }
fi

[ -n "$archive" ] || fail "no archive found in /etc/apt: add the Debian sources of this machine, then run ./dev setup again"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
private_apt "$work/apt"

# Downloads the newest usable source of one suite. Leaves $version and the .orig tarball.
fetch_from() {
  echo "deb-src [signed-by=$key] $archive $1 main" > apt/list
  timeout 180 apt-get "${apt[@]}" update > apt/log 2>&1 || return 1
  version=$(apt-cache "${apt[@]}" showsrc librdkafka 2>/dev/null | sed -n 's/^Version: *//p' | sort -V | tail -1)
  [ -n "$version" ] && at_least "${version%%-*}" || return 1
  timeout 180 apt-get "${apt[@]}" source --download-only "librdkafka=$version" > apt/log 2>&1
}

say "looking for a source package of at least $wanted"
fetch_from sid || fetch_from trixie || { tail -5 apt/log >&2; fail "no source package of at least $wanted could be fetched"; }
say "building $version into $prefix (about a minute)"
mkdir source
tar xf librdkafka_*.orig.tar.* -C source --strip-components=1 --no-same-owner
{
  timeout 120 cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_PREFIX="$work/out" -DRDKAFKA_BUILD_STATIC=ON -DRDKAFKA_BUILD_EXAMPLES=OFF \
    -DRDKAFKA_BUILD_TESTS=OFF -DWITH_SASL=ON -DWITH_SSL=ON -DWITH_ZSTD=ON -DWITH_CURL=OFF -DENABLE_LZ4_EXT=ON &&
    timeout 1200 ninja -C build -j "$(nproc)" install
} > build.log 2>&1 || { tail -20 build.log >&2; fail "the build failed: are libsasl2-dev libssl-dev libzstd-dev liblz4-dev zlib1g-dev installed?"; }

# In place as a whole, or not at all.
sed -i "s|$work/out|$prefix|g" out/lib/pkgconfig/*.pc
rm -rf "$prefix"
mkdir -p "$(dirname "$prefix")"
mv out "$prefix"
say "$(sed -n 's/^Version: *//p' "$pc") is in $prefix"
