# Sourced after chroot.sh: starts the systemd of a root made there, in namespaces of its own (processes, mounts, network
# with a loopback device, control groups), so that a service runs as it would on a real machine.
#   boot DIR          returns when it is up
#   booted CMD...     runs a command in it
#   power_off         ends it with all that runs in it; call it from a trap
system=    # the process id of its init, as seen from here
box=       # its control group

_init() { # in the new namespaces
  set -e
  local root=$1
  mount --make-rprivate /
  mount --bind "$root" "$root"
  for each in dev/pts dev/shm dev sys proc; do
    umount -l "$root/$each" 2> /dev/null || true
  done
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys" && mount -o remount,bind,ro "$root/proc/sys" # the machine's own
  mount -t sysfs -o ro sys "$root/sys"
  mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for each in null zero full random urandom tty; do
    touch "$root/dev/$each" && mount --bind "/dev/$each" "$root/dev/$each"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t tmpfs shm "$root/dev/shm"
  ip link set lo up
  cd "$root"
  pivot_root . mnt
  umount -l /mnt
  exec env -i container=fresh PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no
}

boot() {
  local root=$1 outer groups
  groups=$(findmnt -n -t cgroup2 -o TARGET | head -1)
  box=$groups/df-fresh-$$
  mkdir -p "$box"
  export -f _init
  (
    echo "$BASHPID" > "$box/cgroup.procs"
    exec unshare --fork --mount --pid --uts --ipc --cgroup --net --kill-child bash -c '_init "$1"' _ "$root"
  ) > "$root.boot.log" 2>&1 &
  outer=$!
  for _ in $(seq 100); do
    system=$(pgrep -P "$outer" || true)
    [ -n "$system" ] && case $(booted systemctl is-system-running 2> /dev/null) in
      running | degraded) return 0 ;;
    esac
    sleep 0.3
  done
  cat "$root.boot.log" >&2
  return 1
}

booted() {
  timeout 120 nsenter -t "$system" -m -p -u -i -C -n env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

power_off() {
  [ -z "$system" ] || kill -9 "$system" 2> /dev/null || true
  wait 2> /dev/null || true
  system=
  for _ in $(seq 20); do
    [ -d "$box" ] && find "$box" -depth -type d -exec rmdir {} + 2> /dev/null || true
    [ -d "$box" ] || break
    sleep 0.1
  done
}
