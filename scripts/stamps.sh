# shellcheck shell=bash
# Stamps: a finished step leaves a file with the hash of everything it depended on; the step is done
# again only when that hash changes. Sourced by try and check.

# hash_of FILE... : of names that exist and their content.
hash_of() {
    local path
    for path in "$@"; do
        [ -f "$path" ] && sha256sum "$path"
    done | sha256sum | cut -c1-16
}

hash_of_text() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }

is_stamped() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# Written beside and renamed: an interrupted step leaves no stamp.
stamp() {
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
}
