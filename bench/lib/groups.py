"""What is measured: one function a group, each taking the tools and the options and returning tables."""

import json
import os
import re
import subprocess
import sys
import time

from . import bulk
from .measure import Failed, Sample, interleave
from .report import Table
from .tools import BENCH, GUESTS, ROOT, TIERS, WINCH, sh

MIB = 1 << 20


def say(text):
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def wasm_command(tools, runner, module, *, directories=(), arguments=(), flags=()):
    """The command that runs a module under a runner; directories are pairs of host and guest."""
    if runner.startswith("Node"):
        pairs = ",".join(f"{guest}={host}" for host, guest in directories)
        return [tools.node, "--no-warnings", tools.node_script, module, pairs, *arguments]
    program = tools.sconce if runner.startswith("Sconce") or runner in TIERS else tools.wasmtime
    flags = [*WINCH, *flags] if runner == "Winch" else flags
    return [program, "run", *flags, *(f"--dir={host}::{guest}" for host, guest in directories), module, *arguments]


def runs(tools, commands, *, env=None):
    """Runners for `interleave` from commands."""
    return {name: lambda command=command: tools.launcher.run(command, env=env) for name, command in commands.items()}


def same_output(samples):
    """Fails unless every run printed the same: a fast wrong answer is no result."""
    outputs = {sample.output for of_runner in samples.values() for sample in of_runner}
    if len(outputs) > 1:
        raise Failed(f"runners disagree: {outputs}")


def start_programs(tools):
    """Short runs of small and large programs: name -> (module, directories, arguments, text that must appear)."""
    place = tools.fresh("start")
    (place / "hello.php").write_text("<?php echo 'hello';\n")
    (place / "hello.py").write_text("print('hello')\n")
    programs = tools.programs
    return {
        "hello": (tools.hello()[0], [], [], b"Hello"),
        "PHP": (programs / "php.wasm", [(place, "/w")], ["/w/hello.php"], b"hello"),
        "Python": (programs / "python.wasm", [(programs / "python-fs", "/"), (place, "/w")], ["/w/hello.py"], b"hello"),
        "SQLite": (programs / "sqlite.wasm", [], ["-version"], b"3."),
        "Ruby": (programs / "ruby.wasm", [], ["--version"], b"ruby"),
        "clang": (programs / "clang.wasm", [], ["--version"], b"clang"),
    }


