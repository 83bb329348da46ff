# shellcheck shell=bash
# Words on the terminal: short lines, one a step; the noise of a step goes to a log.
# Sourced by try and check.

say() { printf '%s\n' "$*"; }

# Ends the program: what was wrong, then how to go on, one argument a line.
die() {
    local exit_code=$1 line
    shift
    printf '\n%s: %s\n' "$PROGRAM" "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit "$exit_code"
}

# run_step LOG TITLE COMMAND...: runs the command without standard input, its output in the log. A
# line at the end says how long it took; a sign of life comes every 30 seconds.
run_step() {
    local log=$1 title=$2 started=$SECONDS pid status=0 shown=0
    shift 2
    mkdir -p "$(dirname "$log")"
    # A process group of its own, so that an interrupted step leaves no download or compiler behind.
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    set +m
    trap 'kill -TERM -- "-$pid" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        if ((SECONDS - started - shown >= 30)); then
            shown=$((SECONDS - started))
            say "  ... $title: $shown s so far"
        fi
    done
    wait "$pid" || status=$?
    trap - INT TERM
    if ((status == 0)); then
        say "  $title: $((SECONDS - started)) s"
    else
        say "  $title: FAILED after $((SECONDS - started)) s; the last lines of $log:"
        tail -n 12 "$log" | cut -c1-200 | sed 's/^/    | /'
    fi
    return "$status"
}

# Milliseconds since an arbitrary moment.
milliseconds() {
    local now=${EPOCHREALTIME/[.,]/}
    printf '%s' "$((now / 1000))"
}
