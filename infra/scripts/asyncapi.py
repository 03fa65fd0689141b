"""Holds the AsyncAPI document against its specification.

No Python package checks version 3, so this is done by AsyncAPI's own parser, which is JavaScript.
"""

from __future__ import annotations

import os
from pathlib import Path

import node
from processes import run
from settings import ROOT, Settings, shown

PARSER = "@asyncapi/parser@3.6.3"
DOCUMENT = ROOT / "functions/web/documents/asyncapi.json"


def check(settings: Settings) -> None:
    env = {**os.environ, "NODE_PATH": str(node.modules(settings, "asyncapi-parser", [PARSER]))}
    script = Path(__file__).resolve().parent / "asyncapi.js"
    run([node.node(settings), script, DOCUMENT], problem=f"{shown(DOCUMENT)} is not valid", env=env, cwd=ROOT)
