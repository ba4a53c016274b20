#!/usr/bin/env bash
# Installs the Debian packages that evermill needs, where they are missing.
#
#   scripts/install-dependencies.sh [build|test|all]
#
#   build  what a build and the examples need (the default)
#   test   the same, and what the tests need
#   all    the same, and clang 14 for `./test.sh --all`
set -euo pipefail

what=${1:-build}

build_packages=(
  g++ cmake ninja-build ccache mold pkg-config
  libcaf-dev librocksdb-dev
  libprotobuf-dev libprotoc-dev protobuf-compiler libgrpc++-dev protobuf-compiler-grpc
  libspdlog-dev libexpected-dev libxxhash-dev libmurmurhash-dev nlohmann-json3-dev libcli11-dev libgoogle-perftools-dev
  libvalijson-dev libhiredis-dev librdkafka-dev libboost-dev libsqlite3-dev libyaml-cpp-dev libjq-dev libcurl4-openssl-dev libssl-dev
)
test_packages=(libgtest-dev libgmock-dev libbenchmark-dev python3 python3-venv doxygen redis-server)
test_packages+=(openjdk-17-jre-headless maven kcat openssl)  # a real Kafka: scripts/services/kafka.sh
test_packages+=(python3-grpcio python3-protobuf)  # clients and workers in Python: tests/deciders, bench/soak
test_packages+=(nodejs)  # scripts in JavaScript
test_packages+=(dpkg-dev)  # source packages: examples/software_build
test_packages+=(docker.io docker-compose iptables iproute2 tini curl mmdebstrap)  # a real Docker engine: scripts/services/docker.sh
all_packages=(clang-14 libclang-rt-14-dev)

case $what in
  build) packages=("${build_packages[@]}") ;;
  test) packages=("${build_packages[@]}" "${test_packages[@]}") ;;
  all) packages=("${build_packages[@]}" "${test_packages[@]}" "${all_packages[@]}") ;;
  -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "$0: '$what' is not build, test or all" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "evermill: this is not a Debian-like system; install these packages (Debian's names) yourself:" >&2
  echo "  ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
  grep -qx installed <<<"$status" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "evermill: all packages for '$what' are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "evermill: these packages are missing, and there is no sudo; as root run:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "evermill: installing ${#missing[@]} packages: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y)
"${apt[@]}" update </dev/null
"${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
echo "evermill: packages for '$what' are installed"
