"""The image and the compose files, as far as they can be judged without Docker."""

import fnmatch
import http.server
import re
import subprocess
import sys
import threading
import unittest
from typing import Any, Dict, List

import yaml

from stacks import ROOT

sys.path.insert(0, str(ROOT / "infra" / "scripts"))

import settings  # noqa: E402
import workflows  # noqa: E402

INFRA = ROOT / "infra"
SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "JWT_KEYS"}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[-?])?([^}]*)\}")


class Image(unittest.TestCase):
    def setUp(self) -> None:
        lines = (INFRA / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        self.steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
        starts = [position for position, (name, _) in enumerate(self.steps) if name == "FROM"]
        self.last = self.steps[starts[-1] :]

    def of(self, name: str, steps: List[List[str]]) -> List[str]:
        return [rest for step, rest in steps if step == name]

    def test_what_is_copied_is_there_and_not_ignored(self) -> None:
        ignored = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        taken = {line[1:] for line in ignored if line.startswith("!")}
        for entry in taken:
            self.assertTrue((ROOT / entry).exists(), entry)
        copied = [rest for rest in self.of("COPY", self.steps) if not rest.startswith("--from")]
        for rest in copied:
            for source in rest.split()[:-1]:
                with self.subTest(source):
                    self.assertTrue((ROOT / source).exists())
                    self.assertTrue(source == "." or source.split("/")[0] in taken)

    def test_every_part_of_the_workspace_is_in_the_build(self) -> None:
        taken = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
        workspace = (ROOT / "Cargo.toml").read_text(encoding="utf-8").split("\n]\n")[0]
        members = re.findall(r'(?m)^    "([^"]+)",$', workspace)
        self.assertIn("shared", members)
        self.assertEqual({member.split("/")[0] for member in members} - taken, set())
        self.assertLessEqual({"Cargo.toml", "Cargo.lock", "template.yaml"}, taken)

    def test_no_settings_and_no_history_get_into_the_build(self) -> None:
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        self.assertEqual([line for line in ignored if line and line[0] != "#"][0], "*")
        self.assertNotIn("!.git", ignored)
        self.assertNotIn("!.env", ignored)
        self.assertIn("infra/compose.env", ignored)

    def test_every_function_of_the_template_is_in_the_image(self) -> None:
        build = " ".join(self.of("RUN", self.steps))
        self.assertIn("find functions -mindepth 2 -maxdepth 2 -name Cargo.toml", build)
        named = set(re.findall(r"Binary: ([a-z-]+)", (ROOT / "template.yaml").read_text(encoding="utf-8")))
        folders = {path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml")}
        self.assertTrue(named)
        self.assertLessEqual(named, folders)

    def test_the_image_runs_as_nobody_of_importance_and_tells_its_health(self) -> None:
        self.assertEqual(self.of("USER", self.last), ["10001:10001"])
        self.assertEqual(len(self.of("HEALTHCHECK", self.last)), 1)
        self.assertNotIn("cargo", " ".join(rest for _, rest in self.last))
        for image in self.of("FROM", self.steps):
            self.assertRegex(image, r"^[a-z]+:(?!latest)\S+")

    def test_the_compiler_of_the_image_is_the_one_it_names(self) -> None:
        image = self.of("FROM", self.steps)[0]
        toolchain = re.search(r"RUSTUP_TOOLCHAIN=(\d+\.\d+)\.\d+", " ".join(self.of("ENV", self.steps)))
        self.assertIn(f"rust:{toolchain.group(1)}-", image)


class Health(unittest.TestCase):
    def answer(self, status: int) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/healthz" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                return self.check(server.server_address[1])
            finally:
                server.shutdown()

    def check(self, port: int) -> int:
        return subprocess.run([str(INFRA / "healthy"), str(port)], stderr=subprocess.DEVNULL, timeout=10, check=False).returncode

    def test_it_is_healthy_only_when_it_says_so(self) -> None:
        self.assertEqual(self.answer(200), 0)
        self.assertNotEqual(self.answer(503), 0)
        self.assertNotEqual(self.check(1), 0)


class Compose(unittest.TestCase):
    def setUp(self) -> None:
        self.text = (INFRA / "compose.yaml").read_text(encoding="utf-8")
        self.file: Dict[str, Any] = yaml.safe_load(self.text)
        self.services: Dict[str, Dict[str, Any]] = self.file["services"]

    def test_no_password_has_a_default(self) -> None:
        variables = VARIABLE.findall(self.text)
        self.assertLessEqual(SECRETS, {name for name, _, _ in variables})
        for name, mark, default in variables:
            if name in SECRETS:
                self.assertEqual((mark, default), (":?", ""), name)
        for name in ("PASSWORD", "KEYS"):
            self.assertNotRegex(self.text, rf"{name}: [a-z0-9]")

    def test_the_example_names_every_variable_and_no_other(self) -> None:
        example = (INFRA / "compose.env.example").read_text(encoding="utf-8")
        named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
        self.assertEqual(named, {name for name, _, _ in VARIABLE.findall(self.text)})
        for name in SECRETS:
            self.assertRegex(example, rf"(?m)^{name}=$")

    def test_what_compose_is_checked_with_is_what_it_asks_for(self) -> None:
        for path, given in ((workflows.COMPOSE, workflows.FILLED_IN), (workflows.COMPOSE_OF_STORES, workflows.OF_STORES)):
            needed = {name for name, mark, _ in VARIABLE.findall(path.read_text(encoding="utf-8")) if mark == ":?"}
            self.assertEqual(needed, set(given), path.name)
        profiles = {profile for service in self.services.values() for profile in service.get("profiles", [])}
        self.assertEqual(profiles, {part for options in workflows.PROFILES for part in options if part != "--profile"})

    def test_every_service_has_no_more_rights_than_it_needs(self) -> None:
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertNotIn("privileged", service)
                self.assertNotIn("network_mode", service)
                if name != "postgres":  # which gives its folder to its own account, and goes on as that
                    self.assertIn(service["user"], ("redis", "10001:10001"))
                    self.assertNotIn("cap_add", service)

    def test_nothing_is_published_beyond_this_machine_unless_that_is_said(self) -> None:
        published = [port for service in self.services.values() for port in service.get("ports", [])]
        self.assertEqual(len(published), 3)
        for port in published:
            self.assertRegex(port, r"^(127\.0\.0\.1|\$\{LISTEN:-127\.0\.0\.1\}):")

    def test_the_stores_alone_start_without_a_profile_and_keep_their_data_in_volumes(self) -> None:
        without = {name for name, service in self.services.items() if not service.get("profiles")}
        self.assertEqual(without, {"postgres", "redis"})
        kept = {volume.split(":")[0] for name in without for volume in self.services[name]["volumes"]}
        self.assertEqual(kept, set(self.file["volumes"]))

    def test_what_is_kept_running_tells_its_health_and_starts_again(self) -> None:
        for name in ("postgres", "redis", "backend"):
            self.assertEqual(self.services[name]["restart"], "unless-stopped")
            self.assertTrue(name == "backend" or "test" in self.services[name]["healthcheck"])

    def test_the_backend_waits_for_the_stores_and_for_the_migration(self) -> None:
        waits = {name: wait["condition"] for name, wait in self.services["backend"]["depends_on"].items()}
        expected = {"postgres": "service_healthy", "redis": "service_healthy", "migrate": "service_completed_successfully"}
        self.assertEqual(waits, expected)
        self.assertEqual(self.services["migrate"]["restart"], "no")

    def test_the_gateway_is_told_the_same_as_by_make_run(self) -> None:
        for name in ("migrate", "backend"):
            service = self.services[name]
            words = [*service.get("entrypoint", []), *service["command"]]
            with self.subTest(name):
                self.assertIn(f"--leave-out {' '.join(settings.LEFT_OUT)} --", " ".join(words))
                # The APIs' own limits stay, unlike on a laptop: here strangers may ask.
                size = [parameter for parameter in settings.PARAMETERS if parameter.startswith("Size=")]
                self.assertEqual([word for word in words if word.startswith("Size=")], size)
                told: Dict[str, str] = service["environment"]
                self.assertEqual({key: told.get(key) for key in settings.LOCAL_STORES}, settings.LOCAL_STORES)

    def test_every_setting_of_the_backend_is_one_that_the_template_declares(self) -> None:
        template = (ROOT / "template.yaml").read_text(encoding="utf-8")
        for name in self.services["backend"]["environment"]:
            if name != "CONCURRENCY":
                with self.subTest(name):
                    self.assertRegex(template, rf"(?m)^ +{name}: ")


class Ignored(unittest.TestCase):
    def test_a_filled_in_file_of_settings_is_not_committed(self) -> None:
        patterns = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
        for path in ("/infra/compose.env", "/.env"):
            self.assertTrue(any(fnmatch.fnmatch(path, pattern) for pattern in patterns), path)


if __name__ == "__main__":
    unittest.main()
