#!/usr/bin/env bash
# fresh package|image|readme: try the Debian package, the Dockerfile's steps or the README's commands on a fresh Debian 12
set -euo pipefail
source tools/dev.d/lib.sh
[ "$(id -u)" = 0 ] || die "as root, please: it makes a Debian with debootstrap and enters it"
what=${1:-}
[ $# -gt 0 ] && shift
case "$what" in
  package)
    bash tools/dev.d/package.sh
    exec tests/fresh/package.sh
    ;;
  image) exec $python tests/fresh/image.py "$@" ;;
  readme) exec tests/fresh/run.sh "$@" ;;
  *) die "usage: ./dev fresh package | image [--binary] | readme" ;;
esac
