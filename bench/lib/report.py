"""Results as they come in, and as markdown and JSON."""

import json
import os
import platform
import statistics
from datetime import datetime, timezone


def number(value):
    """A figure with three significant digits, without exponents."""
    if value is None:
        return ""
    magnitude = abs(value)
    return f"{value:.0f}" if magnitude >= 100 else f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}"


class Table:
    """Rows of medians, one column a runner; ratios are of Sconce to the peer that a column is named by."""

    def __init__(self, title, unit, runners, *, note="", against=()):
        self.title, self.unit, self.runners, self.note, self.against = title, unit, list(runners), note, list(against)
        self.rows = []

    def add(self, name, values):
        """`values`: runner -> list of figures, or one figure; missing runners stay empty."""
        lists = {runner: value if isinstance(value, list) else [value] for runner, value in values.items() if value not in (None, [])}
        self.rows.append((name, lists))

    def value(self, row, runner):
        """The median of a cell, or None."""
        for name, lists in self.rows:
            if name == row and runner in lists:
                return statistics.median(lists[runner])
        return None

    def ratio(self, row, runner, peer):
        """How many times the peer's figure a runner's is. None if one is missing, or not above zero: a difference of two measurements
        can be less than nothing, of which there is no ratio."""
        mine, theirs = self.value(row, runner), self.value(row, peer)
        return mine / theirs if mine and theirs and mine > 0 and theirs > 0 else None

    def ratios(self, runner, peer):
        """That ratio for each row that has both."""
        found = {row: self.ratio(row, runner, peer) for row, _ in self.rows}
        return {row: ratio for row, ratio in found.items() if ratio is not None}

    def markdown(self):
        """The table as markdown, with a last row of geometric means of the ratios where there are several rows."""
        shown = [runner for runner in self.runners if any(runner in lists for _, lists in self.rows)]
        pairs = [(mine, peer) for mine, peer in self.against if mine in shown and peer in shown]
        heads = [self.unit, *shown, *(f"{mine} / {peer}" for mine, peer in pairs)]
        lines = [f"## {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines += ["| " + " | ".join(heads) + " |", "|" + "---|" + "---:|" * (len(heads) - 1)]
        for name, _ in self.rows:
            cells = [number(self.value(name, runner)) for runner in shown]
            cells += [f"{ratio:.2f}" if (ratio := self.ratio(name, *pair)) else "" for pair in pairs]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        if pairs and len(self.rows) > 2:
            means = [f"{statistics.geometric_mean(r.values()):.2f}" if (r := self.ratios(*pair)) else "" for pair in pairs]
            lines.append("| geometric mean | " + " | ".join([""] * len(shown) + means) + " |")
        return "\n".join(lines) + "\n"

    def json(self):
        """The table with every sample."""
        return {"title": self.title, "unit": self.unit, "rows": [{"name": name, "samples": lists} for name, lists in self.rows]}


class Target:
    """A figure that the project asks of itself, beside what was measured."""

    def __init__(self, what, asked, measured, unit=""):
        self.what, self.asked, self.measured, self.unit = what, asked, measured, unit

    def met(self):
        """Whether it is."""
        return self.measured is not None and self.measured <= self.asked

    def markdown(self):
        """A row."""
        if self.measured is None:
            return f"| {self.what} | {number(self.asked)} {self.unit} | not measured | |"
        return f"| {self.what} | {number(self.asked)} {self.unit} | {number(self.measured)} {self.unit} | {'yes' if self.met() else 'no'} |"


def machine():
    """One line about the machine."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def write(directory, tables, targets, versions, notes):
    """Writes `latest.md` and `latest.json`, and returns the markdown."""
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    lines = ["# Benchmarks", "", f"{when}. {machine()}.", "", *(f"- {name}: {version}" for name, version in versions.items()), ""]
    lines += [*(f"Note: {note}." for note in notes if note), ""]
    lines += ["Medians of interleaved runs, side by side in one run of `bench/run`. Ratios below 1 are in Sconce's favour.", ""]
    if targets:
        lines += ["## Targets", "", "| what | at most | measured | met |", "|---|---:|---:|---|", *(t.markdown() for t in targets), ""]
    text = "\n".join(lines) + "\n" + "\n".join(table.markdown() for table in tables)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "latest.md"), "w") as file:
        file.write(text)
    with open(os.path.join(directory, "latest.json"), "w") as file:
        result = {"when": when, "machine": machine(), "versions": versions, "tables": [table.json() for table in tables]}
        json.dump(result, file, indent=1)
        file.write("\n")
    return text
