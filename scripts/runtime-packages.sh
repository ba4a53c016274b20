#!/usr/bin/env bash
# Prints the Debian packages that own the shared libraries of PROGRAM: what a machine that only runs it has to install.
#
#   scripts/runtime-packages.sh PROGRAM
set -euo pipefail

case ${1:-} in
  "" | -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; (($#)); exit ;;
esac

libraries=$(ldd "$1")
if grep 'not found' <<<"$libraries" >&2; then
  echo "$0: $1 does not find these libraries" >&2
  exit 1
fi

# dpkg knows a file by the name that it was installed with: with /usr or without, where these are one, and a link by its own.
names_of() {
  local file
  file=$(readlink -f "$1")
  printf '%s\n' "$1" "/usr$1" "${1#/usr}" "$file" "${file#/usr}"
}

mapfile -t files < <(sed -n 's|.* => \(/[^ ]*\) (.*|\1|p' <<<"$libraries")
mapfile -t names < <(for file in "${files[@]}"; do names_of "$file"; done | sort -u)
declare -A package_of
while read -r package path; do
  package_of[$path]=$package
done < <(dpkg-query -S "${names[@]}" 2>/dev/null | sed -nE 's|^([^:, ]+)[^ ]*: (/.*)$|\1 \2|p')

for file in "${files[@]}"; do
  found=
  while read -r name; do found=${found:-${package_of[$name]:-}}; done < <(names_of "$file")
  [[ -n $found ]] || { echo "$0: no package owns $file" >&2; exit 1; }
  echo "$found"
done | sort -u
