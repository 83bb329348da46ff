# shellcheck shell=bash
# Debian packages, from the lists packages-*.txt beside this file. Sourced by try and check.

packages_of() { sed 's/#.*//' "$@" | tr -s ' \n' '\n' | sed '/^$/d'; }

# missing_packages LIST...: names that are not installed. Without dpkg nothing can be said.
missing_packages() {
    local name
    command -v dpkg-query >/dev/null || return 0
    for name in $(packages_of "$@"); do
        dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
    done
}

# as_root COMMAND...: directly, or through sudo where that needs no question or can ask one.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null || return 1
    sudo -n true 2>/dev/null && return 0
    [ -t 0 ] && sudo -v # asks for the password once, before the long steps
}

apt_line() { echo "apt-get install --no-install-recommends -y $*"; }

install_packages() {
    local log=$LOGS/packages.log
    if ! can_be_root; then
        die 77 "these Debian packages are missing, and this user may not install them: $*" \
            "Ask somebody who may to run:" "  $(apt_line "$@")" "and start $PROGRAM again."
    fi
    run_step "$log" "Debian packages ($#)" apt_install "$@" ||
        die 69 "the Debian packages could not be installed; the whole log is $log" \
            "Without a network, install them from your own mirror:" "  $(apt_line "$@")"
}

apt_install() {
    # The lists may be old or, in a fresh container, absent.
    as_root apt-get update -q || echo "apt-get update failed; trying with the lists that are there"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
