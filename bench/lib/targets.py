"""What the project asks of itself, read from the tables of a run."""

from .report import Target


def targets(tables, geomean):
    """The targets whose tables were measured with Sconce."""
    by_title = {table.title: table for table in tables}
    found = []

    def ask(title, build):
        table = by_title.get(title)
        if table is not None and any("Sconce" in runner or runner.startswith("Lightbeam") for _, lists in table.rows for runner in lists):
            build(table)

    def processor(table):
        ratios = table.ratios("Sconce", "Wasmtime")
        if ratios:
            worst = max(ratios, key=ratios.get)
            found.append(Target("CPU time, geometric mean, of Wasmtime's", 1.05, geomean(ratios.values()), "x"))
            found.append(Target(f"CPU time, worst guest ({worst}), of Wasmtime's", 1.25, ratios[worst], "x"))

    def tiers(table):
        slower = table.ratios("Lightbeam", "Cranelift tier")
        if slower:
            found.append(Target("Lightbeam's code, geometric mean, of the Cranelift tier's CPU time", 1.35, geomean(slower.values()), "x"))
            # Unrolled vector loops may be slower than others.
            for simd, most in [(False, 2.0), (True, 2.5)]:
                some = {row: ratio for row, ratio in slower.items() if (row == "simd") == simd}
                if some:
                    worst = max(some, key=some.get)
                    found.append(Target(f"Lightbeam's code, worst guest ({worst}), of the Cranelift tier's", most, some[worst], "x"))
        winch = table.ratios("Lightbeam", "Winch")
        if winch:
            worst = max(winch, key=winch.get)
            found.append(Target(f"Lightbeam's code, worst guest ({worst}), of Winch's", 1.0, winch[worst], "x"))

    def cost(table):
        for row, _ in table.rows:
            found.append(Target(f"Lightbeam's compile cost, {row}, by byte of code", 24, table.value(row, "Lightbeam"), "ns"))
            ratio = table.ratio(row, "Lightbeam, process", "Winch, process")
            found.append(Target(f"Lightbeam's compile cost, {row}, of Winch's", 1 / 6, ratio, "x"))

    def size(table):
        for row, _ in table.rows:
            found.append(Target(f"Lightbeam's machine code, {row}, by byte of wasm", 2.8, table.value(row, "Lightbeam"), "bytes"))

    def single_pass(table):
        for row in ["PHP", "Python"]:
            found.append(Target(f"start-up, afresh, of {row}, of Winch's", 1 / 3, table.ratio(row, "Sconce", "Winch"), "x"))

    def first_starts(table):
        for row, most in [("hello", 2.5), ("SQLite", 6), ("PHP", 40), ("Python", 50), ("Ruby", 85), ("clang", 60)]:
            found.append(Target(f"start-up, afresh, of {row}", most, table.value(row, "Sconce"), "ms"))

    def scripts(table):
        for row, _ in table.rows:
            found.append(Target(f"a script of {row}, cold, of Wasmtime's", 1.0, table.ratio(row, "Sconce", "Wasmtime"), "x"))
            for run in ["second", "fifth"]:
                ratio = table.ratio(row, f"Sconce, {run} run", "Wasmtime cached")
                found.append(Target(f"a script of {row}, {run} run, of Wasmtime cached's", 1.0, ratio, "x"))

    def peaks(table):
        for row in ["PHP", "Python"]:
            found.append(Target(f"peak memory of {row}, afresh", 45, table.value(row, "Sconce"), "MiB"))

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

    def bulk(table):
        ratios = table.ratios("Sconce", "Wasmtime")
        if ratios:
            worst = max(ratios, key=ratios.get)
            found.append(Target(f"{table.title}, worst ({worst}), of Wasmtime's", 1.05, ratios[worst], "x"))

    def memory(runner, peer):
        return lambda table: found.append(Target(f"peak memory of Python, {runner}, of {peer}'s", 1.0, table.ratio("Python", runner, peer), "x"))

    ask("CPU time of long-running guests", processor)
    ask("CPU time by compiler", tiers)
    ask("Compile cost of single-pass compilers", cost)
    ask("Machine code by byte of wasm", size)
    ask("Start-up, compiled afresh", single_pass)
    ask("Start-up, compiled afresh", rows("start-up, afresh,", "Sconce", "Wasmtime"))
    ask("Start-up, compiled afresh", first_starts)
    ask("Scripts of a second", scripts)
    ask("Start-up, second run", rows("start-up, cached,", "Sconce cached", "Wasmtime precompiled"))
    ask("A WASI call beyond native", calls)
    ask("A host call beyond the callee", host)
    ask("A throw and its catch", throw)
    ask("References, 50 million rounds", references)
    for kind in ["copy", "fill", "init"]:
        for lengths in ["constant", "variable"]:
            ask(f"memory.{kind}, {lengths} lengths", bulk)
    ask("Peak memory, compiled afresh", memory("Sconce", "Wasmtime"))
    ask("Peak memory, compiled afresh", peaks)
    ask("Peak memory, second run", memory("Sconce cached", "Wasmtime precompiled"))
    return found
