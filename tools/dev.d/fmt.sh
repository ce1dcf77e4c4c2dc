#!/usr/bin/env bash
# fmt: format the C++ files
set -euo pipefail
source tools/dev.d/lib.sh
cpp_files | xargs -r clang-format-14 -i
