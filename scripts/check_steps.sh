# shellcheck shell=bash
# The steps of ./check. Each is a test or a run of many; none ends the program. Sourced by check.

RESULTS=$ROOT/.cache/results
JOBS=$(nproc)

section() { say "" && say "== $* (at $SECONDS s)"; }

# single_step NAME COMMAND...: counts as one test.
single_step() {
    local name=$1
    shift
    if run_step "$LOGS/check-${name// /-}.log" "$name" "$@"; then
        echo "passed $name" >>"$RESULTS/steps.txt"
    else
        echo "failed $name (see $LOGS/check-${name// /-}.log)" >>"$RESULTS/steps.txt"
        return 1
    fi
}

# our_files ENDING...: tracked or new, not ignored.
our_files() {
    local ending patterns=()
    for ending in "$@"; do patterns+=("*.$ending"); done
    git ls-files --cached --others --exclude-standard -- "${patterns[@]}" | sort -u | while read -r name; do
        [ -f "$name" ] && printf '%s\n' "$name"
    done
}

check_format() { our_files c h cc cpp cu | xargs -r clang-format --dry-run -Werror; }

# Programs by their first line; what they source is followed.
shell_programs() {
    git ls-files --cached --others --exclude-standard | sort -u | while read -r name; do
        [ -f "$name" ] && [ -x "$name" ] && head -n 1 "$name" | grep -aqE '^#!.*(bash|/sh)$' && printf '%s\n' "$name"
    done
}

check_shell() { shell_programs | xargs -r shellcheck -x -S warning; }

check_python() {
    { our_files py && echo tools/export/ferry-export; } |
        xargs "$PYTHON_ENVIRONMENT/bin/python" -m black --quiet --check --diff --line-length 100
}

# clang-tidy reads the commands of the release build; only what that build compiles can be checked.
check_tidy() {
    our_files c cc | while read -r name; do
        grep -qF "\"file\": \"$ROOT/$name\"" build/compile_commands.json && printf '%s\n' "$name"
    done | xargs -r -P "$JOBS" -n 4 clang-tidy --quiet -p build
}

static_steps() {
    section "style and structure"
    single_step "clang-format" check_format
    single_step "shell scripts" check_shell
    single_step "black" check_python
    single_step "links in documents" "$PYTHON_ENVIRONMENT/bin/python" tests/check_links.py
    single_step "includes and linkage" "$PYTHON_ENVIRONMENT/bin/python" tests/check_includes.py build
}

# build_preset PRESET FOLDER [OPTION...]
build_preset() {
    local preset=$1 folder=$2
    shift 2
    configure "$preset" "$ROOT/$folder" "$LOGS/configure-$preset.log" "$@" &&
        single_step "build $preset" cmake --build "$ROOT/$folder" -j "$JOBS" && return
    echo "failed configure $preset" >>"$RESULTS/steps.txt"
    return 1
}

# run_ctest PRESET FOLDER [ARGUMENT...]: every test counts. If ctest fails and its results show no
# failure, or are not there, that is one failure; run_pytest does the same.
run_ctest() {
    local preset=$1 folder=$2 log=$LOGS/ctest-$1.log results=$RESULTS/ctest-$1.xml
    shift 2
    rm -rf "$folder/sanitizer-logs" && mkdir -p "$folder/sanitizer-logs"
    run_step "$log" "ctest $preset" ctest --test-dir "$folder" -j "$JOBS" --timeout 900 \
        --output-on-failure --no-tests=error --output-junit "$results" "$@" ||
        echo "unsuccessful ctest-$preset (see $log)" >>"$RESULTS/steps.txt"
    scan_sanitizer_logs "$preset" "$folder/sanitizer-logs"
}

# A leak that a test survives is still a leak: Criterion lets them pass.
scan_sanitizer_logs() {
    local preset=$1 folder=$2 log
    for log in "$folder"/*; do
        [ -s "$log" ] || continue
        echo "failed sanitizer report $log" >>"$RESULTS/steps.txt"
        sed 's/^/    | /' "$log" | head -n 30
        return 1
    done
    [ "$preset" = release ] || echo "passed no sanitizer report ($preset)" >>"$RESULTS/steps.txt"
}

# run_pytest NAME FOLDER BUILD [ARGUMENT...]
run_pytest() {
    local name=$1 folder=$2 build=$3 results=$RESULTS/pytest-$1.xml
    shift 3
    run_step "$LOGS/pytest-$name.log" "pytest $name" env FERRY_BUILD_DIR="$ROOT/$build" \
        PYTHONPATH="$ROOT/clients/python" "$PYTHON_ENVIRONMENT/bin/python" -m pytest "$folder" -q -rs \
        -p no:cacheprovider --junitxml="$results" "$@" && return
    echo "unsuccessful pytest-$name (see $LOGS/pytest-$name.log)" >>"$RESULTS/steps.txt"
}

release_steps() {
    section "release build"
    build_preset release build -DFERRY_BUILD_TESTS=ON || return
    run_ctest release build
    run_pytest unit tests/unit build
    run_pytest parity tests/parity build
    run_pytest integration tests/integration build
}

sanitizer_steps() {
    section "AddressSanitizer and UndefinedBehaviorSanitizer"
    if build_preset asan build-asan; then
        run_ctest asan build-asan
        run_pytest integration-asan tests/integration build-asan -m "not torch"
        # libtorch itself is not instrumented; what ferry does around a bad trace is.
        run_pytest bad-models-asan tests/integration/test_bad_models.py build-asan -m torch
    fi
    section "ThreadSanitizer"
    if build_preset tsan build-tsan; then
        TSAN_OPTIONS="halt_on_error=1:suppressions=$ROOT/tests/thread-sanitizer.supp" run_ctest tsan build-tsan -LE fuzz # one thread: nothing to see there
    fi
}

analysis_steps() {
    section "clang-tidy"
    single_step "clang-tidy" check_tidy
}

# The presets that nobody uses every day have to build as well.
preset_steps() {
    section "other presets"
    local preset
    for preset in engine-only no-torch; do
        build_preset "$preset" "build-$preset" && run_ctest "$preset" "build-$preset"
    done
}
