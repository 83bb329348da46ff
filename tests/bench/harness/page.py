"""Tables for the terminal and for docs/performance.md, from recorded results alone."""

import json
import re

from harness import plots

PLOTS = {
    "servers": "\n\n![Throughput and latency against the number of clients](performance/servers.svg)"
}
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
    return f"{lines_of(header, rows)}\n\n{verdict}"


def speed_table(result, sides, pairs):
    """MB/s of each side, then the ratios of pairs of sides, and all targets."""
    rows = []
    for name, row in result["corpora"].items():
        speed = {side: row["MB/s"][side]["median"] for side in sides}
        ratios = [speed[ours] / speed[theirs] for ours, theirs in pairs.values()]
        rows.append([name, *(f"{v:,.1f}" for v in speed.values()), *(f"{v:.2f}" for v in ratios)])
    targets = [
        [t["what"], f"{t['value']:.2f}", t["needed"].replace(">=", "at least").replace("<=", "at most"),
         VERDICT[bool(t["reached"])]]
        for t in result["targets"]
    ]  # fmt: skip
    header = ["MB/s", *sides, *pairs]
    return lines_of(header, rows) + "\n\n" + lines_of(["target", "", "", ""], targets)


def tokenizer_table(result):
    sides = ("ferry cold", "nanotoken cold", "ferry warm", "nanotoken warm", "Hugging Face")
    pairs = {
        "cold to nanotoken": ("ferry cold", "nanotoken cold"),
        "warm to nanotoken": ("ferry warm", "nanotoken warm"),
        "warm to Hugging Face": ("ferry warm", "Hugging Face"),
    }
    return speed_table(result, sides, pairs)


def byte_level_table(result):
    sides = ("ferry cold", "gigatoken cold", "ferry warm", "gigatoken warm", "tiktoken")
    pairs = {
        "cold to gigatoken": ("ferry cold", "gigatoken cold"),
        "warm to gigatoken": ("ferry warm", "gigatoken warm"),
        "warm to tiktoken": ("ferry warm", "tiktoken"),
    }
    return speed_table(result, sides, pairs)


def decode_table(result):
    rows = []
    for case in result["cases"]:
        rows.append([
            f"{case['sequences']} sequence{'s' if case['sequences'] > 1 else ''}",
            f"{case['ferry']:,.1f}", f"{case['ctranslate2']:,.1f}", f"{case['transformers']:,.1f}",
            f"{case['to_ctranslate2']:.2f}×", f"{case['to_transformers']:.2f}×",
        ])  # fmt: skip
    header = ["tokens/s", "ferry", "CTranslate2", "transformers", "to CTranslate2",
              "to transformers"]  # fmt: skip
    grown = [
        [f"{g['sequences']}", f"{g['early_ms']:.1f}", f"{g['late_ms']:.1f}", f"{g['ratio']:.2f}",
         f"{g['memory_ratio']:.2f}"]
        for g in result["growth"]
    ]  # fmt: skip
    titles = ["sequences", "step near token 10, ms", "near token 1,000, ms", "ratio",
              "memory that a step reads, ratio"]  # fmt: skip
    verdict = (
        f"Target at {result['cases'][-1]['sequences']} sequences: at least "
        f"{result['limit_to_ctranslate2']}× CTranslate2 or {result['limit_to_transformers']}× "
        f"transformers, whichever is less; {VERDICT[result['met']]}."
    )
    return f"{lines_of(header, rows)}\n\n{verdict}\n\n{lines_of(titles, grown)}"


def first_token_table(result):
    rows = [
        ["a short prompt alone", f"{result['alone_ms']:,.0f}", "", ""],
        ["the same under load: first token", f"{result['p50_ms']:,.0f}", f"{result['p99_ms']:,.0f}", ""],
        ["under load: between two tokens of a stream", f"{result['step_ms']:,.0f}",
         f"{result['step_p99_ms']:,.0f}", ""],
        ["three steps and the prompt alone", "", f"at most {result['limit_ms']:,.0f}",
         VERDICT[result["met"]]],
    ]  # fmt: skip
    return lines_of(["ms", "median", "p99", ""], rows)


TABLES = {
    "overhead": overhead_table,
    "engine": engine_table,
    "servers": servers_table,
    "tokenizer": tokenizer_table,
    "byte_level": byte_level_table,
    "decode": decode_table,
    "first_token": first_token_table,
}


