"""`make audit`: cargo-deny, built on first use, over the dependencies, as deny.toml says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

from packages import installing
from processes import run, step
from settings import ROOT, Settings

CARGO_DENY = "0.20.2"
CHECKS = ("bans", "licenses", "sources")


def audit(settings: Settings, arguments: List[str]) -> None:
    """What stands in the lock file; `advisories` as an argument asks for those instead, which takes the network."""
    checks = [argument for argument in arguments if argument] or CHECKS
    with step(f"Dependencies: {', '.join(checks)}"):
        command = [cargo_deny(settings), "--color", "auto", "check", "--hide-inclusion-graph", *checks]
        run(command, problem="the audit found what deny.toml does not allow", cwd=ROOT)


def cargo_deny(settings: Settings) -> Path:
    home = settings.tools_dir / f"cargo-deny-{CARGO_DENY}"
    program = home / "bin" / "cargo-deny"
    with installing(settings.tools_dir):
        if not program.exists():
            log = settings.tools_dir / "cargo-deny.log"
            with step(f"Building cargo-deny {CARGO_DENY} into {settings.tools_dir}, some minutes once"):
                command = ["cargo", "install", "cargo-deny", "--locked", "--version", f"={CARGO_DENY}", "--root", home]
                env = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
                run(command, problem="cargo-deny could not be built", log=log, env=env, cwd=settings.tools_dir)
    return program
