"""Running processes and measuring them: one process at a time, interleaved, medians."""

import os
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass


@dataclass
class Sample:
    """One run of a process: times in seconds, memory in bytes."""

    wall: float
    cpu: float
    peak: int
    output: bytes


class Failed(Exception):
    """A process did not do what it was started for."""


class Launcher:
    """Starts processes through measure.c."""

    def __init__(self, path):
        self.path = str(path)

    def run(self, command, *, cwd=None, env=None):
        """Runs `command` once with nothing on standard input, and returns what it cost. It must end well."""
        command = [str(part) for part in command]
        reader, writer = os.pipe()
        # Descriptor 3 is the launcher's; the shell's redirection is the plainest way to put it there.
        shell = ["sh", "-c", f'exec "$0" "$@" 3>&{writer} {writer}>&-', self.path, *command]
        done = subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd, env=env, pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            figures = pipe.read().split()
        if len(figures) != 4 or figures[3] != "0":
            code = figures[3] if len(figures) == 4 else "no figures"
            raise Failed(f"{' '.join(command)} ended with {code}:\n{done.stderr.decode(errors='replace')[-2000:]}")
        wall, cpu, peak = map(int, figures[:3])
        return Sample(wall / 1e9, cpu / 1e6, peak * 1024, done.stdout)


def interleave(runners, rounds, *, warm=1):
    """Calls each of `runners` (name -> function that returns a Sample) once a round, in an order that turns from round to round,
    after `warm` rounds that do not count. Returns name -> list of samples. A runner that fails drops out, with a word about it."""
    samples = {name: [] for name in runners}
    names = list(runners)
    for number in range(-warm, rounds):
        turn = number % len(names) if names else 0
        for name in names[turn:] + names[:turn]:
            if name not in samples:
                continue
            # What one has left to be written to disk is not the next one's to pay for.
            os.sync()
            try:
                sample = runners[name]()
            except Failed as error:
                print(f"  {name}: {error}", file=sys.stderr)
                del samples[name]
                continue
            if number >= 0:
                samples[name].append(sample)
    return samples


def median(samples, figure):
    """The median of one figure (`wall`, `cpu`, `peak`) over samples."""
    return statistics.median(getattr(sample, figure) for sample in samples)


def least(samples, figure):
    """The least of one figure over samples."""
    return min(getattr(sample, figure) for sample in samples)


def geomean(values):
    """The geometric mean."""
    return statistics.geometric_mean(values)


def quiet_machine():
    """A word about what disturbs measurements here, or an empty string."""
    load = os.getloadavg()[0]
    return f"load average at the start was {load:.1f}: figures are noisy" if load > 0.7 else ""


def limit_core():
    """No core dumps from peers that crash."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
