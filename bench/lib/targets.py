"""What the project asks of itself, read from the tables of a run."""

from .report import Target


def targets(tables, geomean):
    """The targets whose tables were measured with Sconce."""
    by_title = {table.title: table for table in tables}
    found = []

    def ask(title, build):
        table = by_title.get(title)
        if table is not None and any("Sconce" in runner for _, lists in table.rows for runner in lists):
            build(table)

    def processor(table):
        ratios = table.ratios("Sconce", "Wasmtime")
        if ratios:
            worst = max(ratios, key=ratios.get)
            found.append(Target("CPU time, geometric mean, of Wasmtime's", 1.05, geomean(ratios.values()), "x"))
            found.append(Target(f"CPU time, worst guest ({worst}), of Wasmtime's", 1.25, ratios[worst], "x"))

    def rows(what, runner, peer):
        def build(table):
            for row, _ in table.rows:
                found.append(Target(f"{what} of {row}, of {peer}'s", 1.0, table.ratio(row, runner, peer), "x"))

        return build

    def calls(table):
        for kind, most in [("clock_gettime", 40), ("pread 16", 100), ("write 16", 100), ("stat", 600)]:
            found.append(Target(f"WASI call beyond native: {kind}", most, table.value(kind, "Sconce"), "ns"))

    def host(table):
        for row, _ in table.rows:
            found.append(Target(f"host call beyond the callee, {row}, of Wasmtime's", 0.5, table.ratio(row, "Sconce", "Wasmtime"), "x"))

    def throw(table):
        for row, _ in table.rows:
            found.append(Target(f"throw and catch, {row}, of Wasmtime's", 1.0, table.ratio(row, "Sconce", "Wasmtime"), "x"))

    def references(table):
        for row in ["old different from new", "old equal to new"]:
            found.append(Target(f"references, {row}, of Wasmtime drc's", 0.76, table.ratio(row, "Sconce", "Wasmtime, drc"), "x"))
        found.append(Target("references, nulls only, of Wasmtime's", 1.0, table.ratio("nulls only", "Sconce", "Wasmtime"), "x"))

    def memory(runner, peer):
        return lambda table: found.append(Target(f"peak memory of Python, {runner}, of {peer}'s", 1.0, table.ratio("Python", runner, peer), "x"))

    ask("CPU time of long-running guests", processor)
    ask("Start-up, compiled afresh", rows("start-up, afresh,", "Sconce", "Wasmtime"))
    ask("Start-up, second run", rows("start-up, cached,", "Sconce cached", "Wasmtime precompiled"))
    ask("A WASI call beyond native", calls)
    ask("A host call beyond the callee", host)
    ask("A throw and its catch", throw)
    ask("References, 50 million rounds", references)
    ask("Peak memory, compiled afresh", memory("Sconce", "Wasmtime"))
    ask("Peak memory, second run", memory("Sconce cached", "Wasmtime precompiled"))
    return found
