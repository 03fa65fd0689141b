"""The stack is sound whatever its parameters are: each check holds for every deployment that they allow."""

from __future__ import annotations

import itertools
import tempfile
import unittest
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import checks
import linting
import stacks
from stacks import Stack

REQUIRED = {"MailFrom": "Chat <chat@example.com>", "PublicUrl": "https://abc.execute-api.eu-central-1.amazonaws.com"}
# What a deployment may have beside: a domain, mails, alarms, a budget.
BARE: Dict[str, str] = {}
FULL = {
    "PublicUrl": "",
    "AllowedOrigins": "https://elsewhere.example.com",
    "DomainName": "chat.example.com",
    "WebSocketDomainName": "ws.example.com",
    "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
    "HostedZoneId": "Z0123456789ABCDEFGHIJ",
    "MailIdentity": "example.com",
    "AlarmEmail": "alarms@example.com",
    "MonthlyBudget": "100",
}
# What else somebody may want, by itself.
SMALL = {**REQUIRED, "Size": "Small", "Database": "Rds", "Egress": "Nat"}
OTHERS = {
    "first pass": {**SMALL, "PublicUrl": ""},
    "new account": {**SMALL, "ReservedConcurrency": "off"},
    "without figures": {**SMALL, "Size": "Production", "MetricsNamespace": ""},
    "restored": {**SMALL, "Snapshot": "before-the-accident"},
    "chosen zones": {**SMALL, "ZoneA": "eu-central-1c", "ZoneB": "eu-central-1a"},
    "a mailbox": {**SMALL, "MailIdentity": "chat@example.com"},
    "a certificate made": {**SMALL, **FULL, "CertificateArn": ""},
    "records elsewhere": {**SMALL, **FULL, "HostedZoneId": ""},
    "one domain": {**SMALL, **FULL, "WebSocketDomainName": "", "CertificateArn": "", "MailIdentity": ""},
    "the other domain": {**SMALL, **FULL, "PublicUrl": REQUIRED["PublicUrl"], "DomainName": "", "CertificateArn": ""},
    "no domain but its mails": {**SMALL, "MailIdentity": "example.com", "HostedZoneId": FULL["HostedZoneId"]},
}


def deployments() -> List[Tuple[str, Dict[str, str]]]:
    """Every size, database and way out, with and without all else, and then that one by one."""
    found: List[Tuple[str, Dict[str, str]]] = []
    for size, database, egress in itertools.product(("Small", "Production"), ("Rds", "Aurora"), ("Nat", "Ipv6")):
        for about, more in (("bare", BARE), ("full", FULL)):
            parameters = {**REQUIRED, "Size": size, "Database": database, "Egress": egress, **more}
            found.append((f"{size} {database} {egress} {about}", parameters))
    found += OTHERS.items()
    return found


TEMPLATES = stacks.load_all()
DEPLOYED: Dict[str, Stack] = {}


def setUpModule() -> None:
    for about, parameters in deployments():
        DEPLOYED[about] = stacks.deploy(TEMPLATES, parameters)


def tearDownModule() -> None:
    DEPLOYED.clear()


class EveryDeployment(unittest.TestCase):
    """Has a test for each check."""


def held(check: checks.Check) -> Callable[[unittest.TestCase], None]:
    def test(self: unittest.TestCase) -> None:
        for about, stack in DEPLOYED.items():
            with self.subTest(about):
                self.assertEqual(list(check(stack)), [])

    return test


for _name, _check in checks.CHECKS.items():
    setattr(EveryDeployment, f"test_{_name}", held(_check))


class Templates(unittest.TestCase):
    def test_nobody_declares_what_nobody_uses(self) -> None:
        self.assertEqual(list(checks.unused(TEMPLATES, stacks.ROOT_TEMPLATE)), [])

    def test_cfn_lint_takes_what_deployments_come_to(self) -> None:
        for about in ("Small Rds Nat bare", "Production Rds Nat full", "Production Aurora Ipv6 full", "one domain"):
            with self.subTest(about), tempfile.TemporaryDirectory() as folder:
                self.assertEqual(list(linting.lint_deployed(DEPLOYED[about], Path(folder))), [])

    def test_the_deployments_differ_in_every_condition(self) -> None:
        decided: Dict[Tuple[str, str], set] = {}
        for stack in DEPLOYED.values():
            for one in stack.stacks():
                for name in one.template.get("Conditions", {}):
                    decided.setdefault((one.path, name), set()).add(one.condition(name))
        same = [f"{path}: {name}" for (path, name), values in decided.items() if len(values) < 2]
        self.assertEqual(same, [], "conditions that were never both true and false")

    def test_a_deployment_needs_only_who_sends_its_mails(self) -> None:
        declared: Dict[str, Any] = TEMPLATES[stacks.ROOT_TEMPLATE]["Parameters"]
        asked = [name for name, parameter in declared.items() if "Default" not in parameter]
        self.assertEqual(asked, ["MailFrom"])


if __name__ == "__main__":
    unittest.main()
