#!/usr/bin/env bash
# Installs what evermill needs from Debian's packages, and nothing that is there already.
#   scripts/install-dependencies.sh build    to build and run
#   scripts/install-dependencies.sh test     to run the tests as well
#   scripts/install-dependencies.sh all      every compiler and tool of ./test.sh --all
set -euo pipefail

build=(ca-certificates g++ cmake make ninja-build ccache pkg-config libcaf-dev librocksdb-dev libsnappy-dev liblz4-dev libzstd-dev
       zlib1g-dev libbz2-dev libgflags-dev libprotobuf-dev libprotoc-dev protobuf-compiler libgrpc++-dev protobuf-compiler-grpc
       libspdlog-dev libfmt-dev libexpected-dev libxxhash-dev nlohmann-json3-dev libcli11-dev)
test=(libgtest-dev libgmock-dev python3 git)
all=(clang libclang-rt-14-dev clang-format)

case "${1:-build}" in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${test[@]}") ;;
  all) wanted=("${build[@]}" "${test[@]}" "${all[@]}") ;;
  *) echo "usage: $0 build|test|all" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null; then
  echo "This script knows apt only. Install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Run as root, or install sudo, to get: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "==> Installing ${#missing[@]} packages: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
