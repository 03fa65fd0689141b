"""What the load model reckons, held against sums made by hand, and what it reckons with, against where that stands."""

import os
import re
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Dict
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "scripts"))

import load_model as model
from processes import Failure

# A machine on which everything takes round numbers.
ROUND: Dict[str, float] = {
    **model.case("likely"),
    "send_us": 1000,
    "arm": 1,
    "throttled": 0,
    "redis_ms": 1,
    "database_ms": 1,
    "proxy_ms": 1,
    "commit_ms": 2,
    "post_us": 100,
    "post_ms": 10,
    "invoke_ms": 5,
    "redis_us": 100,
    "ecpu_us": 10,
    "frames": 1,
    "entry_bytes": 500,
    "member_bytes": 250,
    "key_bytes": 200,
}


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


class Figures(unittest.TestCase):
    def test_each_measured_figure_stands_in_the_readme(self) -> None:
        readme = text("README.md")
        for name, (value, written) in model.MEASURED.items():
            with self.subTest(name):
                self.assertIn(written, readme)
                number = f"{value:,}" if value >= 1 else str(value)
                self.assertIn(number, written)

    def test_what_is_taken_of_the_sources_stands_in_them(self) -> None:
        for path, written in (
            ("shared/src/log/fold.lua", f"local INLINE, BUCKET = {model.INLINE}, {model.BUCKET}"),
            ("shared/src/log/rounds.rs", f"PARALLEL_POSTS: usize = {model.PARALLEL_POSTS};"),
            ("shared/src/log/mod.rs", f"HOLD: Duration = Duration::from_millis({model.HOLD_MS});"),
            ("shared/src/log/mod.rs", f"STREAM_LENGTH: u32 = {model.STREAM};"),
            ("shared/src/redis/keys.rs", f"PARTITIONS: u32 = {model.PARTITIONS};"),
            ("shared/src/log/inbox.rs", f"BATCH: usize = {model.PER_JOB};"),
            ("ARCHITECTURE.md", "| send (HTTP or WebSocket); whoever pushes | 2; +1 | 1 | 0; 1 |"),
            ("ARCHITECTURE.md", "| typing · ping · `$disconnect` | 2 | 0 |"),
            ("functions/web/client/client.js", "(30 + 30 * this.#random()) * SECOND"),
            ("template.yaml", f"a post is {model.POST_US} µs of it"),
        ):
            with self.subTest(path):
                self.assertIn(written, text(path))
        self.assertEqual(model.PING_EVERY_S, 30 + 30 / 2)

    def test_a_part_of_a_core_at_a_rate_is_a_time_for_each_message(self) -> None:
        self.assertAlmostEqual(model.core_us("ws-message", "fan-out"), 323.24, places=2)
        self.assertAlmostEqual(model.core_us("postgres"), 122.75, places=2)
        self.assertAlmostEqual(model.ALONE, 2.61, places=2)

    def test_low_is_never_dearer_than_likely_nor_likely_than_high(self) -> None:
        for size in model.SIZES:
            for room in model.ROOMS:
                costs = [sum(model.million_messages(room, size, model.case(name)).values()) for name in model.CASES]
                self.assertEqual(costs, sorted(costs), (size.name, room))


class Messages(unittest.TestCase):
    def test_a_send_to_one_other_pays_each_trip_once(self) -> None:
        # 1 of CPU, 2 to Redis, 1 + 2 to Postgres, and a post of 10 that is told to Redis in 1.
        self.assertAlmostEqual(model.message(2, model.SMALL, ROUND).send_ms, 17)
        # A commit to two zones, by the proxy.
        self.assertAlmostEqual(model.message(2, model.PRODUCTION, ROUND).send_ms, 20)

    def test_a_send_that_has_pushed_for_50_ms_hands_on_the_rest(self) -> None:
        one = model.message(100, model.SMALL, {**ROUND, "throttled": 1})
        # 99 posts of 0.1 ms at 256 / 1,769 of a vCPU are 68.41 ms, and 1 to Redis: 50 of 69.41 are done.
        self.assertEqual(one.jobs, 1)
        self.assertAlmostEqual(one.send_ms, 1769 / 256 + 2 + 3 + 50 + 5, places=2)
        self.assertAlmostEqual(one.job_ms, 12)
        self.assertEqual(model.message(100, model.SMALL, ROUND).jobs, 0)

    def test_a_big_room_is_pushed_to_by_a_job_for_each_bucket(self) -> None:
        for connections, buckets in ((2, 1), (128, 1), (129, 2), (512, 2), (513, 4), (1000, 4), (1025, 8)):
            self.assertEqual(model.buckets(connections), buckets, connections)
        one = model.message(1000, model.SMALL, ROUND)
        self.assertEqual((one.posts, one.jobs), (999, 4))
        self.assertAlmostEqual(one.send_ms, 1 + 2 + 3 + 5)
        self.assertAlmostEqual(one.job_ms, 42)  # 249.75 posts, 64 at a time, in 4 waves of 10, and 2 to Redis

    def test_in_bursts_to_a_thousand_a_frame_holds_several(self) -> None:
        self.assertAlmostEqual(model.message(1000, model.SMALL, {**ROUND, "frames": 0.15}).posts, 149.85)
        self.assertEqual(model.message(100, model.SMALL, {**ROUND, "frames": 0.15}).posts, 99)


