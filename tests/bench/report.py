"""Report: medians over the rounds, the table, and the goals.

Rounds in which strangers took much of the machine are left out, unless nearly all are like that. A goal
compares medians of one run of the benchmark: what another day or another machine gave does not count.

SPDX-License-Identifier: MIT
"""

from dataclasses import dataclass
from statistics import median

OURS = ("frontend", "broker", "worker")     # the parts of Outrigger that a request passes through
PARTS = ("web", *OURS)
COLUMNS = ("per_second", "p50", "p99", "others")
DISTURBED = 0.10                            # the share of others from which on a round is left out
CALM_ROUNDS_MIN = 2                         # if there are so many others


def summary(all_runs: list) -> dict:
    """The medians of the calm runs of one cell, and how far they lie apart."""
    calm = [run for run in all_runs if run["others"] < DISTURBED]
    runs = calm if len(calm) >= min(CALM_ROUNDS_MIN, len(all_runs)) else all_runs
    cell = {column: median(run[column] for run in runs) for column in COLUMNS if column in runs[0]}
    rates = [run["per_second"] for run in runs]
    cell["spread"] = (max(rates) - min(rates)) / max(cell["per_second"], 1e-9)
    cell["calm"] = len(calm)
    cell["refused"] = sum(run["refused"] for run in all_runs)
    cell["broken"] = sum(run["broken"] for run in all_runs)
    cell["cpu"] = {part: median(run["cpu"].get(part, 0.0) for run in runs) for part in runs[0]["cpu"]}
    cell["cpu_ours"] = median(sum(run["cpu"].get(part, 0.0) for part in OURS) for run in runs)
    return cell


# ---- the table ----

def _floor_of(name: str) -> str:
    front, _, load = name.split("/")
    return {"heavy": "raw/onnxruntime/heavy", "batch": "direct/fastify/batch"}.get(
        load, f"nginx/floor-threads/{load}" if front == "direct" else f"{front}/floor-threads/{load}")


def _row(name: str, cell: dict, cells: dict) -> str:
    floor = cells.get(_floor_of(name))
    ratio = f"{cell['per_second'] / floor['per_second']:.2f}" if floor and floor["per_second"] else ""
    times = [f"{cell[key] / 1000:.3f}" if key in cell else "" for key in ("p50", "p99")]
    rest = sum(used for part, used in cell["cpu"].items() if part not in PARTS)
    used = [f"{cell['cpu'][part]:.1f}" if part in cell["cpu"] else "" for part in PARTS]
    used.append(f"{rest:.1f}" if rest else "")
    failed = "".join(f"  {cell[kind]} {kind.upper()}" for kind in ("refused", "broken") if cell[kind])
    return (f"  {name:34}{cell['per_second']:10,.0f}{cell['spread']:6.0%}{ratio:>7}{times[0]:>10}{times[1]:>10}   "
            + "".join(f"{value:>9}" for value in used) + f"{cell['others']:8.0%}{cell['calm']:6}{failed}")


def table(cells: dict) -> str:
    head = (f"  {'':34}{'req/s':>10}{'+-':>6}{'ratio':>7}{'p50 ms':>10}{'p99 ms':>10}   "
            + "".join(f"{part:>9}" for part in (*PARTS, "rest")) + f"{'others':>8}{'calm':>6}")
    lines = ["Medians. +- is the spread of the rounds. ratio: to floor-threads behind the same web server (direct: behind",
             "nginx), batch: to fastify, heavy: rows to raw ONNX Runtime. web to rest: CPU us a request, by program.",
             f"others: the share of the machine that strangers took meanwhile. calm: rounds with less than {DISTURBED:.0%} of that:",
             "the medians are theirs where there are enough.", "", head]
    load = None
    for name, cell in cells.items():
        if load not in (None, name.split("/")[2]):
            lines.append("")
        load = name.split("/")[2]
        lines.append(_row(name, cell, cells))
    return "\n".join(lines)


# ---- the goals ----

@dataclass
class Goal:
    """`value` of the cells (None: not measured) must be at least, or at most, `limit`."""
    text: str
    value: object
    limit: float
    at_most: bool = False
    unit: str = "x"

    def met(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


def rate(cell: str, to: str):
    return lambda cells: cells[cell]["per_second"] / cells[to]["per_second"]


def added_us(cell: str, to: str):
    return lambda cells: cells[cell]["p50"] - cells[to]["p50"]


GOALS = [
    Goal("nginx, 64 connections, against the threaded floor", rate("nginx/logistic/c64", "nginx/floor-threads/c64"), 1.3),
    Goal("nginx, 64 connections, against the epoll floor", rate("nginx/logistic/c64", "nginx/floor-epoll/c64"), 0.75),
    Goal("nginx, 64 connections, against fastify", rate("nginx/logistic/c64", "direct/fastify/c64"), 1.5),
    Goal("nginx, 64 connections, against FastAPI", rate("nginx/logistic/c64", "direct/fastapi/c64"), 15),
    Goal("nginx, 1 connection, p50 above the threaded floor", added_us("nginx/logistic/c1", "nginx/floor-threads/c1"), 130,
         at_most=True, unit="us"),
    Goal("Apache, 64 connections, against the threaded floor",
         rate("apache/logistic/c64", "apache/floor-threads/c64"), 0.95),
    Goal("Caddy, 64 connections, against the threaded floor", rate("caddy/logistic/c64", "caddy/floor-threads/c64"), 0.85),
    Goal("nginx, 1000x30 JSON batch, against fastify", rate("nginx/logistic/batch", "direct/fastify/batch"), 2.2),
    Goal("nginx, 1000x30 JSON batch, against FastAPI", rate("nginx/logistic/batch", "direct/fastapi/batch"), 20),
    Goal("heavy model, rows a second, against raw ONNX Runtime", rate("nginx/heavy/heavy", "raw/onnxruntime/heavy"), 0.95),
    Goal("CPU of frontend, broker and worker a request, nginx, 64 connections",
         lambda cells: cells["nginx/logistic/c64"]["cpu_ours"], 20, at_most=True, unit="us"),
    Goal("resident memory of all processes, idle, three small models", lambda cells: cells["idle"]["rss_mb"], 60,
         at_most=True, unit="MB"),
]


def goals(cells: dict) -> list:
    """[{text, value, limit, met}], value and met None where a cell is missing."""
    found = []
    for goal in GOALS:
        try:
            value = goal.value(cells)
        except KeyError:
            value = None
        found.append({"text": goal.text, "value": value, "limit": goal.limit, "unit": goal.unit,
                      "at_most": goal.at_most, "met": None if value is None else goal.met(value)})
    return found


def goal_lines(found: list) -> str:
    lines = []
    for goal in found:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[goal["met"]]
        value = "" if goal["value"] is None else f"{goal['value']:.2f} {goal['unit']}"
        bound = "at most" if goal["at_most"] else "at least"
        lines.append(f"  {verdict:13}{goal['text']}: {value} ({bound} {goal['limit']:g} {goal['unit']})")
    return "\n".join(lines)
