#!/bin/sh
# Makes a compiler for components (target wasm32-unknown-unknown) available and writes what
# cargo needs to know about it, as KEY=VALUE lines, to <repo>/.cache/wasm-toolchain/env.
#
# 1. rustup has the target or can add it: nothing else to do, `env` is empty.
# 2. Debian: its own, newer compiler with sources, and a standard library built from them once.
# 3. Otherwise: says what to install and ends with 1.
#
# Safe to repeat; takes well under a second when there is nothing to do.
# WASM_TOOLCHAIN=rustup or =debian insists on one of the two ways.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
repo=$(CDPATH='' cd -- "$here/../.." && pwd)
cache=$repo/.cache/wasm-toolchain
target=wasm32-unknown-unknown
packages="rustc-web cargo-web rust-web-src rust-web-llvm"
way=${WASM_TOOLCHAIN:-auto}

say() { printf 'wasm toolchain: %s\n' "$*" >&2; }

# Replaces $cache/env in one step, so that a reader never sees half of it.
write_env() {
    mkdir -p "$cache"
    cat >"$cache/env.new"
    mv "$cache/env.new" "$cache/env"
}

# --- What is there already ----------------------------------------------------------------

# The compiler that a plain `cargo build` in the repository uses.
plain_sysroot=$(cd "$repo" && rustc --print sysroot 2>/dev/null || true)

if [ "$way" != debian ] && [ -n "$plain_sysroot" ] && ls "$plain_sysroot/lib/rustlib/$target/lib/"libstd-*.rlib >/dev/null 2>&1; then
    say "ready (the standard library of $plain_sysroot)"
    write_env </dev/null
    exit 0
fi

# Names everything that the sysroot depends on: the compiler and this recipe.
debian_stamp() {
    /usr/bin/rustc --version --verbose 2>/dev/null || return 1
    cksum <"$here/setup.sh"
    cksum <"$here/std/Cargo.toml"
}

# Whether the Debian way was set up before and still fits.
debian_ready() {
    [ -s "$cache/env" ] && [ -x "$cache/sysroot/bin/rustc" ] && [ -f "$cache/stamp" ] || return 1
    linker=$(sed -n 's/^CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=//p' "$cache/env")
    [ -x "$linker" ] && [ "$(cat "$cache/stamp")" = "$(debian_stamp)" ]
}

if [ "$way" != rustup ] && debian_ready; then
    say "ready (Debian's $(/usr/bin/rustc --version), sysroot $cache/sysroot)"
    exit 0
fi

# --- 1. rustup ----------------------------------------------------------------------------

if [ "$way" != debian ] && command -v rustup >/dev/null 2>&1; then
    say "asking rustup for $target"
    if (cd "$repo" && rustup target add "$target" >"${TMPDIR:-/tmp}/rustup-target.$$" 2>&1); then
        rm -f "${TMPDIR:-/tmp}/rustup-target.$$"
        say "ready (rustup)"
        write_env </dev/null
        exit 0
    fi
    say "rustup cannot add it: $(grep -m 1 '^error' "${TMPDIR:-/tmp}/rustup-target.$$" || echo 'no reason given')"
    rm -f "${TMPDIR:-/tmp}/rustup-target.$$"
fi
if [ "$way" = rustup ]; then
    say "no compiler for $target from rustup"
    exit 1
fi

# --- 2. Debian ----------------------------------------------------------------------------

# Whether every package is installed.
debian_installed() {
    for package in $packages; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || return 1
    done
}

if command -v dpkg-query >/dev/null 2>&1 && ! debian_installed; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        say "installing $packages (about half a minute)"
        # shellcheck disable=SC2086 # a list of words
        if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >&2; then
            say "apt-get could not install them"
        fi
    fi
fi

if ! command -v dpkg-query >/dev/null 2>&1 || ! debian_installed; then
    say "plugins need a Rust compiler for $target. Do one of these, then run $0 again:"
    say "  rustup target add $target                              (any system with rustup)"
    say "  apt-get install --no-install-recommends $packages      (Debian 12 or newer, as root)"
    exit 1
fi

host=$(/usr/bin/rustc --version --verbose | sed -n 's/^host: //p')
llvm=$(/usr/bin/rustc --version --verbose | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')

# An LLVM linker: best the compiler's own version, which Debian packages apart (rust-lld is a link
# to it that may lead nowhere), else the one that came with rustup.
find_linker() {
    for candidate in "/usr/bin/rust-lld" "/usr/bin/wasm-ld-$llvm" "$plain_sysroot/lib/rustlib/$host/bin/rust-lld"; do
        if [ -x "$candidate" ]; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

if ! linker=$(find_linker); then
    if [ "$(id -u)" = 0 ]; then
        say "installing lld-$llvm"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "lld-$llvm" >&2 || true
    fi
    if ! linker=$(find_linker); then
        say "no linker for WebAssembly: apt-get install --no-install-recommends lld-$llvm (as root), then run $0 again"
        exit 1
    fi
fi

say "building the standard library for $target with $(/usr/bin/rustc --version) (about a minute, once)"
build=$cache/build
fresh=$cache/sysroot.new
rm -rf "$fresh"
mkdir -p "$build" "$fresh/bin" "$fresh/lib/rustlib/$target/lib"

# A directory of its own, so that nothing is written beside the sources. RUSTC_BOOTSTRAP lets a
# stable compiler build its own standard library; plugins are built without it.
cp -R "$here/std/." "$build/"
(
    cd "$build"
    unset CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR CARGO_BUILD_TARGET RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER
    RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTFLAGS='-Cembed-bitcode=yes' CARGO_TARGET_DIR="$build/target" \
        /usr/bin/cargo build --quiet --release -Zbuild-std=std,panic_abort --target "$target" >&2
)

cp "$build/target/$target/release/deps/"lib*.rlib "$fresh/lib/rustlib/$target/lib/"
rm -f "$fresh/lib/rustlib/$target/lib/"libsysroot_dummy*
# Build scripts and procedural macros are compiled for the machine itself.
ln -sfn "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host" "$fresh/lib/rustlib/$host"
# A compiler that always uses this sysroot; cargo calls it like any other.
printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot "%s" "$@"\n' "$cache/sysroot" >"$fresh/bin/rustc"
chmod +x "$fresh/bin/rustc"

rm -rf "$cache/sysroot" "$cache/stamp"
mv "$fresh" "$cache/sysroot"
rm -rf "$build"
write_env <<ENV
RUSTC=$cache/sysroot/bin/rustc
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
ENV
# Last: without it the next run starts over.
debian_stamp >"$cache/stamp"
say "ready (Debian's $(/usr/bin/rustc --version), sysroot $cache/sysroot)"