class Costs(unittest.TestCase):
    def test_lambda_bills_whole_milliseconds_and_each_request(self) -> None:
        # 28,000 s of a quarter of a GB are 7,000 GB-s.
        self.assertAlmostEqual(model.lambda_usd(1, 27.2, 256), 0.20 + 7000 * 0.0000133334)

    def test_a_message_its_ack_and_its_frames_are_billed(self) -> None:
        costs = model.million_messages(10, model.SMALL, ROUND)
        self.assertAlmostEqual(costs["API Gateway"], 11)
        self.assertAlmostEqual(costs["NAT"], 9 * 2.5 * 0.045)
        self.assertEqual(model.million_messages(10, model.SMALL, ROUND, nat=False)["NAT"], 0)
        self.assertAlmostEqual(costs["Lambda"], model.lambda_usd(1, 17, 256))
        self.assertAlmostEqual(costs["Cache"], (10 + 0.9) * 0.0023)

    def test_the_floor_is_hours_times_prices(self) -> None:
        for size, database, egress, expected in (
            (model.SMALL, "Rds", "Nat", {"Database": 23.36, "its storage": 2.30, "RDS Proxy": 0}),
            (model.SMALL, "Rds", "Nat", {"NAT gateways, addresses": 36.50, "Cache": 6.132, "Secrets": 0.80}),
            (model.SMALL, "Aurora", "Ipv6", {"Database": 43.80, "NAT gateways, addresses": 0}),
            (model.PRODUCTION, "Rds", "Nat", {"Database": 94.90, "its storage": 4.60, "RDS Proxy": 21.90}),
            (model.PRODUCTION, "Aurora", "Nat", {"Database": 175.20, "RDS Proxy": 87.60}),
            (model.PRODUCTION, "Rds", "Nat", {"NAT gateways, addresses": 73.00, "Alarms, dashboard": 7.90}),
        ):
            costs = model.floor(size, database, egress)
            for line, amount in expected.items():
                self.assertAlmostEqual(costs[line], amount, places=2, msg=(size.name, database, line))

    def test_an_example_counts_pings_minutes_and_messages(self) -> None:
        example = model.Example(
            name="one",
            size=model.SMALL,
            people=10,
            days=20,
            daily=1,
            hours=10,
            online=1,
            messages=60,
            busiest=0.1,
            rooms={2: 1},
            warm={2: (2000, 1000)},
        )
        result = model.reckon(example, ROUND)
        self.assertAlmostEqual(result.per_s, 10 * 60 * 0.1 / 3600)
        self.assertAlmostEqual(result.frames_per_s, result.per_s)
        self.assertAlmostEqual(
            result.costs["messages"], 0.012 * sum(model.million_messages(2, model.SMALL, ROUND).values())
        )
        # 2,000 rooms of 1,000 entries of 500 bytes and two members of 250, and keys of 600 messages.
        cached = 2000 * (1000 * 500 + 2 * 250) + 600 * 200
        self.assertAlmostEqual(
            result.costs["the cache, beyond the floor's 0.1 GB"], (cached / 1e9 - 0.1) * 0.084 * 730, places=6
        )
        # 2,000 hours: 120,000 minutes and 160,000 pings with their answers, besides Lambda and logs.
        self.assertGreater(result.costs["being connected"], 0.12 * 0.25 + 0.32)
        self.assertLess(result.costs["being connected"], 0.12 * 0.25 + 0.32 + 0.16)


class Limits(unittest.TestCase):
    def per_s(self, size: model.Size, room: int) -> Dict[str, float]:
        return {limit.what: limit.per_s(room) for limit in model.limits(size, ROUND)}

    def test_a_message_takes_a_request_and_its_posts_of_the_accounts_rate(self) -> None:
        self.assertAlmostEqual(self.per_s(model.SMALL, 100)[model.ACCOUNT], 100)
        self.assertAlmostEqual(self.per_s(model.SMALL, 1000)[model.ACCOUNT], 10)

    def test_reserved_concurrency_bears_so_many_times_a_second(self) -> None:
        self.assertAlmostEqual(self.per_s(model.SMALL, 2)[model.WS_MESSAGE], 4 / 0.017)
        self.assertAlmostEqual(self.per_s(model.SMALL, 1000)[model.FAN_OUT], 2 / (4 * 0.042))

    def test_the_cache_has_room_for_so_many_full_conversations(self) -> None:
        self.assertAlmostEqual(model.room_bytes(100, 1000, ROUND), 525_000)
        self.assertIn("| **1,200** (", model.limits_table(model.SMALL).split("**Rooms in the cache**")[1])

    def test_the_least_breaks_first(self) -> None:
        what, per_s = model.first_to_break(1000, model.SMALL, ROUND)
        self.assertEqual(what, model.ACCOUNT)
        self.assertAlmostEqual(per_s, 10)

    def test_people_ping_whether_they_send_or_not(self) -> None:
        what, count = model.people(1000, model.PRODUCTION, ROUND)
        self.assertEqual(what, model.ACCOUNT)
        self.assertAlmostEqual(count, 10_000 / (20 / 3600 * 1000 + 1 / 45))


