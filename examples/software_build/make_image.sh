#!/usr/bin/env bash
# Makes a Docker image with a C compiler of packages that this machine has installed; nothing is downloaded, no registry asked.
#
#   make_image.sh IMAGE:TAG        by the engine at DOCKER_HOST (unix://…), as docker has it
#
# Ends with 77 where a package is missing, 1 where the image can't be made.
set -euo pipefail

image=${1:?usage: make_image.sh IMAGE:TAG}
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
packages=(gcc libc6-dev make dash bash coreutils sed grep mawk diffutils findutils hostname base-files libc-bin)

for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] ||
    { echo "make_image.sh: the package $package is not installed: apt-get install $package" >&2; exit 77; }
done

# All that they depend on and that is installed, without documentation.
needed() {
  apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    "${packages[@]}" | sed -n 's/^\([a-z0-9][^ :]*\)\(:.*\)\?$/\1/p' | sort -u
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unused='^/(\.|usr/share/(doc|man|info|locale|lintian|perl5?|gdb|common-licenses)(/.*)?)$'
needed | xargs dpkg-query -L 2>/dev/null | grep -vE "$unused" |
  sort -u >"$work/names" || true
while IFS= read -r name; do
  # Folders of packages may be links of this machine's (/lib, /bin): these are what counts.
  if [[ -L $name || -f $name ]]; then echo "$name"; fi
done <"$work/names" >"$work/files"
# What `update-alternatives` decides (awk, cc) belongs to no package.
for link in /usr/bin/awk /usr/bin/cc /usr/bin/c99 /etc/alternatives/awk /etc/alternatives/cc /bin /lib /lib64 /sbin; do
  if [[ -L $link ]]; then echo "$link"; fi
done >>"$work/files"
mkdir -p "$work/root/tmp"
chmod 1777 "$work/root/tmp"
# With /bin and /lib as links, what lies below them is taken by its other name.
if [[ -L /bin ]]; then sed -i -E 's#^/(bin|sbin|lib|lib64)/#/usr/\1/#' "$work/files"; fi
sort -u "$work/files" | sed 's#^/##' | tar -C / --no-recursion -T - -cf "$work/image.tar"
tar -C "$work/root" -rf "$work/image.tar" tmp
curl -sSf -X POST --unix-socket "${socket#unix://}" -H 'Content-Type: application/x-tar' --data-binary "@$work/image.tar" \
  "http://docker/images/create?fromSrc=-&repo=${image%:*}&tag=${image##*:}" >/dev/null
