# shellcheck shell=bash
# The CMake build. Sourced by try and check.

OLDEST_TORCH=2.11

# The libtorch to build with: FERRY_TORCH, else the torch package of the environment.
libtorch_folder() {
    if [ -n "${FERRY_TORCH:-}" ]; then (cd "$FERRY_TORCH" && pwd); else torch_package; fi
}

check_libtorch() {
    local folder=$1 version
    [ -f "$folder/include/torch/script.h" ] && [ -e "$folder/lib/libtorch_cpu.so" ] ||
        die 78 "FERRY_TORCH=$folder: not a libtorch: include/torch/script.h or lib/libtorch_cpu.so is missing" \
            "Give the folder libtorch/ of the archive, or site-packages/torch of a Python."
    version=$(libtorch_version "$folder")
    [ "$(printf '%s\n%s\n' "$OLDEST_TORCH" "$version" | sort -V | head -1)" = "$OLDEST_TORCH" ] ||
        die 78 "FERRY_TORCH=$folder: version ${version:-unknown}; ferry needs $OLDEST_TORCH or newer"
}

libtorch_version() {
    if [ -f "$1/build-version" ]; then
        cut -d+ -f1 "$1/build-version"
    else
        sed -n "s/^__version__ *= *['\"]\([0-9.]*\).*/\1/p" "$1/version.py" 2>/dev/null
    fi
}

# configure PRESET FOLDER LOG [OPTION...]: only when something that CMake was told has changed.
configure() {
    local preset=$1 folder=$2 log=$3 torch fingerprint
    shift 3
    torch=$(libtorch_folder) || torch=
    fingerprint=$(hash_of_text "$torch" "$@" "$(cat CMakePresets.json)")
    [ -f "$folder/build.ninja" ] && is_stamped "$folder/.ferry-configured" "$fingerprint" && return
    run_step "$log" "configure $preset" cmake --preset "$preset" -DFERRY_TORCH="$torch" "$@" || return
    stamp "$folder/.ferry-configured" "$fingerprint"
}

has_criterion() { [ -f /usr/include/criterion/criterion.h ]; }

# What ./try runs: the daemon with its engine, and the client. The tests are built by ./check.
build_programs() {
    local tests=OFF log=$LOGS/build.log
    has_criterion && tests=ON
    check_libtorch "$(libtorch_folder)"
    configure release "$ROOT/build" "$LOGS/configure.log" -DFERRY_BUILD_TESTS="$tests" ||
        die 69 "CMake could not configure the build; the whole log is $LOGS/configure.log"
    # Nothing to do is found out in a fraction of a second; that needs no line.
    if [ "$(ninja -C "$ROOT/build" -n "${PROGRAM_TARGETS[@]}" 2>/dev/null | tail -1)" = "ninja: no work to do." ]; then
        return
    fi
    run_step "$log" "build of ferryd and ferry" cmake --build "$ROOT/build" --target "${PROGRAM_TARGETS[@]}" ||
        die 70 "the build failed; the whole log is $log"
}
