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
