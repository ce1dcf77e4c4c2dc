# Shared by the verbs; they run in the repository's root.
export DF_CACHE=${DF_CACHE:-$HOME/.cache/deltaforge}
export PYTHONDONTWRITEBYTECODE=1
python=/usr/bin/python3 # Debian's own, which has Debian's psycopg2 and confluent_kafka
jobs=$(nproc)

say() { echo "dev: $*" >&2; }
die() { say "$*"; exit 1; }

# build PRESET [target...]
build() {
  local preset=$1
  shift
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" > /dev/null
  ninja -C "build/$preset" -j"$jobs" --quiet "$@"
}

# Our C++ files, tracked or not yet.
cpp_files() { git ls-files -co --exclude-standard -- 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h'; }
