#!/usr/bin/env bash
# demo [mysql] [kafka] [--seconds N]: watch the changes of a throw-away PostgreSQL, or MariaDB, here or in a real Kafka
set -euo pipefail
source tools/dev.d/lib.sh
bash tools/dev.d/setup.sh
build release deltaforge
exec $python tools/demo/demo.py "$@"
