#!/bin/sh
# Installs the fuzzer of the API into <repo>/.cache/schemathesis, once for each version.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
home=$(CDPATH='' cd -- "$here/../.." && pwd)/.cache/schemathesis
wanted=$(cat "$here/requirements.txt")

if [ -f "$home/installed" ] && [ "$(cat "$home/installed")" = "$wanted" ]; then
    exit 0
fi
printf 'schemathesis: installing %s\n' "$wanted" >&2
rm -rf "$home"
python3 -m venv "$home"
"$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
printf '%s\n' "$wanted" >"$home/installed"