class Templates(unittest.TestCase):
    def test_the_templates_have_the_sizes_that_are_reckoned_with(self) -> None:
        self.assertEqual(model.check_templates(), [])

    def test_a_value_is_found_in_blocks_and_in_braces(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "template.yaml"
            path.write_text("A:\n  # B: 0\n  B:\n    C: 1 # one\n  D: {C: 2, E: 3}\nB:\n  C: 4\n", encoding="utf-8")
            for keys, value in ((("A", "B", "C"), "1"), (("A", "D", "E"), "3"), (("B", "C"), "4")):
                self.assertEqual(model.setting(path, *keys), value)
            for keys in (("A", "C"), ("A", "B", "D"), ("A", "D", "F"), ("C",)):
                with self.assertRaises(Failure):
                    model.setting(path, *keys)

    def test_each_changed_size_is_named(self) -> None:
        for path, keys, value in model.expected():
            with self.subTest(".".join(keys)):
                with mock.patch.object(model, "expected", lambda: [(path, keys, value + "0")]):
                    problems = model.check_templates()
                self.assertEqual(len(problems), 1)
                self.assertIn(".".join(keys), problems[0])

    def test_another_alarm_is_noticed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "monitoring.yaml"
            old = model.MONITORING.read_text(encoding="utf-8")
            one = "\n  Another:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n      MetricName: Errors\n"
            path.write_text(old.replace("\nOutputs:", one + "\nOutputs:"), encoding="utf-8")
            with mock.patch.object(model, "MONITORING", path):
                self.assertEqual(len(model.check_templates()), 2)


class Document(unittest.TestCase):
    def test_the_document_has_the_models_tables(self) -> None:
        self.assertEqual(model.check_document(text("DEPLOYMENT.md")), [])

    def test_the_readme_names_the_floor_of_a_small_stack(self) -> None:
        by_ipv6, by_nat = (sum(model.floor(model.SMALL, "Rds", egress).values()) for egress in ("Ipv6", "Nat"))
        readme = " ".join(text("README.md").split())
        self.assertIn(f"${by_ipv6:.0f} (IPv6 alone) or ${by_nat:.0f} (NAT) a month", readme)

    def test_a_changed_figure_in_a_table_is_noticed(self) -> None:
        document = text("DEPLOYMENT.md")
        for name in model.tables():
            old = model.table_in(document, name)
            digit = next(position for position in reversed(range(len(old))) if old[position].isdigit())
            new = old[:digit] + str((int(old[digit]) + 1) % 10) + old[digit + 1 :]
            problems = model.check_document(document.replace(old, new))
            self.assertEqual(len(problems), 1, name)
            self.assertIn(repr(name), problems[0])
            self.assertEqual(model.with_tables(document.replace(old, new)), document)

    def test_a_place_that_is_missing_is_named(self) -> None:
        document = text("DEPLOYMENT.md")
        for broken in (document.replace("<!-- load model: floor -->", ""), document.split("<!-- end -->")[0]):
            with self.assertRaisesRegex(Failure, "the table '(floor|sizes)'"):
                model.check_document(broken)

    def test_each_parameter_and_each_alarm_is_told_of(self) -> None:
        document = text("DEPLOYMENT.md")
        parameters = text("template.yaml").split("\nParameters:\n")[1].split("\nRules:\n")[0]
        names = re.findall(r"^  (\w+):$", parameters, re.MULTILINE)
        self.assertIn("MailFrom", names)
        for name in names:
            with self.subTest(name):
                self.assertIn("`Throttle…`" if name.startswith("Throttle") else f"`{name}`", document)
        rows = [line for line in document.split("| Alarm |")[1].split("\n\n")[0].splitlines() if line.startswith("| `")]
        told = {name: "*" in row.split("|")[1] for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
        there = {}
        for path in (model.TEMPLATE, model.MONITORING):
            for name, head in re.findall(
                r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm\n((?:    Condition: \w+\n)?)",
                path.read_text(encoding="utf-8"),
                re.MULTILINE,
            ):
                there[name] = any(condition in head for condition in model.PRODUCTION_ONLY)
        # Both halves of a row are in Production only, or the row says so of the later one.
        self.assertEqual(set(told), set(there))
        for name, production_only in there.items():
            with self.subTest(name):
                self.assertTrue(told[name] or not production_only)

    def test_the_command_says_what_is_wrong_and_fails(self) -> None:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, mock.patch.object(sys, "stderr", nowhere):
            self.assertEqual(model.main(["--what"]), 1)


if __name__ == "__main__":
    unittest.main()
