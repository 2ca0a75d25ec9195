#!/bin/sh
# Installs what is missing, builds the interface when it is out of date, and starts the application.
#
#   ./run.sh                        http://127.0.0.1:8000
#   HOST=0.0.0.0 PORT=9000 ./run.sh
#
# Needs Python 3.11 or later. Without Node.js 20.19 or later it starts without the interface.
# Settings: see .env.example; data is kept in ./data.
set -eu

cd "$(dirname "$0")"

fail() {
    echo "run.sh: $*" >&2
    exit 1
}

# What is in the environment already outranks .env.
if [ -f .env ]; then
    while IFS='=' read -r name value || [ -n "$name" ]; do
        case $name in '' | '#'* | *[!A-Za-z0-9_]*) continue ;; esac
        eval "[ -n \"\${$name+set}\" ]" || export "$name=$value"
    done < .env
fi

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" > /dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# The file $1 is the same as when the work was done that is marked by $2.
unchanged() {
    [ -f "$2" ] && cmp -s "$1" "$2"
}

python=$(find_python)
[ -n "$python" ] || fail "Python 3.11 or later is missing (Debian and Ubuntu: apt install python3 python3-venv)"

if ! unchanged backend/requirements.lock .venv/installed.lock; then
    echo "Installing the back end …"
    rm -rf .venv
    "$python" -m venv .venv || fail "cannot create .venv (Debian and Ubuntu: apt install python3-venv)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r backend/requirements.lock \
        || fail "cannot install the packages of backend/requirements.lock"
    cp backend/requirements.lock .venv/installed.lock
fi

newer_sources() {
    find frontend/src frontend/index.html frontend/package-lock.json frontend/vite.config.ts \
        -newer frontend/dist/index.html -type f | head -n 1
}

if [ ! -f frontend/dist/index.html ] || [ -n "$(newer_sources)" ]; then
    if node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2> /dev/null \
        && command -v npm > /dev/null 2>&1; then
        echo "Building the interface …"
        if [ ! -L frontend/node_modules ] && ! unchanged frontend/package-lock.json frontend/node_modules/.installed.lock; then
            (cd frontend && npm ci --no-audit --no-fund --loglevel=error) \
                || fail "cannot install the packages of frontend/package-lock.json"
            cp frontend/package-lock.json frontend/node_modules/.installed.lock
        fi
        (cd frontend && npm run --silent build) || fail "the interface cannot be built"
    elif [ -f frontend/dist/index.html ]; then
        echo "run.sh: warning: Node.js 20.19 or later is missing; the interface is not up to date" >&2
    else
        echo "run.sh: warning: Node.js 20.19 or later is missing; only the API is served, at /api/docs" >&2
    fi
fi

host=${HOST:-127.0.0.1}
port=${PORT:-8000}
echo "The application is at http://$host:$port (its API at /api/docs). Stop it with Ctrl+C."
exec .venv/bin/python -m uvicorn app.main:app --app-dir backend --host "$host" --port "$port"
