# Sourced: freshly made Debian 12 systems to chroot into. The system as debootstrap makes it is kept in the cache.
#   fresh_root DIR     makes one, with this machine's network and package sources; what stood there is gone
#   inside DIR CMD...  runs a command in it, with a small environment
#   close_root DIR     takes its mounts away; call it from a trap
fresh_cache=${DF_CACHE:-$HOME/.cache/deltaforge}/fresh

close_root() {
  for each in root/.cache/ccache dev/pts dev/shm dev sys proc; do
    mountpoint -q "$1/$each" && umount -l "$1/$each"
  done
  return 0
}

inside() {
  local root=$1
  shift
  chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"
}

fresh_base() {
  local archive sources=/etc/apt/sources.list.d/debian.sources
  archive=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "$sources" | head -1)
  mkdir -p "$fresh_cache"
  [ -f "$fresh_cache/base.tar" ] && return
  echo "fresh: debootstrap of bookworm" >&2
  command -v debootstrap > /dev/null || apt-get -q -y install debootstrap
  rm -rf "$fresh_cache/base"
  timeout 900 debootstrap --variant=minbase --include=ca-certificates bookworm "$fresh_cache/base" "$archive" \
    > "$fresh_cache/debootstrap.log"
  tar -C "$fresh_cache/base" -cf "$fresh_cache/base.tar.new" . && rm -rf "$fresh_cache/base"
  mv "$fresh_cache/base.tar.new" "$fresh_cache/base.tar"
}

fresh_root() {
  local root=$1
  fresh_base
  close_root "$root"
  rm -rf --one-file-system "$root" && mkdir -p "$root"
  tar -C "$root" -xf "$fresh_cache/base.tar"

  # The network as this machine has it: package sources, names, certificates. Nothing starts by being installed.
  rm -f "$root/etc/apt/sources.list"
  cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2> /dev/null || true
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
  mount -t proc proc "$root/proc"
  mount -t sysfs sys "$root/sys"
  mount --bind /dev "$root/dev"
  mount --bind /dev/pts "$root/dev/pts"
  mount --bind /dev/shm "$root/dev/shm"
  inside "$root" update-ca-certificates > /dev/null 2>&1
}