def table(result):
    return TABLES[result["part"]](result)


def provenance(result):
    machine = result["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    return (
        f"Measured {machine['date']} at commit {machine['commit']} on {machine['cores']} cores of "
        f"{machine['processor']}, load before {machine['load_before']}; "
        f"median of {result['rounds']} interleaved rounds; {versions}."
    )


def headline(results):
    """The few figures of the front page, from the recorded results that there are."""
    rows = []
    if "servers" in results:
        servers = results["servers"]
        best = max(r["requests_per_s"] for r in servers["rows"] if r["server"] == "ferry")
        rows.append([
            "Throughput, against the faster of LitServe and mosec with sentence-transformers",
            f"{best:,.0f} texts/s", f"{servers['ratio']:.1f}×",
        ])  # fmt: skip
        rows.append([
            "The same, against LitServe with the MKL code path that ferry takes on AMD processors",
            f"{best:,.0f} texts/s", f"{servers['ratio_with_mkl_path']:.1f}×",
        ])  # fmt: skip
    if "engine" in results:
        engine = results["engine"]
        rows.append([
            "Through the daemon, against the engine alone with ids ready",
            f"{engine['daemon']:,.0f} tokens/s", f"{engine['ratio']:.2f}×",
        ])  # fmt: skip
    for case in results.get("overhead", {"cases": []})["cases"]:
        unit = "µs" if case["key"] == "p50_us" else "requests/s"
        name = "p50 of one request" if case["key"] == "p50_us" else f"{case['in_flight']} in flight"
        rows.append([
            f"The daemon without a model, {name}, against a bare ROUTER echo",
            f"{case['ferry']:,.0f} {unit}", f"{case['ratio']:.2f}×",
        ])  # fmt: skip
    if "tokenizer" in results:
        speed = results["tokenizer"]["corpora"]["fortunes"]["MB/s"]
        warm = speed["ferry warm"]["median"]
        for name, key in (
            ("nanotoken", "nanotoken warm"),
            ("Hugging Face tokenizers", "Hugging Face"),
        ):
            rows.append([
                f"Tokenizer, English, one thread, warm, against {name}",
                f"{warm:,.0f} MB/s", f"{warm / speed[key]['median']:.1f}×",
            ])  # fmt: skip
    if "byte_level" in results:
        speed = results["byte_level"]["corpora"]["fortunes"]["MB/s"]
        warm = speed["ferry warm"]["median"]
        for name, key in (("gigatoken", "gigatoken warm"), ("tiktoken", "tiktoken")):
            rows.append([
                f"Byte-level BPE, English, one thread, warm, against {name}",
                f"{warm:,.0f} MB/s", f"{warm / speed[key]['median']:.1f}×",
            ])  # fmt: skip
    for case in results.get("decode", {"cases": []})["cases"]:
        many = f"{case['sequences']} sequence{'s' if case['sequences'] > 1 else ''}"
        for name, key in (("CTranslate2", "ctranslate2"), ("transformers", "transformers")):
            rows.append([
                f"GPT-2 124 M, float32, {many} at once, against {name}",
                f"{case['ferry']:,.0f} tokens/s", f"{case[f'to_{key}']:.1f}×",
            ])  # fmt: skip
    machine = next(iter(results.values()))["machine"]
    where = (
        f"Vectors: all-MiniLM-L6-v2 in float32. {machine['cores']} cores of {machine['processor']}"
    )
    return f"{lines_of(['', 'ferry', 'ratio'], rows)}\n\n{where}, no GPU."


def put(text, name, block):
    """text with block between the markers of this name."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
    text, count = re.subn(pattern, lambda m: f"{m[1]}{block}\n{m[2]}", text, flags=re.S)
    assert count == 1, f"there is no place for {name}"
    return text


def write(results_folder):
    """Puts what is recorded into docs/performance.md and README.md, and draws the plots."""
    results = {}
    for name in TABLES:
        file = results_folder / f"{name}.json"
        if file.exists():
            results[name] = json.loads(file.read_text())
    page = results_folder.parent / "performance.md"
    text = page.read_text()
    for name, result in results.items():
        text = put(text, name, f"{table(result)}\n\n{provenance(result)}{PLOTS.get(name, '')}")
        plots.draw(name, result, results_folder)
    page.write_text(text)
    if results:
        front = results_folder.parents[1] / "README.md"
        front.write_text(put(front.read_text(), "headline", headline(results)))
