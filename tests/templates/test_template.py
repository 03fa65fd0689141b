"""The stack is sound whatever its parameters are: each check holds for every deployment that they allow."""

from __future__ import annotations

import itertools
import unittest
from typing import Any, Callable, Dict, List, Tuple

import checks
import stacks
from stacks import Stack

REQUIRED = {"MailFrom": "Chat <chat@example.com>", "PublicUrl": "https://abc.execute-api.eu-central-1.amazonaws.com"}
# What a deployment may have beside: a domain, mails, alarms, a budget.
BARE: Dict[str, str] = {}
FULL = {
    "PublicUrl": "",
    "DomainName": "chat.example.com",
    "WebSocketDomainName": "ws.example.com",
    "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
    "HostedZoneId": "Z0123456789ABCDEFGHIJ",
    "MailIdentity": "example.com",
    "AlarmEmail": "alarms@example.com",
    "MonthlyBudget": "100",
}
FIRST = {"PublicUrl": ""}


def deployments() -> List[Tuple[str, Dict[str, str]]]:
    """Every size, database and way out, with and without all else; the first pass, and an account that cannot reserve."""
    found = []
    for size, database, egress in itertools.product(("Small", "Production"), ("Rds", "Aurora"), ("Nat", "Ipv6")):
        for about, more in (("bare", BARE), ("full", FULL)):
            parameters = {**REQUIRED, "Size": size, "Database": database, "Egress": egress, **more}
            found.append((f"{size} {database} {egress} {about}", parameters))
    small = {**REQUIRED, "Size": "Small", "Database": "Rds", "Egress": "Nat"}
    found.append(("first pass", {**small, **FIRST}))
    found.append(("new account", {**small, "ReservedConcurrency": "off"}))
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
