#!/usr/bin/env bash
# Python packages that tests need and Debian 12 does not have, in an environment of their own: build/python-tools. Prints its
# interpreter. Ends with 77 where they can't be had.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(openapi-spec-validator==0.7.1)
folder=build/python-tools
stamp="$folder/${packages[*]//[^a-z0-9.=-]/_}.done"

if [[ ! -f $stamp ]]; then
  mkdir -p build
  exec 9>build/python-tools.lock
  flock 9  # two tests may want it at once
  if [[ ! -f $stamp ]]; then
    rm -rf "$folder"
    if ! { python3 -m venv "$folder" && "$folder/bin/pip" --disable-pip-version-check -q install "${packages[@]}"; } >&2; then
      echo "$0: can't install: ${packages[*]}" >&2
      exit 77
    fi
    touch "$stamp"
  fi
fi
echo "$PWD/$folder/bin/python"
