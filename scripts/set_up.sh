# shellcheck shell=bash
# Brings a checkout from nothing to ready. Sourced by try and check, which set PROGRAM and ROOT.

SCRIPTS=$ROOT/scripts
LOGS=$ROOT/.cache/logs
PROGRAM_TARGETS=(ferryd ferry ferry_torch)

# shellcheck source=scripts/console.sh
. "$SCRIPTS/console.sh"
# shellcheck source=scripts/stamps.sh
. "$SCRIPTS/stamps.sh"
# shellcheck source=scripts/debian_packages.sh
. "$SCRIPTS/debian_packages.sh"
# shellcheck source=scripts/python_environment.sh
. "$SCRIPTS/python_environment.sh"
# shellcheck source=scripts/native_build.sh
. "$SCRIPTS/native_build.sh"
# shellcheck source=scripts/default_model.sh
. "$SCRIPTS/default_model.sh"
# shellcheck source=scripts/gpt2_vocabulary.sh
. "$SCRIPTS/gpt2_vocabulary.sh"
# shellcheck source=scripts/announcement.sh
. "$SCRIPTS/announcement.sh"

# set_up PURPOSE: try or check. Each step does nothing when it has been done.
set_up() {
    local purpose=$1 lists=("$SCRIPTS/packages-try.txt") missing
    [ "$purpose" = check ] && lists+=("$SCRIPTS/packages-check.txt")
    [ -z "${FERRY_TORCH:-}" ] || check_libtorch "$FERRY_TORCH"
    missing=$(missing_packages "${lists[@]}")
    announce "$purpose" "$missing"
    # shellcheck disable=SC2086 # one argument a package
    [ -z "$missing" ] || install_packages $missing
    make_environment
    install_requirements try "$SCRIPTS/requirements-try.txt"
    install_cuda_libraries
    [ "$purpose" != check ] || install_requirements check "$SCRIPTS/requirements-check.txt"
    [ "$purpose" != check ] || fetch_gpt2_vocabulary
    export_default_model
    build_programs
}
