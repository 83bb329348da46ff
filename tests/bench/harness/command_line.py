"""Arguments, the order of the parts, and where their results go."""

import argparse
import json
import time

from daemon_process import SOURCE_DIR
from harness import (
    decode_speed,
    engine_share,
    first_token,
    machine,
    overhead,
    page,
    python_servers,
    tokenizer_speed,
)

PARTS = {
    "overhead": overhead.measure,
    "engine": engine_share.measure,
    "servers": python_servers.measure,
    "tokenizer": tokenizer_speed.measure,
    "byte_level": tokenizer_speed.measure_byte_level,
    "decode": decode_speed.measure,
    "first_token": first_token.measure,
}
RESULTS = SOURCE_DIR / "docs" / "performance"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures ferry.")
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small counts; writes no results")
    parser.add_argument("--render", action="store_true", help="only tables and plots")
    parser.add_argument("--rounds", type=int, help="rounds of each part")
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def main(arguments):
    options = parse(arguments)
    for name in [] if options.render else options.parts or list(PARTS):
        started = time.monotonic()
        print(f"== {name}", flush=True)
        result = PARTS[name](quick=options.quick, rounds=options.rounds)
        result = {"part": name, "machine": machine.describe(), **result}
        print(page.table(result), flush=True)
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
        if not options.quick:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    if not options.quick:
        page.write(RESULTS)
    return 0
