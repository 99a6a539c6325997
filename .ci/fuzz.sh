# shellcheck shell=bash
# Sourced by the `run` of each crate of fuzz targets, in its folder. It sets `targets`, the names of the programs, and
# `start NAME`, which puts the folders that NAME starts from into `seeds` and adds to `options` what NAME needs.
# Then `fuzz_main "$@"`. Nothing is installed; what is missing is said.

usage() {
    printf '%s\n' "usage: $0 TARGET|all SECONDS   fuzz; 0 seconds: only check the seeds" \
        "       $0 TARGET FILE...       check these inputs, such as a finding" "targets: ${targets[*]}" >&2
    exit 2
}

need_programs() {
    local program missing=()
    for program in cargo rustc pkg-config "${CXX:-c++}"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    if command -v pkg-config >/dev/null && ! pkg-config --exists openssl; then
        missing+=("OpenSSL's headers")
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    printf 'Missing: %s. Nothing was installed.\nOn Debian: apt-get install g++ libssl-dev pkg-config; Rust 1.95 from rustup.\n' \
        "$(printf '%s, ' "${missing[@]}" | sed 's/, $//')" >&2
    exit 3
}

# Coverage for libFuzzer: LLVM's SanitizerCoverage, which stable rustc passes on. The host is named as the target so that
# build scripts are not counted.
build() {
    local flags=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares)
    RUSTFLAGS="${flags[*]}" cargo build --quiet --locked --release --target "$host" "${@/#/--bin=}"
}

# Sets `shared` to those of the folders, below the corpus beside the workspace, that are there.
in_corpus() {
    local folder
    shared=()
    for folder in "$@"; do
        folder=../../../shared/corpus/$folder
        [ ! -d "$folder" ] || shared+=("$folder")
    done
}

fuzz() {
    local name=$1 seconds=$2 program="$programs/$1" seeds=()
    local options=("${options[@]}" "-artifact_prefix=$findings/$name-")
    local corpus="$CARGO_TARGET_DIR/corpus/$name"
    mkdir -p "$corpus"
    start "$name"
    if [ "$seconds" -eq 0 ]; then
        "$program" "${options[@]}" -runs=0 "${seeds[@]}"
    else
        "$program" "${options[@]}" "-max_total_time=$seconds" -dict=seeds/xml.dict "$corpus" "${seeds[@]}"
    fi
}

fuzz_main() {
    [ $# -ge 2 ] || usage
    local target=$1 name chosen=("$1")
    shift
    if [ "$target" = all ]; then
        chosen=("${targets[@]}")
        [[ $# -eq 1 && $1 =~ ^[0-9]+$ ]] || usage
    else
        [[ " ${targets[*]} " == *" $target "* ]] || usage
    fi
    need_programs
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
    host=$(rustc -vV | sed -n 's/^host: //p')
    programs=$CARGO_TARGET_DIR/$host/release
    findings=$CARGO_TARGET_DIR/findings
    options=(-timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1)
    mkdir -p "$findings"
    build "${chosen[@]}"
    if [[ $# -eq 1 && $1 =~ ^[0-9]+$ ]]; then
        for name in "${chosen[@]}"; do
            printf '== %s\n' "$name" >&2
            fuzz "$name" "$1"
        done
    else
        "$programs/$target" "${options[@]}" "$@"
    fi
}
