"""SVG plots from recorded results. Only this file needs matplotlib."""

COLOURS = {"ferry": "#1f6f8b", "mosec": "#c9a227", "litserve": "#b5523b",
           "litserve + MKL path": "#c98a7a"}  # fmt: skip


def draw(name, result, folder):
    if name == "servers":
        draw_servers(result, folder / "servers.svg")


def draw_servers(result, path):
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, ids do not change from run to run: a small, readable difference in git.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ferry", "font.size": 9})
    from matplotlib import pyplot

    figure, (throughput, latency) = pyplot.subplots(1, 2, figsize=(8, 3.2))
    names = list(dict.fromkeys(row["server"] for row in result["rows"]))
    for name in names:
        rows = [row for row in result["rows"] if row["server"] == name]
        clients = [row["clients"] for row in rows]
        style = {"color": COLOURS.get(name), "marker": "o"}
        throughput.plot(clients, [r["requests_per_s"] for r in rows], label=name, **style)
        latency.plot(clients, [r["p50_us"] / 1e3 for r in rows], label=f"{name} p50", **style)
        latency.plot(clients, [r["p99_us"] / 1e3 for r in rows], linestyle=":", **style)
    for axes, title in ((throughput, "texts/s"), (latency, "latency, ms (dotted: p99)")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(clients, [str(c) for c in clients])
        axes.set_xlabel("clients, one text in flight each")
        axes.set_title(title)
        axes.grid(alpha=0.3)
    throughput.set_ylim(0, throughput.get_ylim()[1] * 1.3)  # room for the legend
    latency.set_yscale("log")
    throughput.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
