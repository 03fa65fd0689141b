"""Holds the templates against what CloudFormation, SAM and good practice ask, without an account of AWS.

The SAM CLI brings its translator and cfn-lint; checkov knows what else a resource should have. All are pinned and
private as every other tool, and none of them asks anybody over the network.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Dict, List

import packages
from processes import run, step
from settings import ROOT, TEMPLATE, Settings, shown, without_settings

SAM_CLI = "1.170.0"
CHECKOV = "3.3.30"  # needs Python 3.9, as everything else here
TESTS = ROOT / "tests/templates"
GATEWAY = ROOT / "infra/gateway"
OF_THE_GATEWAY = (
    GATEWAY / "conformance/template.yaml",
    GATEWAY / "conformance/bare.yaml",
    GATEWAY / "examples/parcels/template.yaml",
)


def check(settings: Settings) -> None:
    nested = sorted((ROOT / "infra/stacks").glob("*.yaml"))
    sam = packages.python_tool(settings.tools_dir, "aws-sam-cli", SAM_CLI, "sam")
    env = environment(packages.python_tool_environment(sam))
    for template in (TEMPLATE, *OF_THE_GATEWAY):
        problem = f"{shown(template)} is not valid"
        run([sam, "validate", "--lint", "--template", template], problem=problem, env=env, cwd=ROOT)
    translated = Path(tempfile.mkdtemp())
    try:
        with step("cfn-lint: the templates, nested and translated"):
            command = [*python(settings), TESTS / "linting.py", translated, TEMPLATE, *OF_THE_GATEWAY, *nested]
            run(command, problem="cfn-lint objects to the templates", env=env, cwd=ROOT)
        # The gateway's own templates are never deployed for good.
        of_the_stack = [translated / "template.json", *nested]
        with step("checkov: the templates, nested and translated"):
            options = [part for template in of_the_stack for part in ("--file", template)]
            problem = "checkov objects to the templates"
            run([*checkov(settings), *options], problem=problem, env=checkov_environment(settings), cwd=ROOT)
    finally:
        shutil.rmtree(translated)


def environment(more: Dict[str, str]) -> Dict[str, str]:
    """What the tools are told: nothing of an account, and a region only to know which kinds of resources exist there."""
    mine = {name: value for name, value in without_settings().items() if not name.startswith("AWS_")}
    mine.update(SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION="us-east-1", PYTHONDONTWRITEBYTECODE="1")
    return {**mine, **more}


def python(settings: Settings) -> List[str]:
    """The Python that has the SAM CLI's translator and cfn-lint."""
    home = packages.python_package(settings.tools_dir, "aws-sam-cli", SAM_CLI)
    interpreter, *path = packages.python_of(home)
    return ["env", f"PYTHONPATH={path[0]}", interpreter] if path else [interpreter]


def checkov(settings: Settings) -> List[str]:
    """The program, and what it is told each time: to ask nobody, and what is skipped and why."""
    program = packages.python_tool(settings.tools_dir, "checkov", CHECKOV, "checkov")
    skipped = ROOT / ".checkov.yaml"
    return [str(program), "--framework", "cloudformation", "--skip-download", "--compact", "--quiet"] + (
        ["--config-file", str(skipped)] if skipped.exists() else []
    )


def checkov_environment(settings: Settings) -> Dict[str, str]:
    program = packages.python_tool(settings.tools_dir, "checkov", CHECKOV, "checkov")
    return environment(packages.python_tool_environment(program))


def test_command(settings: Settings) -> List[str]:
    return [*python(settings), "-u", str(TESTS / "run.py")]


def test_environment(settings: Settings) -> Dict[str, str]:
    told = {"TEST_CHECKOV": os.pathsep.join(checkov(settings)), **environment({})}
    path = checkov_environment(settings).get("PYTHONPATH")
    return {**told, **({"TEST_CHECKOV_PYTHONPATH": path} if path else {})}
