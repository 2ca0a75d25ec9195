#!/bin/sh
# Checks for the tools that building and running GenCode Studio Host needs, and installs what is
# missing where it may (as root, on Debian). Elsewhere it says exactly what to install.
#
# Without a browser everything works, but steps that look at pages are skipped and say so.
set -eu

missing=""   # needed, as Debian package names
optional=""  # nice to have

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

if ! have cargo; then
    say "no Rust: install it from https://rustup.rs (1.95 or newer), then run this again"
    exit 1
fi
have cc || missing="$missing gcc libc6-dev"
have make || missing="$missing make"
if ! have python3 || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    missing="$missing python3 python3-venv"
elif ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    missing="$missing python3-venv"
fi
if ! have node || ! have npm || [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20' 2>/dev/null)" != true ]; then
    say "no Node 20 or newer with npm: install it from https://nodejs.org or your system's packages;"
    say "without it front ends are generated but not built, and those steps say they were skipped"
fi
# The tests start a PostgreSQL server of their own; the host itself needs one only for DATABASE_URL.
have pg_ctl || [ -n "$(find /usr/lib/postgresql -name pg_ctl 2>/dev/null | head -n 1)" ] || missing="$missing postgresql"
have chromium || have chromium-browser || have google-chrome || optional="$optional chromium"

[ -z "$missing$optional" ] && exit 0

if [ "$(id -u)" = 0 ] && have apt-get; then
    say "installing$missing$optional"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    case $missing in
    *postgresql*)
        # The programs only: no server is to run on this machine because of us.
        apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
        sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
        ;;
    esac
    # shellcheck disable=SC2086 # a list of words
    [ -z "$missing" ] || apt-get install -y -qq --no-install-recommends $missing >/dev/null
    # shellcheck disable=SC2086
    [ -z "$optional" ] || apt-get install -y -qq --no-install-recommends $optional >/dev/null ||
        say "no browser could be installed; steps that look at pages will be skipped"
    exit 0
fi
[ -z "$optional" ] || say "for steps that look at pages, install:$optional"
if [ -n "$missing" ]; then
    say "install these first, for example: sudo apt-get install$missing"
    exit 1
fi
