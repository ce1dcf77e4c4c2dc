# Sourced: $archive and $key are the Debian archive of this machine's own apt and the key it is checked with,
# from either form of apt's source files. $archive is empty when there is none.
archive= key=
for file in /etc/apt/sources.list.d/*.sources; do
  [ -f "$file" ] && [ -z "$archive" ] || continue
  archive=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "$file" | head -1)
  key=$(sed -n 's/^Signed-By: *\(\/[^ ]*\).*/\1/p' "$file" | head -1)
done
if [ -z "$archive" ]; then
  archive=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' | head -1)
fi
key=${key:-/usr/share/keyrings/debian-archive-keyring.gpg}

# private_apt DIR: puts into $apt what makes apt-get and apt-cache work below DIR, with DIR/list as their only source.
# Nothing on the machine changes, and signatures are checked.
private_apt() {
  mkdir -p "$1/lists/partial" "$1/parts"
  : > "$1/status"
  apt=(-q -o Dir::Etc::SourceList="$1/list" -o Dir::Etc::SourceParts="$1/parts" -o Dir::State::Lists="$1/lists"
    -o Dir::State::status="$1/status" -o Dir::Cache="$1" -o APT::Sandbox::User=root
    -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::Languages=none)
}