def scripts(tools, options):
    """Programs of a second or so in interpreters: what people run. Cold, and in the runs that follow."""
    runners = ["Sconce", "Sconce, second run", "Sconce, fifth run", "Wasmtime", "Wasmtime cached", "Node"]
    table = Table(
        "Scripts of a second", "s", runners,
        note="Wall time of the whole process: cold without a cache, and in later runs with what the earlier ones left.",
        against=[("Sconce", "Wasmtime"), ("Sconce, second run", "Wasmtime cached"), ("Sconce, fifth run", "Wasmtime cached")],
    )
    place, programs = ROOT / "bench/scripts", tools.programs
    interpreters = {
        "Python": (programs / "python.wasm", [(programs / "python-fs", "/"), (place, "/w")], ["/w/work.py"]),
        "PHP": (programs / "php.wasm", [(place, "/w")], ["/w/work.php"]),
        "Ruby": (programs / "ruby.wasm", [(place, "/w")], ["/w/work.rb"]),
    }
    for name, (module, directories, arguments) in interpreters.items():
        say(f"scripts: {name}")
        found = {runner: [] for runner in runners}
        for _ in range(options.rounds(3)):
            cache = tools.fresh("cache")
            env = {**os.environ, "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(cache)}

            def run(runner, flags=()):
                command = wasm_command(tools, runner, module, directories=directories, arguments=arguments, flags=flags)
                return tools.launcher.run(command, env=env)

            samples = {"Wasmtime": run("Wasmtime", ["-Ccache=n"]), "Node": run("Node")}
            run("Wasmtime", ["-Ccache=y"])
            samples["Wasmtime cached"] = run("Wasmtime", ["-Ccache=y"])
            if tools.sconce:
                # What is made for later runs has the time for it that people need to look at a result.
                for n in range(5):
                    sample = run("Sconce")
                    samples.update({0: {"Sconce": sample}, 1: {"Sconce, second run": sample}, 4: {"Sconce, fifth run": sample}}.get(n, {}))
                    time.sleep(3)
            same_output({runner: [sample] for runner, sample in samples.items()})
            for runner, sample in samples.items():
                found[runner].append(sample.wall)
        table.add(name, {runner: walls for runner, walls in found.items() if walls})
    return [table]


def startup(tools, options):
    """Wall time of whole processes, compiled afresh and from what an earlier run left; and their peak memory."""
    cold = Table(
        "Start-up, compiled afresh", "ms", ["native", "Sconce", "Wasmtime", "Winch", "Node"],
        note="Wall time of the whole process, caches off. Winch is Wasmtime's single-pass compiler.",
        against=[("Sconce", "Wasmtime"), ("Sconce", "Winch"), ("Sconce", "Node")],
    )
    warm_runners = ["native", "Sconce cached", "Sconce precompiled", "Wasmtime cached", "Wasmtime precompiled"]
    warm = Table(
        "Start-up, second run", "ms", warm_runners, note="Wall time of the whole process, with the code of an earlier run.",
        against=[("Sconce cached", "Wasmtime precompiled"), ("Sconce precompiled", "Wasmtime precompiled")],
    )
    peak_cold = Table("Peak memory, compiled afresh", "MiB", ["Sconce", "Wasmtime", "Node"], against=[("Sconce", "Wasmtime")])
    peak_warm = Table("Peak memory, second run", "MiB", warm_runners[1:], against=[("Sconce cached", "Wasmtime precompiled")])
    cache = tools.fresh("cache")
    # Wasmtime's cache directory follows XDG too.
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(cache)}
    for name, (module, directories, arguments, must) in start_programs(tools).items():
        say(f"start-up: {name}")

        def command(runner, module=module, flags=(), directories=directories, arguments=arguments):
            return wasm_command(tools, runner, module, directories=directories, arguments=arguments, flags=flags)

        commands = {"Wasmtime": command("Wasmtime", flags=["-Ccache=n"]), "Node": command("Node")}
        commands["Winch"] = command("Winch", flags=["-Ccache=n"])
        if tools.sconce:
            commands["Sconce"] = command("Sconce", flags=["--cache=off"])
        if name == "hello":
            commands["native"] = [tools.hello()[1]]
        rounds = options.rounds(40 if name == "hello" else 5)
        samples = interleave(runs(tools, commands, env=env), rounds)
        made = tools.precompiled(module)
        commands = {
            "Wasmtime cached": command("Wasmtime", flags=["-Ccache=y"]),
            "Wasmtime precompiled": command("Wasmtime", made["Wasmtime"], ["--allow-precompiled"]),
        }
        if tools.sconce:
            commands["Sconce cached"] = command("Sconce")
            commands["Sconce precompiled"] = command("Sconce", made["Sconce"], ["--allow-precompiled"])
        if name == "hello":
            commands["native"] = [tools.hello()[1]]
        warm_samples = interleave(runs(tools, commands, env=env), options.rounds(60 if name == "hello" else 20), warm=2)
        for of_runner in [*samples.values(), *warm_samples.values()]:
            for sample in of_runner:
                if must not in sample.output:
                    raise Failed(f"{name} printed {sample.output!r}")
        cold.add(name, {r: [s.wall * 1e3 for s in found] for r, found in samples.items()})
        warm.add(name, {r: [s.wall * 1e3 for s in found] for r, found in warm_samples.items()})
        peak_cold.add(name, {r: [s.peak / MIB for s in found] for r, found in samples.items()})
        peak_warm.add(name, {r: [s.peak / MIB for s in found] for r, found in warm_samples.items()})
    return [cold, warm, peak_cold, peak_warm]


