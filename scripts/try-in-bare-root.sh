#!/usr/bin/env bash
# Runs a command on a clone of the last commit inside a bare Debian 12 root, to prove that nothing else is needed.
#
#   scripts/try-in-bare-root.sh [--keep] [--root DIR] [COMMAND…]        (default command: ./test.sh)
#
# Needs root and mmdebstrap. The root is made in a temporary folder, with this machine's own apt sources where it runs
# Debian 12, and is removed afterwards. --root DIR names the folder (used as it is where it exists) and keeps it.
set -euo pipefail

source_tree=$(cd "$(dirname "$0")/.." && pwd)
keep=false
root=
while (($#)); do
  case $1 in
    --keep) keep=true; shift ;;
    --root) root=${2:?--root needs a folder}; keep=true; shift 2 ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
    *) break ;;
  esac
done
(($#)) || set -- ./test.sh

((EUID == 0)) || { echo "$0: must be run as root (chroot)" >&2; exit 1; }

root=${root:-$(mktemp -d "${TMPDIR:-/tmp}/evermill-root.XXXXXX")}
mounted=()
leave() {
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}" || umount -l "${mounted[i]}" || keep=true; done
  if $keep; then echo "the root is kept: $root"; else rm -rf --one-file-system "$root"; fi
}
trap leave EXIT

if [[ ! -e $root/etc/debian_version ]]; then
  echo "making a bare Debian 12 root in $root"
  "$source_tree/scripts/make-bare-root.sh" "$root"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"

# Namespaces of their own, as Docker's engine for tests has them, need a root that is a mount.
mount --bind "$root" "$root"; mounted+=("$root")
mount -t proc proc "$root/proc"; mounted+=("$root/proc")
mount --rbind --make-rslave /sys "$root/sys"; mounted+=("$root/sys")  # control groups
mount --bind /dev "$root/dev"; mounted+=("$root/dev")

rm -rf "$root/evermill"
git clone --quiet --no-hardlinks "$source_tree" "$root/evermill"
echo "running in the root, on $(git -C "$root/evermill" log -1 --format='%h %s'): $*"
environment=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb)
for name in CI http_proxy https_proxy no_proxy; do
  if [[ -n ${!name:-} ]]; then environment+=("$name=${!name}"); fi
done
chroot "$root" env -i "${environment[@]}" /bin/bash -c 'cd /evermill && exec "$@"' bash "$@" </dev/null
