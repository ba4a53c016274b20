#!/usr/bin/env bash
# Builds CAF from Debian's source package with -fsanitize=thread, for the preset `tsan`.
#
#   scripts/build-instrumented-caf.sh [PREFIX]        (default PREFIX: build/caf-tsan)
#
# ThreadSanitizer sees only what is compiled for it. With Debian's libcaf_core the synchronisation inside CAF's mailboxes and
# scheduler is invisible, so that every message looks like a race; suppressing that would hide evermill's own races.
# Does nothing where PREFIX already holds a build of the same source.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
esac
prefix=${1:-$PWD/build/caf-tsan}
[[ $prefix == /* ]] || prefix=$PWD/$prefix
work=$prefix.work
compiler=${CXX:-g++}

version=$(dpkg-query -W -f '${source:Version}' libcaf-dev 2>/dev/null) ||
  { echo "$0: libcaf-dev is not installed; run scripts/install-dependencies.sh all" >&2; exit 1; }
stamp="CAF $version, $("$compiler" --version | head -1)"
if [[ -f $prefix/built && $(<"$prefix/built") == "$stamp" ]]; then
  echo "evermill: an instrumented CAF is there: $prefix ($stamp)"
  exit 0
fi

# The machine's own Debian archives, as source archives; in a folder of our own, so that the machine's lists stay as they are.
mkdir -p "$work/lists/partial" "$work/sources.d"
: >"$work/sources.list"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  if [[ -f $file ]]; then sed -n 's/^deb /deb-src /p' "$file" >>"$work/sources.list"; fi
done
for file in /etc/apt/sources.list.d/*.sources; do
  if [[ -f $file ]]; then sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/sources.d/$(basename "$file")"; fi
done
apt=(apt-get -q -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/sources.d"
  -o "Dir::State::Lists=$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=)
cd "$work"
"${apt[@]}" update || echo "$0: not every archive answered; going on with those that did" >&2
# Debian's own changes to the package are not needed: a mirror that lacks them must not stop this.
"${apt[@]}" source --download-only "actor-framework=$version" ||
  echo "$0: not every file of the source package could be had; going on if upstream's is there" >&2

upstream=$(echo actor-framework_*.orig.tar.gz)
[[ -f $upstream ]] || { echo "$0: the source of CAF could not be downloaded by apt" >&2; exit 1; }
sum=$(sed -n '/^Checksums-Sha256:/,/^[A-Z]/p' actor-framework_*.dsc | awk -v f="$upstream" '$3 == f {print $1}')
echo "$sum  $upstream" | sha256sum --check --quiet ||
  { echo "$0: $upstream is not what the package's description names" >&2; exit 1; }

rm -rf source build
mkdir source
tar -xf "$upstream" -C source --strip-components=1
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S source -B build -G Ninja "${launcher[@]}" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_INSTALL_PREFIX="$prefix" \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" \
  -DCMAKE_CXX_FLAGS="-w -fPIC -fsanitize=thread -fno-omit-frame-pointer" \
  -DCAF_BUILD_STATIC_ONLY=yes -DCAF_NO_AUTO_LIBCPP=yes -DCAF_NO_IO=yes -DCAF_NO_OPENSSL=yes -DCAF_NO_OPENCL=yes \
  -DCAF_NO_TOOLS=yes -DCAF_NO_EXAMPLES=yes -DCAF_NO_UNIT_TESTS=yes -DCAF_NO_PYTHON=yes -DCAF_NO_SUMMARY=yes
cmake --build build --parallel "${EVERMILL_JOBS:-$(nproc)}"
cmake --install build
# One name for the library, whatever kind it is.
library=$(find "$prefix" -name 'libcaf_core_static.a' | head -1)
[[ -z $library ]] || ln -sf "$(basename "$library")" "$(dirname "$library")/libcaf_core.a"
echo "$stamp" >"$prefix/built"
cd /
rm -rf "$work"
echo "evermill: built an instrumented CAF: $prefix ($stamp)"
