#!/usr/bin/env bash
# Caches what the consumers that the book prints need in ~/.cache/deltaforge/consumers (6 MB, 15 seconds): ioredis and
# express for those in JavaScript, nats.go for the one in Go. Node.js comes from Debian where it is missing; where go is
# missing, or too old, its consumers are not run.
set -euo pipefail

root=${DF_CACHE:-$HOME/.cache/deltaforge}/consumers
say() { echo "consumers: $*"; }
fail() { echo "consumers: $*" >&2; exit 1; }

mkdir -p "$root/go"
exec 9> "$root.lock" # two set-ups may run beside each other
flock -w 600 9 || fail "another set-up has held $root.lock for 10 minutes"

if ! command -v npm > /dev/null && [ "$(id -u)" = 0 ]; then
  say "installing Node.js"
  timeout 600 env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nodejs npm > "$root/apt.log" 2>&1 ||
    tail -5 "$root/apt.log" >&2
fi
if ! command -v npm > /dev/null; then
  say "no npm: the consumers in JavaScript will fail"
elif [ ! -d "$root/node_modules/ioredis" ] || [ ! -d "$root/node_modules/express" ]; then
  say "fetching ioredis and express"
  (cd "$root" && timeout 300 npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    ioredis@5.11.1 express@4.22.3 > npm.log 2>&1) || { tail -5 "$root/npm.log" >&2; say "npm could not fetch them: their tests will fail"; }
fi
if ! command -v go > /dev/null; then
  say "no go: the consumers in Go will not be run"
elif [ ! -f "$root/go/go.sum" ]; then
  say "fetching nats.go"
  (cd "$root/go" && rm -f go.mod && go mod init consumers && timeout 300 go get github.com/nats-io/nats.go@v1.49.0 &&
    go build github.com/nats-io/nats.go) > "$root/go.log" 2>&1 || { tail -5 "$root/go.log" >&2; rm -f "$root/go/go.sum"; say "go could not fetch it: its tests will fail"; }
fi
say "$root"
