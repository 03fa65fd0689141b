"""What cfn-lint and SAM's translator say of templates; run by the Python of the SAM CLI, which brings both.

As a program it lints the templates that it is given, as they are and translated, and writes the translated ones into a
folder for whoever reads no SAM: `linting.py FOLDER TEMPLATE…`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Iterator, List, Sequence

from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from samtranslator.model.exceptions import InvalidDocumentException

import stacks

NUMBERED = {"AWS::EC2::SecurityGroup": "sg", "AWS::EC2::Subnet": "subnet", "AWS::EC2::VPC": "vpc"}
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


def lint(template: Path, regions: Sequence[str] = REGIONS, ignored: Sequence[str] = ()) -> List[str]:
    """What cfn-lint objects to, warnings included."""
    # A translated template still names those nested in it by their paths, which `sam package` would turn into addresses.
    # What SAM alone reads is gone by then, and a parameter for it seems unused.
    if template.suffix == ".json":
        ignored = [*ignored, "W2001", "W3002"]
    # The SAM CLI, once somebody imports it, has every library tell what it does.
    logging.getLogger("cfnlint").setLevel(logging.WARNING)
    with inside(template.parent):
        matches = lint_file(Path(template.name), ManualArgs(regions=list(regions), ignore_checks=list(ignored)))
    return [f"{template.name}:{match.linenumber}: {match.rule.id} {match.message}" for match in matches]


def translated_into(folder: Path, template: stacks.Template, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(stacks.translate(template), indent=1), encoding="utf-8")
    return path


def concrete(stack: stacks.Stack) -> stacks.Template:
    """What a stack comes to, every value as AWS is given it, whichever template it came from."""
    resources = {}
    for name, resource in stack.resources.items():
        if not resource["Type"].startswith("Custom::") and resource["Type"] != stacks.NESTED:
            kept = {
                key: resource[key]
                for key in ("Type", "Properties", "DeletionPolicy", "UpdateReplacePolicy")
                if key in resource
            }
            resources[name] = kept
    return {"Resources": resources}


def lint_deployed(root: stacks.Stack, folder: Path) -> Iterator[str]:
    """What cfn-lint objects to in what a deployment comes to."""
    text_of = {stack.name: json.dumps(concrete(stack), indent=1) for stack in root.stacks()}
    # The ids that are made up here are names, and AWS' own are numbers.
    for stack, name, resource in root.of_type(*NUMBERED):
        its = stacks.identity(resource, stack, name)
        number = hashlib.sha256(its.encode()).hexdigest()[:17]
        for other, text in text_of.items():
            text_of[other] = text.replace(f'"{its}"', f'"{NUMBERED[resource["Type"]]}-{number}"')
    for name, text in text_of.items():
        path = folder / f"{name}.json"
        path.write_text(text, encoding="utf-8")
        # Here the zones are spelt out, as all is.
        yield from lint(path, [stacks.REGION], ["W3010"])


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
