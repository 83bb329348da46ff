"""Tables for the terminal and for docs/performance.md, from recorded results alone."""

import json
import re

from harness import plots

VERDICT = {True: "met", False: "**missed**"}


def lines_of(header, rows):
    line = "| " + " | ".join(header) + " |"
    rule = "|" + "|".join("---" if i == 0 else "---:" for i in range(len(header))) + "|"
    return "\n".join([line, rule] + ["| " + " | ".join(row) + " |" for row in rows])


def overhead_table(result):
    rows = []
    for case in result["cases"]:
        what = "p50, µs" if case["key"] == "p50_us" else "requests/s"
        rows.append([
            f"{case['in_flight']} in flight: {what}", f"{case['echo']:,.0f}", f"{case['ferry']:,.0f}",
            f"{case['ratio']:.2f}", f"{case['wanted']} {case['limit']:.2f}", VERDICT[case["met"]],
        ])  # fmt: skip
    return lines_of(["", "ROUTER echo", "ferryd", "ratio", "target", ""], rows)


def engine_table(result):
    row = ["tokens/s", f"{result['engine']:,.0f}", f"{result['daemon']:,.0f}",
           f"{result['ratio']:.3f}", f"at least {result['limit']:.2f}", VERDICT[result["met"]]]  # fmt: skip
    return lines_of(["", "engine alone", "through ferryd", "ratio", "target", ""], [row])


def servers_table(result):
    ratio = {(r["server"], r["clients"]): r["ratio"] for r in result["ratios"]}
    rows = []
    for row in result["rows"]:
        factor = ratio.get((row["server"], row["clients"]))
        rows.append([
            f"{row['clients']} client{'s' if row['clients'] > 1 else ''}: {row['server']}",
            f"{row['requests_per_s']:,.1f}", f"{row['p50_us'] / 1e3:,.1f}",
            f"{row['p99_us'] / 1e3:,.1f}", f"{factor:.2f}×" if factor else "",
        ])  # fmt: skip
    header = ["", "texts/s", "p50, ms", "p99, ms", "ferry is faster by"]
    verdict = (
        f"ferry's best throughput is {result['ratio']:.2f}× the best of the Python servers; "
        f"target: at least {result['limit']}×, {VERDICT[result['met']]}. Against LitServe with the same "
        f"MKL path it is {result['ratio_with_mkl_path']:.2f}×."
    )
    return lines_of(header, rows) + "\n\n" + verdict


TABLES = {"overhead": overhead_table, "engine": engine_table, "servers": servers_table}


def table(result):
    return TABLES[result["part"]](result)


def provenance(result):
    machine = result["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    return (
        f"Measured {machine['date']} at commit {machine['commit']} on {machine['cores']} cores of "
        f"{machine['processor']}, kernel {machine['kernel']}, load before {machine['load_before']}; "
        f"median of {result['rounds']} interleaved rounds; {versions}."
    )


def write(results_folder):
    """Puts every recorded result between its markers in docs/performance.md, and draws the plots."""
    path = results_folder.parent / "performance.md"
    text = path.read_text()
    for name in TABLES:
        file = results_folder / f"{name}.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text())
        block = f"{table(result)}\n\n{provenance(result)}"
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
        text, count = re.subn(pattern, lambda m: f"{m[1]}{block}\n{m[2]}", text, flags=re.S)
        assert count == 1, f"docs/performance.md has no place for {name}"
        plots.draw(name, result, results_folder)
    path.write_text(text)
