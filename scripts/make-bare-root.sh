#!/usr/bin/env bash
# Makes a bare Debian 12 root, with this machine's own apt sources where it runs Debian 12.
#
#   scripts/make-bare-root.sh TARGET        a folder, or an archive (NAME.tar)
#
# Needs root and mmdebstrap.
set -euo pipefail

target=${1:?a folder or NAME.tar}
((EUID == 0)) || { echo "$0: must be run as root" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "$0: needs mmdebstrap: apt-get install mmdebstrap" >&2; exit 1; }

sources=()
if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
  for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    if [[ -s $file ]]; then sources=("$file"); break; fi
  done
fi
mmdebstrap --quiet --variant=minbase bookworm "$target" "${sources[@]}"
