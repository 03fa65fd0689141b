"""What cfn-lint and SAM's translator say of templates; run by the Python of the SAM CLI, which brings both.

As a program it lints the templates that it is given, as they are and translated, and writes the translated ones into a
folder for whoever reads no SAM: `linting.py FOLDER TEMPLATE…`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Iterator, List

from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from samtranslator.model.exceptions import InvalidDocumentException

import stacks

REGIONS = ["us-east-1", "eu-central-1"]


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """cfn-lint looks for nested templates from where it works."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def lint(template: Path) -> List[str]:
    """What cfn-lint objects to, warnings included."""
    # A translated template still names those nested in it by their paths, which `sam package` would turn into addresses.
    # What SAM alone reads is gone by then, and a parameter for it seems unused.
    ignored = ["W2001", "W3002"] if template.suffix == ".json" else []
    with inside(template.parent):
        matches = lint_file(Path(template.name), ManualArgs(regions=REGIONS, ignore_checks=ignored))
    return [f"{template.name}:{match.linenumber}: {match.rule.id} {match.message}" for match in matches]


def translated_into(folder: Path, template: stacks.Template, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(stacks.translate(template), indent=1), encoding="utf-8")
    return path


def refusals(error: InvalidDocumentException) -> List[str]:
    """What SAM's translator objects to."""
    causes: List[Any] = list(error.causes) or [error]
    return [f"SAM: {cause.message}" for cause in causes]


def main(arguments: List[str]) -> int:
    folder, templates = Path(arguments[0]), [Path(path).resolve() for path in arguments[1:]]
    (folder / "infra").symlink_to(stacks.ROOT / "infra")
    found: List[str] = []
    for path in templates:
        found += lint(path)
        template = stacks.yaml_parse(path.read_text(encoding="utf-8"))
        if "Transform" not in template:
            continue
        try:
            name = "-".join(path.relative_to(stacks.ROOT).with_suffix(".json").parts)
            found += lint(translated_into(folder, template, name))
        except InvalidDocumentException as error:
            found += [f"{path.name}: {refusal}" for refusal in refusals(error)]
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
