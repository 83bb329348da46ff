# shellcheck shell=bash
# Says what set-up is going to install, and whether there is room, before anything is changed.
# Sourced by try and check. Sizes in MB, measured on Debian 12 (amd64), rounded up.

declare -A PACKAGES_DOWNLOAD=([try]=110 [check]=210) PACKAGES_DISK=([try]=430 [check]=970)
declare -A PYTHON_DOWNLOAD=([try]=2830 [check]=80) PYTHON_DISK=([try]=4700 [check]=300)
declare -A BUILD_DISK=([try]=250 [check]=2000)
# pip keeps a wheel until it is unpacked; the largest has 540 MB.
PYTHON_TEMPORARY=600

free_megabytes() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }

require_room() {
    local folder=$1 needed=$2 free
    free=$(free_megabytes "$folder")
    [ "$free" -ge "$needed" ] || die 74 "not enough room: $needed MB are needed, $folder has $free MB free" \
        "Make room, or clone ferry onto a larger disk."
}

# announce PURPOSE MISSING_PACKAGES: sums up what the stamps say is still to be done.
announce() {
    local purpose=$1 missing=$2 download=0 disk=0 kind
    if [ -n "$missing" ]; then
        say "Debian packages, up to ${PACKAGES_DOWNLOAD[$purpose]} MB to download, ${PACKAGES_DISK[$purpose]} MB on disk:"
        # shellcheck disable=SC2086 # one line
        say "    "$missing
        download=${PACKAGES_DOWNLOAD[$purpose]}
        disk=${PACKAGES_DISK[$purpose]}
        require_room / "$disk"
    fi
    for kind in try check; do
        [ -f "$PYTHON_ENVIRONMENT/.ferry-$kind" ] && continue
        [ "$kind" = check ] && [ "$purpose" = try ] && continue
        say "Python packages of scripts/requirements-$kind.txt, into .venv: ${PYTHON_DOWNLOAD[$kind]} MB to download, ${PYTHON_DISK[$kind]} MB on disk"
        download=$((download + PYTHON_DOWNLOAD[$kind]))
        disk=$((disk + PYTHON_DISK[$kind] + PYTHON_TEMPORARY))
    done
    if [ ! -e "$ROOT/build/ferryd" ]; then
        say "Builds and the default model, into build*/ and models/: ${BUILD_DISK[$purpose]} MB on disk"
        disk=$((disk + BUILD_DISK[$purpose]))
    fi
    [ "$disk" -gt 0 ] || return 0
    say "In all up to $download MB to download and $disk MB on disk; free in $ROOT: $(free_megabytes "$ROOT") MB."
    require_room "$ROOT" "$disk"
}
