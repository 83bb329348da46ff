# shellcheck shell=bash
# Starts ferryd on a socket of its own and stops it again. Sourced by try.

# The longest path of a Unix socket that Linux takes.
SOCKET_PATH_BYTES=107

# make_private_folder: sets DAEMON_FOLDER to a new folder whose socket path is short enough.
make_private_folder() {
    local base
    for base in "${XDG_RUNTIME_DIR:-}" "${TMPDIR:-}" /tmp; do
        [ -n "$base" ] && [ -d "$base" ] && [ -w "$base" ] || continue
        DAEMON_FOLDER=$(mktemp -d "$base/ferry-try.XXXXXX") || continue
        [ "$(printf '%s/ferry.sock' "$DAEMON_FOLDER" | wc -c)" -le "$SOCKET_PATH_BYTES" ] && return
        rmdir "$DAEMON_FOLDER"
    done
    die 73 "no folder for a socket: none of \$XDG_RUNTIME_DIR, \$TMPDIR and /tmp is writable and short enough"
}

# start_daemon MODEL: returns when the daemon answers.
start_daemon() {
    make_private_folder
    trap stop_daemon EXIT
    trap 'exit 130' INT TERM
    ENDPOINT=ipc://$DAEMON_FOLDER/ferry.sock
    build/ferryd serve --listen "$ENDPOINT" --model "$1" >"$DAEMON_FOLDER/ferryd.log" 2>&1 </dev/null &
    DAEMON=$!
    local patience=600 # tenths of a second: a model that is not in the page cache is read first
    until [ -S "$DAEMON_FOLDER/ferry.sock" ] && build/ferry status --connect "$ENDPOINT" >/dev/null 2>&1; do
        kill -0 "$DAEMON" 2>/dev/null || daemon_failed "ferryd ended by itself"
        ((patience-- > 0)) || daemon_failed "ferryd did not answer within a minute"
        sleep 0.1
    done
}

daemon_failed() {
    sed 's/^/    | /' "$DAEMON_FOLDER/ferryd.log" | tail -n 20
    die 70 "$1" "The lines above are all that it said."
}

stop_daemon() {
    local patience=150 # tenths of a second
    if [ -n "${DAEMON:-}" ]; then
        kill -TERM "$DAEMON" 2>/dev/null
        while kill -0 "$DAEMON" 2>/dev/null && ((patience-- > 0)); do sleep 0.1; done
        kill -KILL "$DAEMON" 2>/dev/null && say "ferryd did not stop within 15 s and was killed"
        wait "$DAEMON" 2>/dev/null
        DAEMON=
    fi
    rm -rf "$DAEMON_FOLDER"
}
