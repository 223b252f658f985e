"""Cells: what is measured. A cell is one load on one contender, named FRONT/SERVICE/LOAD, as nginx/trees/c64.

    nginx/floor-threads  nginx/floor-epoll      the floors, and so behind apache and caddy
    nginx/logistic  nginx/trees  nginx/heavy    Outrigger with a model; nginx/logistic@NAME a variant of settings
    direct/fastapi  direct/fastify              the peers, without a web server
    raw/onnxruntime                             the heavy model and nothing around it

    c1 c16 c64      one row a request, so many connections
    batch           1000 rows a request, 16 connections
    heavy           one row of the heavy model a request, 64 connections

SPDX-License-Identifier: MIT
"""

import json
from dataclasses import dataclass
from pathlib import Path

from contenders import heldout, post
from processes import Failed

WEBS = ("nginx", "apache", "caddy")
FLOORS = ("floor-threads", "floor-epoll")
PEER_NAMES = ("fastapi", "fastify")
BATCH_ROWS = 1000
MODEL_OF = {"logistic": "cancer-logistic", "trees": "cancer-trees", "heavy": "heavy"}


@dataclass
class Load:
    """What is sent: rows of the held-out data of a model."""
    name: str
    connections: int
    model: str = "cancer-logistic"
    rows: int = 1

    def body(self) -> bytes:
        rows = heldout(self.model)["features"]
        if self.rows == 1:
            return json.dumps({"features": rows[0]}).encode()
        return json.dumps({"instances": [rows[i % len(rows)] for i in range(self.rows)]}).encode()

    def path(self, model: str) -> str:
        call = "predict" if self.rows == 1 else "batch-predict"
        return f"/api/v1/{call}" if model == "cancer-logistic" else f"/api/v1/models/{model}/{call}"


SINGLE_ROWS = [Load("c1", 1), Load("c16", 16), Load("c64", 64)]
BATCH = Load("batch", 16, rows=BATCH_ROWS)
HEAVY = Load("heavy", 64, model="heavy")


@dataclass
class Cell:
    front: str          # nginx, apache, caddy, direct, raw
    service: str        # floor-threads, logistic, trees, heavy, fastapi, ...
    load: Load
    variant: str = ""   # of Outrigger's settings

    @property
    def name(self) -> str:
        return f"{self.front}/{self.label}/{self.load.name}"

    @property
    def label(self) -> str:
        return self.service + (f"@{self.variant}" if self.variant else "")

    @property
    def model(self) -> str:
        return MODEL_OF.get(self.service, "cancer-logistic")

    @property
    def path(self) -> str:
        return self.load.path(self.model)


def all_cells(variants: list) -> list:
    """Every cell, in the order in which a round goes through them: those that are compared stand together."""
    cells = []
    for load in SINGLE_ROWS:
        for web in WEBS:
            cells += [Cell(web, service, load) for service in (*FLOORS, "logistic", "trees")]
            if web == "nginx":
                cells += [Cell(web, service, load, variant) for variant in variants
                          for service in ("logistic", "trees")]
        cells += [Cell("direct", peer, load) for peer in PEER_NAMES]
    cells += [Cell("nginx", "logistic", BATCH, variant) for variant in ("", *variants)]
    cells += [Cell("direct", peer, BATCH) for peer in PEER_NAMES]
    cells += [Cell("nginx", "heavy", HEAVY, variant) for variant in ("", *variants)]
    cells += [Cell("raw", "onnxruntime", HEAVY)]
    return cells


def check_answer(cell: Cell, port: int, known: dict) -> None:
    """Asks what the cell's load asks, and compares the answer with `known`, held-out rows and their answers."""
    status, body = post(port, cell.path, cell.load.body())
    if status != 200:
        raise Failed(f"{cell.name}: answered {status}: {body[:300]!r}")
    answer = json.loads(body)
    if cell.service in FLOORS:
        return
    rows = len(known["features"])
    expected = [known["labels"][i % rows] for i in range(cell.load.rows)]
    given = [answer.get("prediction")] if cell.load.rows == 1 else answer.get("predictions")
    if given != expected:
        raise Failed(f"{cell.name}: predicted {str(given)[:100]} where {str(expected)[:100]} was expected")
    if cell.load.rows == 1 and len(known["classes"]) == 2:
        if abs(answer["probability"] - known["probabilities"][0][1]) > known["tolerance"]:
            raise Failed(f"{cell.name}: probability {answer['probability']}, not {known['probabilities'][0][1]}")


def write_bodies(folder: Path, cells: list) -> dict:
    """The files that wrk sends: {load name: path}."""
    files = {}
    for load in {cell.load.name: cell.load for cell in cells}.values():
        files[load.name] = folder / (load.name + ".json")
        files[load.name].write_bytes(load.body())
    return files
