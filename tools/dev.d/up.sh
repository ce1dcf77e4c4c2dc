#!/usr/bin/env bash
# up: start a private PostgreSQL 15, 18, MySQL 9, MariaDB, Kafka, Redis and NATS, print how to reach them, stop at Ctrl-C
set -euo pipefail
source tools/dev.d/lib.sh
bash tools/dev.d/setup.sh
exec $python tools/up.py "$@"