def cpu(tools, options):
    """CPU time of long-running guests, compiled ahead of time where a runner can."""
    table = Table(
        "CPU time of long-running guests", "s", ["native", "Sconce", "Wasmtime", "Node"],
        note="User and system time of the whole process. Sconce and Wasmtime run code compiled beforehand; Node compiles as it runs.",
        against=[("Sconce", "Wasmtime"), ("Sconce", "native"), ("Sconce", "Node"), ("Wasmtime", "native")],
    )
    peak = Table("Peak memory of long-running guests", "MiB", ["Sconce", "Wasmtime", "Node"], against=[("Sconce", "Wasmtime")])
    for name in [*GUESTS, "lua", "zstd"]:
        if options.guests and name not in options.guests:
            continue
        say(f"CPU time: {name}")
        wasm, native = tools.guest(name)
        made = tools.precompiled(wasm)
        commands = {"native": [native], "Node": wasm_command(tools, "Node", wasm)}
        for runner, module in made.items():
            commands[runner] = wasm_command(tools, runner, module, flags=["--allow-precompiled"])
        samples = interleave(runs(tools, commands), options.rounds(5), warm=0 if options.quick else 1)
        same_output(samples)
        table.add(name, {r: [s.cpu for s in found] for r, found in samples.items()})
        peak.add(name, {r: [s.peak / MIB for s in found] for r, found in samples.items() if r != "native"})
    return [table, peak]


def tiers(tools, options):
    """The same CPU guests, by each of the compilers of Sconce, and by Winch."""
    table = Table(
        "CPU time by compiler", "s", ["native", *TIERS, "Winch"],
        note="User and system time of the whole process, running code compiled beforehand. Winch is Wasmtime's single-pass compiler.",
        against=[("Lightbeam", "Cranelift tier"), ("Lightbeam", "Winch"), ("Lightbeam", "native")],
    )
    for name in [*GUESTS, "lua", "zstd"]:
        if options.guests and name not in options.guests:
            continue
        say(f"CPU time by compiler: {name}")
        wasm, native = tools.guest(name)
        commands = {"native": [native]}
        for runner, module in tools.precompiled_by_tiers(wasm).items():
            commands[runner] = wasm_command(tools, runner, module, flags=["--allow-precompiled"])
        samples = interleave(runs(tools, commands), options.rounds(7), warm=0 if options.quick else 1)
        same_output(samples)
        table.add(name, {r: [s.cpu for s in found] for r, found in samples.items()})
    return [table]


def compile_cost(tools, options):
    """What the single-pass compilers cost by byte of code, and how much machine code they make."""
    if not tools.sconce:
        return []
    say("compile cost: building")
    example = tools.lightbeam_example("compile_cost")
    process = Table(
        "Compile cost of single-pass compilers", "ns/byte of code", ["Lightbeam", "Lightbeam, process", "Winch, process"],
        note="On one thread, validation included. The first column is validation and compilation alone; the others are the processor time of"
        " `sconce compile --tier lightbeam` and `wasmtime compile -C compiler=winch`, from start to the written file.",
        against=[("Lightbeam, process", "Winch, process")],
    )
    size_table = Table("Machine code by byte of wasm", "bytes", ["Lightbeam"], note="Guard pages, calls direct, tables not counted.")
    out = tools.fresh("compile-cost")
    for name, file in [("SQLite", "sqlite.wasm"), ("Python", "python.wasm"), ("clang", "clang.wasm")]:
        say(f"compile cost: {name}")
        module = tools.programs / file
        size = code_bytes(module)
        # One core for each, since neither has a flag for everything that it does on several.
        pinned = ["taskset", "-c", "0"]
        commands = {
            "Lightbeam, process": [*pinned, tools.sconce, "compile", "--tier=lightbeam", module, "-o", out / "sconce.cwasm"],
            "Winch, process": [*pinned, tools.wasmtime, "compile", *WINCH, "-Ccache=n", "-Cparallel-compilation=n", module, "-o", out / "winch.cwasm"],
        }
        samples = interleave(runs(tools, commands), options.rounds(5), warm=0)
        values = {r: [s.cpu * 1e9 / size for s in found] for r, found in samples.items()}
        # Its columns: code bytes, validation, compilation, both, bytes of machine code by byte of wasm.
        found = subprocess.run([example, module], check=True, capture_output=True, text=True).stdout.splitlines()[1].split()
        values["Lightbeam"] = [float(found[3])]
        process.add(name, values)
        size_table.add(name, {"Lightbeam": [float(found[4])]})
    return [process, size_table]


WASI_KINDS = {"clock_gettime": 4_000_000, "pread 16": 1_000_000, "write 16": 1_000_000, "fstat": 1_000_000, "stat": 400_000,
              "open+close": 200_000, "getentropy 16": 1_000_000}


def growth(tools, options):
    """What the single-pass compiler costs by byte of a function that grows in one respect."""
    if not tools.sconce:
        return []
    say("growth: building")
    example = tools.lightbeam_example("growth")
    say("growth: measuring")
    note = "A row that grows shows work that is not linear. A jump table's branches take up to 1,000 values each along, by the limit on types."
    cost, size = None, None
    for line in subprocess.run([example], check=True, capture_output=True, text=True).stdout.splitlines()[1:]:
        # The name is right-aligned, in a column of its own.
        name, figures = line[:34].strip(), [float(figure) for figure in line[34:].split()]
        if not name:
            sizes = [f"{int(figure):,}" for figure in figures]
            cost = Table("Lightbeam, functions that grow", "ns/byte of body", sizes, note=note)
            size = Table("Lightbeam, code of functions that grow", "bytes/byte of body", sizes)
            continue
        cost.add(name, dict(zip(sizes, figures[0::2], strict=True)))
        size.add(name, dict(zip(sizes, figures[1::2], strict=True)))
    return [cost, size]


def wasi(tools, options):
    """The cost of WASI calls by kind, by the guest's own clock."""
    runners = ["native", "Sconce", "Wasmtime", "Node"]
    table = Table("A WASI call", "ns", runners, note="One call from C, the guest's libc included.", against=[("Sconce", "Wasmtime")])
    beyond = Table("A WASI call beyond native", "ns", runners[1:], against=[("Sconce", "Wasmtime")])
    source = BENCH / "guests/wasi_calls.c"
    wasm = tools.compile_c([source], tools.work / "guests/wasi_calls.wasm")
    native = tools.compile_c([source], tools.work / "guests/wasi_calls", native=True)
    made = tools.precompiled(wasm)
    place = tools.fresh("wasi")
    directories = [(place, "/w"), ("/dev", "/dev")]
    for kind, count in WASI_KINDS.items():
        say(f"WASI: {kind}")
        arguments = [kind, str(count // (4 if options.quick else 1))]
        guest = [*arguments, "/w", "/dev"]
        commands = {"native": [native, *arguments, place, "/dev"]}
        commands["Node"] = wasm_command(tools, "Node", wasm, directories=directories, arguments=guest)
        for runner, module in made.items():
            flags = ["--allow-precompiled"]
            commands[runner] = wasm_command(tools, runner, module, directories=directories, arguments=guest, flags=flags)
        samples = interleave(runs(tools, commands), options.rounds(7))
        values = {r: [float(s.output) for s in found] for r, found in samples.items()}
        table.add(kind, values)
        base = table.value(kind, "native")
        beyond.add(kind, {r: [v - base for v in found] for r, found in values.items() if r != "native"})
    return [table, beyond]


def code_bytes(module):
    """The size of a module's code section."""
    data, at = module.read_bytes(), 8
    while at < len(data):
        section, at, size, shift = data[at], at + 1, 0, 0
        while True:
            byte = data[at]
            size, shift, at = size | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                break
        if section == 10:
            return size
        at += size
    return 0


def compile_time(tools, options):
    """What compiling ahead of time costs by byte of code."""
    runners = ["Sconce", "Wasmtime"]
    processor = Table("Compile time, CPU", "ns/byte of code", runners, against=[("Sconce", "Wasmtime")])
    wall = Table("Compile time, wall", "ns/byte of code", runners, against=[("Sconce", "Wasmtime")])
    peak = Table("Compile time, peak memory", "MiB", runners, against=[("Sconce", "Wasmtime")])
    out = tools.fresh("compile")
    modules = {"Lua": tools.guest("lua")[0], "zstd": tools.guest("zstd")[0]}
    modules |= {name: tools.programs / file for name, file in [("SQLite", "sqlite.wasm"), ("PHP", "php.wasm"), ("Python", "python.wasm")]}
    if not options.quick:
        modules["clang"] = tools.programs / "clang.wasm"
    for name, module in modules.items():
        say(f"compile time: {name}")
        size = code_bytes(module)
        commands = {"Wasmtime": [tools.wasmtime, "compile", "-Ccache=n", module, "-o", out / "wasmtime.cwasm"]}
        if tools.sconce:
            commands["Sconce"] = [tools.sconce, "compile", module, "-o", out / "sconce.cwasm"]
        samples = interleave(runs(tools, commands), options.rounds(3 if size > 4 * MIB else 7), warm=0)
        label = f"{name} ({size / MIB:.1f} MiB)"
        processor.add(label, {r: [s.cpu * 1e9 / size for s in found] for r, found in samples.items()})
        wall.add(label, {r: [s.wall * 1e9 / size for s in found] for r, found in samples.items()})
        peak.add(label, {r: [s.peak / MIB for s in found] for r, found in samples.items()})
    return [processor, wall, peak]


def host_call(tools, options):
    """A call from wasm to a typed host function, through both embedding APIs in one process."""
    directory = BENCH / "host-call"
    if not tools.sconce or not (directory / "Cargo.toml").exists():
        return []
    say("host call: building")
    target = tools.work / "host-call"
    sh(["cargo", "build", "--release", "--locked", "--target-dir", target], cwd=directory)
    table = Table(
        "A host call beyond the callee", "ns", ["Sconce", "Wasmtime"], against=[("Sconce", "Wasmtime")],
        note="Time of a call from a wasm loop to a Rust closure, less the time of the same closure called from a Rust loop.",
    )
    say("host call: measuring")
    values = {}
    for _ in range(options.rounds(5)):
        output = subprocess.run([target / "release/host-call"], check=True, capture_output=True, text=True).stdout
        for kind, runner, nanoseconds in json.loads(output):
            values.setdefault(kind, {}).setdefault(runner, []).append(nanoseconds)
    for kind, found in values.items():
        table.add(kind, found)
    return [table]


def throw(tools, options):
    """What a throw and its catch cost, by processor time beyond a run that throws nothing."""
    table = Table(
        "A throw and its catch", "ns", ["Sconce", "Wasmtime"], against=[("Sconce", "Wasmtime")],
        note="From a function one or ten frames below the try_table; and one frame below one that catches a reference and throws it on.",
    )
    module = BENCH / "guests/throw.wat"
    flags = {"Wasmtime": ["-Wexceptions=y,gc=y"], "Sconce": []}
    # As many as take about as long.
    counts = {"Sconce": 2_000_000, "Wasmtime": 20_000}
    for export, label in [("one", "one frame up"), ("ten", "ten frames up"), ("rethrown", "thrown on once")]:
        say(f"throw: {label}")
        commands = {}
        for runner in ["Sconce", "Wasmtime"] if tools.sconce else ["Wasmtime"]:
            for kind, times in [("none", 0), ("all", counts[runner] // (10 if options.quick else 1))]:
                flag = [*flags[runner], "--invoke", export]
                commands[f"{runner} {kind}"] = wasm_command(tools, runner, module, arguments=[str(times)], flags=flag)
        samples = interleave(runs(tools, commands), options.rounds(7))
        values = {}
        for runner in ["Sconce", "Wasmtime"]:
            none, all_of_them = samples.get(f"{runner} none"), samples.get(f"{runner} all")
            if none and all_of_them:
                base = min(s.cpu for s in none)
                count = counts[runner] // (10 if options.quick else 1)
                values[runner] = [(s.cpu - base) * 1e9 / count for s in all_of_them]
        table.add(label, values)
    return [table]


REFERENCE_ROUNDS = 50_000_000


def references(tools, options):
    """What live, distinct references cost that move between frames, a table and a global, by processor time of scripts."""
    table = Table(
        f"References, {REFERENCE_ROUNDS // 1_000_000} million rounds", "s", ["Sconce", "Sconce, Lightbeam", "Wasmtime, drc", "Wasmtime"],
        note="A round is a call, three table.get, three table.set and a global.set. Less the time of a run with one round.",
        against=[("Sconce", "Wasmtime, drc"), ("Sconce", "Wasmtime"), ("Sconce, Lightbeam", "Wasmtime, drc")],
    )
    module = (BENCH / "guests/references.wat").read_text()
    place = tools.fresh("references")
    live = "".join(f'(invoke "put" (i32.const {n}) (ref.extern {n + 1}))\n' for n in range(64))
    runs_of = {
        "old different from new": (live, "different", ""),
        "old equal to new": (live, "equal", "(ref.extern 100)"),
        "nulls only": ("", "different", ""),
    }
    rounds = REFERENCE_ROUNDS // (10 if options.quick else 1)
    for number, (label, (fill, export, argument)) in enumerate(runs_of.items()):
        say(f"references: {label}")
        scripts = {}
        for kind, count in [("one", 1), ("all", rounds)]:
            scripts[kind] = place / f"{number}-{kind}.wast"
            scripts[kind].write_text(f'{module}{fill}(invoke "{export}" (i32.const {count}) {argument})\n')
        commands = {}
        for kind, script in scripts.items():
            commands["Wasmtime", kind] = [tools.wasmtime, "wast", "-Ccache=n", script]
            commands["Wasmtime, drc", kind] = [tools.wasmtime, "wast", "-Ccache=n", "-Ccollector=drc", script]
            if tools.sconce:
                commands["Sconce", kind] = [tools.sconce, "wast", script]
                commands["Sconce, Lightbeam", kind] = [tools.sconce, "wast", "--tier=lightbeam", script]
        samples = interleave(runs(tools, commands), options.rounds(7))
        table.add(label, {
            runner: [(all_.cpu - one.cpu) * REFERENCE_ROUNDS / rounds for all_, one in zip(found, samples[runner, "one"], strict=True)]
            for (runner, kind), found in samples.items() if kind == "all" and (runner, "one") in samples
        })
    return [table]


def bulk_memory(tools, options):
    """memory.copy, memory.fill and memory.init by length, on the guest's own clock: in a loop, the least of many rounds."""
    tables, runners = [], ["Sconce", "Lightbeam", "Wasmtime"]
    count, rounds = 20_000, 5 if options.quick else 20
    place = tools.fresh("bulk")
    for kind in bulk.KINDS:
        for constant in [True, False]:
            lengths = "constant" if constant else "variable"
            say(f"memory.{kind}, {lengths} lengths")
            module = place / f"{kind}-{lengths}.wat"
            module.write_text(bulk.guest(kind, constant, count, rounds))
            flags = {"Wasmtime": ["-Ccache=n"], "Sconce": ["--cache=off", "--tier=cranelift"], "Lightbeam": ["--cache=off", "--tier=lightbeam"]}
            wanted = runners if tools.sconce else ["Wasmtime"]
            commands = {r: wasm_command(tools, r, module, flags=flags[r]) for r in wanted}
            samples = interleave(runs(tools, commands), options.rounds(5), warm=0)
            table = Table(f"memory.{kind}, {lengths} lengths", "ns", runners, note="A loop around one operation, the loop included.",
                          against=[("Sconce", "Wasmtime"), ("Lightbeam", "Wasmtime")])
            found = {r: [bulk.results(s.output, constant, count) for s in of_runner] for r, of_runner in samples.items()}
            for length in next(iter(found.values()))[0]:
                table.add(f"{length} bytes" if length.isdigit() else length, {r: [times[length] for times in all_] for r, all_ in found.items()})
            tables.append(table)
    return tables


GROUPS = {"startup": startup, "scripts": scripts, "cpu": cpu, "tiers": tiers, "compile-cost": compile_cost, "growth": growth, "wasi": wasi, "host-call": host_call, "throw": throw, "references": references, "bulk": bulk_memory,
          "compile": compile_time}
