"""What the stack on AWS costs and bears: from what was measured, AWS's prices and quotas, and the templates' sizes.

Prints the tables of DEPLOYMENT.md. `--write` puts them there; `--check` fails when those there are others, or when the
templates have other sizes than are reckoned with here.
"""

from __future__ import annotations

import sys

sys.dont_write_bytecode = True

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from processes import Failure, say
from settings import ROOT, TEMPLATE, shown

DOCUMENT = ROOT / "DEPLOYMENT.md"
STORES = ROOT / "infra" / "stacks" / "stores.yaml"
MONITORING = ROOT / "infra" / "stacks" / "monitoring.yaml"
PRODUCTION_ONLY = ("Production",)  # conditions of alarms
HOURS = 730  # of a month, as AWS reckons
MILLION = 1_000_000
GB = 1e9
ONE_VCPU = 1769  # MB of memory with which a Lambda function has one
INLINE, BUCKET = 128, 256  # connections: shared/src/log/fold.lua
PARALLEL_POSTS = 64  # shared/src/log/rounds.rs
STREAM = 1000  # latest entries of a conversation that the cache has, for a week after its last: shared/src/log/mod.rs
HOLD_MS = 50  # how long a send pushes before a job goes on: shared/src/log/mod.rs
CALLS = 4  # to Redis of a send, the commands' throttle among them
PARTITIONS = 256  # which maintenance asks, twice: shared/src/redis/keys.rs
PER_JOB = 64  # sends that one job commits in a burst: shared/src/log/inbox.rs
ROOMS = (2, 10, 100, 1000)

# --- Prices ---


class Price(NamedTuple):
    usd: float
    unit: str
    page: str  # AWS's page of it


PRICES: Dict[str, Price] = {
    "http_request": Price(1.00, "million requests of the HTTP API", "api-gateway/pricing"),
    "ws_message": Price(1.00, "million messages of the WebSocket API, either way, each 32 KB", "api-gateway/pricing"),
    "ws_minute": Price(0.25, "million connection minutes", "api-gateway/pricing"),
    "lambda_request": Price(0.20, "million invocations", "lambda/pricing"),
    "lambda_gb_s": Price(0.0000133334, "GB-second, arm64", "lambda/pricing"),
    "ecpu": Price(0.0023, "million ECPUs, Valkey", "elasticache/pricing"),
    "cache_gb": Price(0.084, "GB-hour in the cache, Valkey, at least 0.1 GB", "elasticache/pricing"),
    "db.t4g.small": Price(0.032, "hour of db.t4g.small (in two zones twice)", "rds/postgresql/pricing"),
    "db.t4g.medium": Price(0.065, "hour of db.t4g.medium (likewise)", "rds/postgresql/pricing"),
    "rds_gb": Price(0.115, "GB-month of gp3 (likewise)", "rds/postgresql/pricing"),
    "credit": Price(0.075, "vCPU-hour above the baseline of a T4g", "rds/postgresql/pricing"),
    "acu_hour": Price(0.12, "ACU-hour, Aurora Standard", "rds/aurora/pricing"),
    "aurora_gb": Price(0.10, "GB-month of Aurora", "rds/aurora/pricing"),
    "aurora_io": Price(0.20, "million I/Os of Aurora Standard", "rds/aurora/pricing"),
    "proxy_hour": Price(0.015, "hour of RDS Proxy and vCPU (at least 2) or ACU (at least 8)", "rds/proxy/pricing"),
    "nat_hour": Price(0.045, "hour of a NAT gateway", "vpc/pricing"),
    "nat_gb": Price(0.045, "GB through it", "vpc/pricing"),
    "ipv4_hour": Price(0.005, "hour of a public IPv4 address", "vpc/pricing"),
    "out_gb": Price(0.09, "GB out to the internet", "ec2/pricing/on-demand"),
    "log_gb": Price(0.50, "GB of logs taken in", "cloudwatch/pricing"),
    "metric": Price(0.30, "custom metric a month, by the hours it has data", "cloudwatch/pricing"),
    "alarm": Price(0.10, "alarm a month, each metric that it reads", "cloudwatch/pricing"),
    "dashboard": Price(3.00, "dashboard a month", "cloudwatch/pricing"),
    "secret": Price(0.40, "secret a month", "secrets-manager/pricing"),
    "mail": Price(0.10, "1,000 mails", "ses/pricing"),
}

# --- Figures ---


class Figure(NamedTuple):
    """Low and high are what it may well be; all three are the same where it was measured as it is used."""

    low: float
    likely: float
    high: float
    unit: str
    source: str


# What stands in the README, and how it is written there.
MEASURED: Dict[str, Tuple[float, str]] = {
    "rate": (2444, "2,444 messages/s acked"),  # two members, 16 sends under way
    "alone": (540, "540 messages/s acked"),  # one send at a time
    "ws-message": (52, "in percent of one core: ws-message 52"),
    "fan-out": (27, "fan-out 27"),
    "redis": (31, "Redis 31"),
    "postgres": (30, "Postgres 30"),
    "scripts": (85, "85 µs with 16 sends under way"),
    "scripts_alone": (222, "222 µs one at a time"),
    "burst_frames": (0.15, "0.15 frames per delivered message"),
    "history": (2125, "2,125 requests/s"),
}
POST_US = 70  # template.yaml, where fan-out has its memory


def measured(name: str) -> float:
    return MEASURED[name][0]


def core_us(*parts: str) -> float:
    """How long one core works at a message, by the percentages of one core in the README."""
    return sum(measured(part) for part in parts) / 100 / measured("rate") * 1e6


# A send that comes alone shares nothing with others; how much more it takes is known of Redis' scripts.
ALONE = measured("scripts_alone") / measured("scripts")

FIGURES: Dict[str, Figure] = {
    "send_us": Figure(
        core_us("ws-message", "fan-out"),
        core_us("ws-message", "fan-out") * ALONE,
        1e6 / measured("alone"),
        "µs of a core, a send with one post, in the functions",
        "derived: (52 + 27) % of a core at 2,444/s; the same times 222/85 for sends that come alone; all of 1 s / 540",
    ),
    "redis_us": Figure(
        core_us("redis"),
        core_us("redis") * ALONE,
        core_us("redis") * ALONE,
        "µs of a core, a send, in Redis",
        "derived: 31 % at 2,444/s; times 222/85 alone",
    ),
    "postgres_us": Figure(
        core_us("postgres"),
        core_us("postgres") * ALONE,
        core_us("postgres") * ALONE,
        "µs of a core, a send, in Postgres",
        "derived: 30 % at 2,444/s; alone as if as much more as Redis' scripts",
    ),
    "post_us": Figure(
        POST_US, POST_US, POST_US, "µs of a core, a post", "measured on that machine, at `template.yaml`'s `fan-out`"
    ),
    "request_us": Figure(
        500,
        2e6 / measured("history"),
        2e6 / measured("history"),
        "µs of a core, an HTTP request",
        "derived: both cores at 2,125 pages of history/s, gateway and stores included; less is assumed",
    ),
    "frames": Figure(
        measured("burst_frames"),
        1,
        1,
        "frames for each delivery",
        "measured: 0.15 in bursts of 20 to 1,000, 1 where each message comes before the next; "
        "the low one is only taken for 1,000",
    ),
    "arm": Figure(1, 1.25, 1.5, "times as long on a Lambda vCPU as on that core", "assumed"),
    "throttled": Figure(
        0,
        1,
        1,
        "whether a function has only its share of a vCPU (memory / 1,769 MB) in short work, too",
        "assumed",
    ),
    "redis_ms": Figure(0.4, 0.75, 1.5, "ms, a round trip to the cache", "assumed"),
    "database_ms": Figure(0.5, 1, 2, "ms, a round trip to the database", "assumed"),
    "proxy_ms": Figure(0.5, 1, 3, "ms that RDS Proxy adds", "assumed"),
    "commit_ms": Figure(1, 2, 5, "ms, a durable commit to one zone; to two (Multi-AZ, Aurora) twice", "assumed"),
    "post_ms": Figure(5, 15, 30, "ms, a post", "assumed"),
    "invoke_ms": Figure(5, 10, 25, "ms, to start a job", "assumed"),
    "ping_us": Figure(50, 150, 400, "µs of a core, a ping", "assumed"),
    "maintenance_ms": Figure(50, 100, 500, "ms, a run of `maintenance`", "assumed"),
    "ecpu_us": Figure(33, 10, 3, "µs of Redis' core that AWS counts as one ECPU", "assumed (33: 30,000 a slot and s)"),
    "log_bytes": Figure(
        740,
        740,
        900,
        "bytes, the line of an invocation",
        "measured in the logs of `make test`: 408, and 330 with metrics",
    ),
    "platform_bytes": Figure(180, 430, 430, "bytes, Lambda's own lines of an invocation", "assumed"),
    "access_bytes": Figure(250, 350, 450, "bytes, a line of the access log", "assumed"),
    "post_bytes": Figure(1500, 2500, 4000, "bytes through NAT, a post or a start of a job", "assumed"),
    "frame_bytes": Figure(
        500,
        600,
        1200,
        "bytes to a client, a frame",
        "measured: 578, the example of the AsyncAPI document with 60 characters of text",
    ),
    "entry_bytes": Figure(
        700,
        770,
        1500,
        "bytes in the cache, an entry of a log",
        "measured: 770 in Redis 7, that example as an entry of a full stream",
    ),
    "member_bytes": Figure(250, 350, 500, "bytes in the cache, a member of a room who is connected", "assumed"),
    "key_bytes": Figure(
        234, 234, 300, "bytes in the cache, for a day, the idempotency key of a message", "measured: 234 in Redis 7"
    ),
    "answer_bytes": Figure(2000, 5000, 10_000, "bytes to a client, the answer to an HTTP request", "assumed"),
    "row_bytes": Figure(
        500,
        600,
        1500,
        "bytes in Postgres, a message with its indexes",
        "measured: 501 in Postgres 15, right after 100,000 messages of 59 characters",
    ),
    "row_ios": Figure(2, 5, 10, "I/Os of Aurora, a message", "assumed"),
}
PING_EVERY_S = 45  # the client pings after 30 to 60 s, drawn anew each time
CASES = ("low", "likely", "high")


def case(name: str) -> Dict[str, float]:
    return {figure: getattr(values, name) for figure, values in FIGURES.items()}


# --- Sizes ---


@dataclass(frozen=True)
class Size:
    """What the templates make of a size; `--check` compares."""

    name: str
    zones: int  # with a NAT gateway, and with a copy of the database
    instance_class: str
    acus: Tuple[float, float]
    proxy: bool
    connections: int  # that Postgres takes
    cache_gb: int
    ecpus: int  # that the cache may take a second
    backup_days: int
    reserved: Mapping[str, int]  # concurrency
    alarms: int  # metrics that alarms read


SMALL = Size(
    name="Small",
    zones=1,
    instance_class="db.t4g.small",
    acus=(0.5, 2),
    proxy=False,
    connections=100,
    cache_gb=1,
    ecpus=5000,
    backup_days=7,
    reserved={
        "Auth": 2,
        "Conversations": 2,
        "History": 2,
        "Graphql": 2,
        "Ops": 1,
        "Web": 5,
        "WsConnect": 3,
        "WsMessage": 4,
        "WsDisconnect": 2,
        "FanOut": 2,
        "Mail": 1,
        "Maintenance": 1,
        "RotateKeys": 1,
        "Migrate": 1,
    },
    alarms=10,
)
PRODUCTION = Size(
    name="Production",
    zones=2,
    instance_class="db.t4g.medium",
    acus=(1, 16),
    proxy=True,
    connections=300,
    cache_gb=20,
    ecpus=100_000,
    backup_days=35,
    reserved={
        "Auth": 20,
        "Conversations": 20,
        "History": 30,
        "Graphql": 20,
        "Ops": 2,
        "Web": 50,
        "WsConnect": 60,
        "WsMessage": 100,
        "WsDisconnect": 40,
        "FanOut": 60,
        "Mail": 5,
        "Maintenance": 1,
        "RotateKeys": 1,
        "Migrate": 1,
    },
    alarms=49,
)
SIZES = (SMALL, PRODUCTION)

MEMORY = {"WsMessage": 256, "FanOut": 1769, "History": 256}
INSTANCES = {"db.t4g.small": (2, 0.20), "db.t4g.medium": (2, 0.20)}  # vCPUs, and how much of them for hours
API_RATE = 1000  # the parameter's default
STORAGE_GB = 20
IOPS = 3000  # of gp3 below 400 GB
SECRETS = 2  # the key ring, and the master user's that RDS manages
FUNCTIONS = 12  # that log invocations in everyday use
METRICS_EACH = 4  # that each of them counts; maintenance one more

# --- What a message takes ---


class Message(NamedTuple):
    """What one message to a room of n connected people takes."""

    posts: float
    jobs: float
    send_ms: float
    job_ms: float
    ecpus: float
    log_bytes: float
    nat_bytes: float
    out_bytes: float


def buckets(connections: int) -> int:
    """Into how many a big room is shared out; each is pushed to by a job."""
    if connections <= INLINE:
        return 1
    count = 1
    while connections > count * BUCKET:
        count *= 2
    return max(count, 2)


def cpu_ms(microseconds: float, memory: int, figures: Mapping[str, float]) -> float:
    share = min(memory / ONE_VCPU, 1) if figures["throttled"] else 1
    return microseconds / 1000 * figures["arm"] / share


def posting_ms(posts: float, memory: int, figures: Mapping[str, float]) -> float:
    """So many in parallel at a time; waiting and work overlap."""
    waiting = math.ceil(posts / PARALLEL_POSTS) * figures["post_ms"]
    return max(waiting, cpu_ms(posts * figures["post_us"], memory, figures))


def message(room: int, size: Size, figures: Mapping[str, float]) -> Message:
    frames = figures["frames"] if room >= 1000 else 1
    posts = (room - 1) * frames
    commit = figures["commit_ms"] * size.zones + figures["database_ms"]
    if size.proxy:
        commit += figures["proxy_ms"]
    send = cpu_ms(figures["send_us"], MEMORY["WsMessage"], figures) + 2 * figures["redis_ms"] + commit
    if room <= INLINE:
        pushing = posting_ms(posts, MEMORY["WsMessage"], figures) + figures["redis_ms"]
        held = min(pushing, HOLD_MS)
        jobs, left = (1, posts * (1 - held / pushing)) if pushing > HOLD_MS else (0, 0.0)
        send += held
    else:
        jobs = buckets(room)
        left = posts / jobs
    job = posting_ms(left, MEMORY["FanOut"], figures) + 2 * figures["redis_ms"] if jobs else 0.0
    if jobs:
        send += figures["invoke_ms"]
    own = figures["log_bytes"] + figures["platform_bytes"]
    return Message(
        posts=posts,
        jobs=jobs,
        send_ms=send,
        job_ms=job,
        # Each call is one at least, and so is each KB: a cut names a connection in about 100 bytes.
        ecpus=max(figures["redis_us"] / figures["ecpu_us"], CALLS) + posts * 0.1,
        log_bytes=own + figures["access_bytes"] + jobs * own,
        nat_bytes=(posts + jobs) * figures["post_bytes"],
        out_bytes=(posts + 1) * figures["frame_bytes"],
    )


def usd(price: str, amount: float) -> float:
    """Of prices for a million units, the amount is in millions."""
    return PRICES[price].usd * amount


def lambda_usd(millions: float, milliseconds: float, memory: int) -> float:
    billed = math.ceil(milliseconds)
    seconds = millions * MILLION * billed / 1000
    return usd("lambda_request", millions) + usd("lambda_gb_s", seconds * memory / 1024)


Costs = Dict[str, float]


def million_messages(room: int, size: Size, figures: Mapping[str, float], nat: bool = True) -> Costs:
    """What a million messages cost. Each is one message in, its ack and its frames."""
    one = message(room, size, figures)
    gigabytes = MILLION / GB
    return {
        "API Gateway": usd("ws_message", 2 + one.posts),
        "Lambda": lambda_usd(1, one.send_ms, MEMORY["WsMessage"])
        + (lambda_usd(one.jobs, one.job_ms, MEMORY["FanOut"]) if one.jobs else 0),
        "Logs": usd("log_gb", one.log_bytes * gigabytes),
        "NAT": usd("nat_gb", one.nat_bytes * gigabytes) if nat else 0.0,
        "Data out": usd("out_gb", one.out_bytes * gigabytes),
        "Cache": usd("ecpu", one.ecpus),
    }


def room_bytes(room: int, entries: float, figures: Mapping[str, float]) -> float:
    """What a warm conversation takes in the cache."""
    return entries * figures["entry_bytes"] + room * figures["member_bytes"]


def io_usd(figures: Mapping[str, float]) -> float:
    """What Aurora charges for the I/Os of a million messages."""
    return usd("aurora_io", figures["row_ios"])


def disk_usd(millions: float, size: Size, figures: Mapping[str, float]) -> float:
    """What so many messages on disk cost a month."""
    return usd("rds_gb", millions * MILLION * figures["row_bytes"] / GB) * size.zones


# --- The floor ---


def floor(size: Size, database: str, egress: str) -> Costs:
    """What a month costs when nobody is there."""
    if database == "Rds":
        store = usd(size.instance_class, HOURS) * size.zones
        disk = usd("rds_gb", STORAGE_GB) * size.zones
        proxied = max(INSTANCES[size.instance_class][0], 2)
    else:
        store = usd("acu_hour", HOURS * size.acus[0]) * size.zones
        disk = usd("aurora_gb", 1)
        proxied = 8
    gateways = size.zones if egress == "Nat" else 0
    return {
        "Database": store,
        "its storage": disk,
        "RDS Proxy": usd("proxy_hour", HOURS * proxied) if size.proxy else 0.0,
        "Cache": usd("cache_gb", HOURS * 0.1),
        "NAT gateways, addresses": gateways * (usd("nat_hour", HOURS) + usd("ipv4_hour", HOURS)),
        "Secrets": usd("secret", SECRETS),
        "Alarms, dashboard": usd("alarm", size.alarms) + usd("dashboard", 1),
        "`maintenance` each minute, its logs and metrics": maintenance(),
    }


def floor_text(size: Size, egress: str) -> str:
    """What a deployment is told of it, an output of the stack."""
    of_rds, of_aurora = (sum(floor(size, database, egress).values()) for database in ("Rds", "Aurora"))
    return f"${of_rds:.0f} with RDS or ${of_aurora:.0f} with Aurora"


def maintenance() -> float:
    figures = case("likely")
    runs = HOURS * 60 / MILLION
    logs = usd("log_gb", runs * (figures["log_bytes"] + figures["platform_bytes"]) * MILLION / GB)
    asked = usd("ecpu", runs * PARTITIONS * 2)
    run = lambda_usd(runs, figures["maintenance_ms"], MEMORY["WsMessage"])
    return run + logs + asked + usd("metric", METRICS_EACH + 1)


# --- Limits ---

ACCOUNT_RPS = 10_000
SLOT_ECPU = 30_000
ACCOUNT = "API Gateway, the account's rate"
WS_MESSAGE = "`ws-message`, concurrency reserved"
FAN_OUT = "`fan-out`, concurrency reserved"


class Limit(NamedTuple):
    what: str
    formula: str
    per_s: Callable[[int], float]


def limits(size: Size, figures: Mapping[str, float]) -> List[Limit]:
    """How many messages a second each service bears, in rooms of n."""
    vcpus, baseline = INSTANCES[size.instance_class]

    def of(room: int) -> Message:
        return message(room, size, figures)

    def jobs(room: int) -> float:
        one = of(room)
        busy = one.jobs * one.job_ms / 1000
        return size.reserved["FanOut"] / busy if busy else math.inf

    return [
        Limit(
            ACCOUNT,
            f"{ACCOUNT_RPS:,} / (1 + posts)",
            lambda room: ACCOUNT_RPS / (1 + of(room).posts),
        ),
        Limit("`ApiRate`", f"{API_RATE:,}, the parameter; pings count too", lambda room: API_RATE),
        Limit(
            WS_MESSAGE,
            f"{size.reserved['WsMessage']} / duration",
            lambda room: size.reserved["WsMessage"] / (of(room).send_ms / 1000),
        ),
        Limit(FAN_OUT, f"{size.reserved['FanOut']} / (jobs × duration)", jobs),
        Limit(
            "Postgres, commits to gp3",
            f"{IOPS:,} IOPS, one a commit; {PER_JOB} in one where they come in bursts",
            lambda room: IOPS,
        ),
        Limit(
            "Postgres, CPU",
            f"{vcpus} vCPUs / CPU of a send",
            lambda room: vcpus * 1e6 / (figures["postgres_us"] * figures["arm"]),
        ),
        Limit(
            "Postgres, CPU for hours",
            f"the baseline, {percent(baseline)} of that; a vCPU-hour above it costs ${PRICES['credit'].usd}",
            lambda room: baseline * vcpus * 1e6 / (figures["postgres_us"] * figures["arm"]),
        ),
        Limit(
            "Cache, the limit that is set",
            f"{size.ecpus:,} ECPU/s / ECPUs of a send",
            lambda room: size.ecpus / of(room).ecpus,
        ),
        Limit(
            "Cache, one conversation",
            f"{SLOT_ECPU:,} ECPU/s of a slot / ECPUs of a send",
            lambda room: SLOT_ECPU / of(room).ecpus,
        ),
    ]


SOFT = ("Postgres, CPU for hours", "Cache, one conversation")


def first_to_break(room: int, size: Size, figures: Mapping[str, float]) -> Tuple[str, float]:
    """Of what holds for all conversations together and cannot be had for money."""
    hard = [limit for limit in limits(size, figures) if limit.what not in SOFT]
    least = min(hard, key=lambda limit: limit.per_s(room))
    return least.what, least.per_s(room)


SENDS_PER_HOUR = 20  # of a person in the busiest hour


def people(room: int, size: Size, figures: Mapping[str, float]) -> Tuple[str, float]:
    """How many may be connected at once: they ping, and send so many messages an hour into rooms of n."""
    one = message(room, size, figures)
    send, ping = SENDS_PER_HOUR / 3600, 1 / PING_EVERY_S
    busy = send * one.send_ms / 1000 + ping * ping_ms(figures) / 1000
    by = {limit.what: limit.per_s(room) / send for limit in limits(size, figures) if limit.what not in SOFT}
    by[ACCOUNT] = ACCOUNT_RPS / (send * (1 + one.posts) + ping)
    by["`ApiRate`"] = API_RATE / (send + ping)
    by[WS_MESSAGE] = size.reserved["WsMessage"] / busy
    least = min(by, key=lambda name: by[name])
    return least, by[least]


def ping_ms(figures: Mapping[str, float]) -> float:
    return cpu_ms(figures["ping_us"], MEMORY["WsMessage"], figures) + 2 * figures["redis_ms"]


# --- Examples ---


@dataclass(frozen=True)
class Example:
    name: str
    size: Size
    people: int
    days: int  # a month
    daily: float  # share of them who come on a day
    hours: float  # for which those are connected
    online: float  # share of all who are connected in the busiest hour
    messages: float  # of one of all a day
    busiest: float  # share of the day's messages in the busiest hour
    rooms: Mapping[int, float]  # how many are connected where a message goes: share of the messages
    warm: Mapping[int, Tuple[int, int]]  # how many are connected: rooms that a week's use keeps warm, entries in each
    requests: float = 60  # over HTTP, of a person a day: pages of history, lists, refreshes
    mails: float = 0.2  # of a person a month


EXAMPLES = (
    Example(
        name="a team of 50",
        size=SMALL,
        people=50,
        days=22,
        daily=0.9,
        hours=9,
        online=0.9,
        messages=40,
        busiest=0.2,
        rooms={2: 0.6, 10: 0.4},
        warm={2: (200, 300), 10: (50, STREAM)},
    ),
    Example(
        name="a company of 2,000",
        size=PRODUCTION,
        people=2000,
        days=22,
        daily=0.7,
        hours=9,
        online=0.7,
        messages=40,
        busiest=0.2,
        rooms={2: 0.6, 10: 0.3, 100: 0.099, 1000: 0.001},
        warm={2: (20_000, 100), 10: (2000, STREAM), 100: (100, STREAM), 1000: (2, STREAM)},
    ),
    Example(
        name="a community of 50,000",
        size=PRODUCTION,
        people=50_000,
        days=30,
        daily=1,
        hours=2,
        online=0.1,
        messages=4,
        busiest=0.15,
        rooms={10: 0.2, 100: 0.79, 1000: 0.01},
        warm={10: (5000, 500), 100: (1000, STREAM), 1000: (5, STREAM)},
    ),
)
RECONNECT_H = 2  # the platform ends a connection then


class Result(NamedTuple):
    per_s: float
    frames_per_s: float
    connected: float
    costs: Costs
    load: float  # share of what breaks first
    what: str


def reckon(example: Example, figures: Mapping[str, float]) -> Result:
    size = example.size
    sent = example.people * example.messages * example.days / MILLION
    per_s = example.people * example.messages * example.busiest / 3600
    connected = example.people * example.online

    costs: Costs = {"floor": sum(floor(size, "Rds", "Nat").values())}
    used = METRICS_EACH * FUNCTIONS - METRICS_EACH
    costs["metrics of the other functions"] = usd("metric", used)
    frames = 0.0
    busy = {"sends": 0.0, "jobs": 0.0}
    messages = 0.0
    for room, share in example.rooms.items():
        messages += sum(million_messages(room, size, figures).values()) * sent * share
        one = message(room, size, figures)
        frames += one.posts * share
        busy["sends"] += one.send_ms / 1000 * share * per_s
        busy["jobs"] += one.jobs * one.job_ms / 1000 * share * per_s
    costs["messages"] = messages

    hours = example.people * example.daily * example.hours * example.days
    pings = hours * 3600 / PING_EVERY_S / MILLION
    lines = (figures["log_bytes"] + figures["platform_bytes"] + figures["access_bytes"]) * MILLION / GB
    costs["being connected"] = (
        usd("ws_minute", hours * 60 / MILLION)
        + usd("ws_message", 2 * pings)
        + lambda_usd(pings, ping_ms(figures), MEMORY["WsMessage"])
        + usd("ecpu", pings * CALLS)
        + usd("log_gb", pings * lines)
    )
    # A connection is a ticket, a handshake, a subscription with its answer, and an end.
    opened = hours / RECONNECT_H
    requests = (example.people * example.requests * example.days + opened) / MILLION
    taken = cpu_ms(figures["request_us"], MEMORY["History"], figures) + figures["redis_ms"] + figures["database_ms"]
    costs["requests and handshakes"] = (
        usd("http_request", requests)
        + usd("out_gb", requests * MILLION * figures["answer_bytes"] / GB)
        + lambda_usd(requests, taken, MEMORY["History"])
        + usd("log_gb", requests * lines)
        + usd("ws_message", 2 * opened / MILLION)
        + lambda_usd(3 * opened / MILLION, taken, MEMORY["History"])
        + usd("log_gb", 3 * opened / MILLION * lines)
    )
    costs["a year's messages on disk, beyond the floor's"] = max(
        disk_usd(sent * 12, size, figures) - usd("rds_gb", STORAGE_GB) * size.zones, 0
    )
    cached = sum(rooms * room_bytes(room, entries, figures) for room, (rooms, entries) in example.warm.items())
    cached += example.people * example.messages * figures["key_bytes"]
    costs["the cache, beyond the floor's 0.1 GB"] = usd("cache_gb", HOURS * max(cached / GB - 0.1, 0))
    costs["mails"] = usd("mail", example.people * example.mails / 1000)

    ping_rate = connected / PING_EVERY_S
    busy["sends"] += ping_rate * ping_ms(figures) / 1000
    shares = {
        ACCOUNT: (per_s * (1 + frames) + ping_rate) / ACCOUNT_RPS,
        "`ApiRate`": (per_s + ping_rate) / API_RATE,
        WS_MESSAGE: busy["sends"] / size.reserved["WsMessage"],
        FAN_OUT: busy["jobs"] / size.reserved["FanOut"],
    }
    what = max(shares, key=lambda name: shares[name])
    return Result(per_s, per_s * frames, connected, costs, shares[what], what)


# --- Tables ---


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, align, *rows])


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def dollars(amount: float) -> str:
    if amount == 0:
        return "–"
    return f"${amount:,.0f}" if amount >= 100 else f"${amount:,.2f}"


def rounded(amount: float) -> str:
    """To two digits: none of this is known better."""
    if math.isinf(amount):
        return "–"
    if amount < 10:
        return f"{amount:.1f}"
    digits = 1 - int(math.floor(math.log10(amount)))
    return f"{round(amount, digits):,.0f}"


def percent(share: float) -> str:
    return f"{share * 100:g} %"


def between(low: float, high: float, show: Callable[[float], str]) -> str:
    least, most = show(min(low, high)), show(max(low, high))
    return least if least == most else f"{least} to {most}"


def ranged(of: Callable[[Mapping[str, float]], float]) -> str:
    low, likely, high = (of(case(name)) for name in CASES)
    return f"**{rounded(likely)}** ({between(low, high, rounded)})"


def sizes_table() -> str:
    def copies(size: Size, one: str) -> str:
        return f"{one} in one zone" if size.zones == 1 else f"{one} in two zones"

    def row(what: str, of: Callable[[Size], str]) -> List[str]:
        return [what, *(of(size) for size in SIZES)]

    rows = [
        ["for", "a team: the cheapest that works", "more people, and a zone or a release may fail"],
        row("`Database=Rds`", lambda size: copies(size, f"{size.instance_class}, {STORAGE_GB} GB that grow,")),
        row("`Database=Aurora`", lambda size: copies(size, f"{size.acus[0]:g} to {size.acus[1]:g} ACUs")),
        row(
            "connections to Postgres",
            lambda size: f"{size.connections}, through RDS Proxy" if size.proxy else f"{size.connections}, directly",
        ),
        row("point-in-time recovery", lambda size: f"{size.backup_days} days"),
        row("cache, at most", lambda size: f"{size.cache_gb} GB, {size.ecpus:,} ECPU/s"),
        row(
            "`Egress=Nat`",
            lambda size: copies(size, "a NAT gateway") if size.zones == 1 else "one in each of two zones",
        ),
        row(
            "reserved concurrency",
            lambda size: f"{sum(size.reserved.values())}, `ws-message` {size.reserved['WsMessage']} of them, "
            f"`fan-out` {size.reserved['FanOut']}",
        ),
        ["new code", "takes all traffic at once", "takes a tenth for five minutes, and goes back on errors"],
        ["alarms", "those that somebody must act on", "all"],
    ]
    return text_table(["", *(size.name for size in SIZES)], rows)


def floor_table() -> str:
    head, columns = ["A month, nobody there"], []
    for size in SIZES:
        for database in ("Rds", "Aurora"):
            for egress in ("Nat", "Ipv6"):
                head.append(f"{size.name}, {database}, {egress}")
                columns.append(floor(size, database, egress))
    rows = [[line, *(dollars(column[line]) for column in columns)] for line in columns[0]]
    rows.append(["**Floor**", *(f"**{dollars(sum(column.values()))}**" for column in columns)])
    return table(head, rows)


def messages_table() -> str:
    head = ["A million messages", *(f"rooms of {room:,}" for room in ROOMS)]
    rows = []
    likely = [million_messages(room, PRODUCTION, case("likely")) for room in ROOMS]
    for line in likely[0]:
        rows.append([line, *(dollars(column[line]) for column in likely)])
    rows.append(["**Likely**", *(f"**{dollars(sum(column.values()))}**" for column in likely)])
    ends = [[sum(million_messages(room, PRODUCTION, case(end)).values()) for room in ROOMS] for end in ("low", "high")]
    rows.append(["Range", *(between(low, high, dollars) for low, high in zip(*ends))])
    ios = between(io_usd(case("low")), io_usd(case("high")), dollars)
    rows.append(["I/O, if Aurora", *(ios for _ in ROOMS)])
    rows.append(["Disk, each month from then on", *(dollars(disk_usd(1, PRODUCTION, case("likely"))) for _ in ROOMS)])
    return table(head, rows)


def limits_table(size: Size) -> str:
    head = [f"{size.name}: messages/s", *(f"rooms of {room:,}" for room in ROOMS), "by"]
    rows = []
    for index, limit in enumerate(limits(size, case("likely"))):
        cells = []
        for room in ROOMS:
            if limit.what == first_to_break(room, size, case("likely"))[0]:
                cells.append(ranged(lambda figures: limits(size, figures)[index].per_s(room)))
            else:
                cells.append(rounded(limit.per_s(room)))
        rows.append([limit.what, *cells, limit.formula])
    kept = f"{size.cache_gb} GB / (1,000 entries and the members); of more, those used least come from Postgres again"
    rooms = [ranged(lambda figures: size.cache_gb * GB / room_bytes(room, STREAM, figures)) for room in ROOMS]
    rows.append(["**Rooms in the cache**", *rooms, kept])
    stops = dict.fromkeys(people(room, size, case("likely"))[0] for room in ROOMS)
    asked = f"connected, {SENDS_PER_HOUR} sends an hour each, pings; more are stopped by: "
    connected = [ranged(lambda figures: people(room, size, figures)[1]) for room in ROOMS]
    rows.append(["**People at once**", *connected, asked + ", ".join(stops)])
    return table(head, rows)


def came(example: Example) -> str:
    return f"{percent(example.daily)} on {example.days}, {example.hours:g} h"


def wrote(example: Example) -> str:
    rooms = ", ".join(f"{percent(share)} to {room:,}" for room, share in example.rooms.items())
    return f"{example.messages:g}: {rooms}"


def examples_table() -> str:
    results = [reckon(example, case("likely")) for example in EXAMPLES]
    head = ["", *(f"{example.name}: {example.size.name}" for example in EXAMPLES)]
    rows = [
        ["who come, on days a month, for hours", *(came(example) for example in EXAMPLES)],
        ["messages a day and person, to how many connected", *(wrote(example) for example in EXAMPLES)],
        ["conversations of a week", *(rounded(sum(warm[0] for warm in example.warm.values())) for example in EXAMPLES)],
        ["connected in the busiest hour", *(rounded(result.connected) for result in results)],
        [
            "messages/s, frames/s in the busiest hour",
            *(f"{rounded(result.per_s)}, {rounded(result.frames_per_s)}" for result in results),
        ],
        ["messages a month", *(rounded(example.people * example.messages * example.days) for example in EXAMPLES)],
    ]
    for line in results[0].costs:
        rows.append([line, *(dollars(result.costs[line]) for result in results)])
    totals = [[sum(reckon(example, case(end)).costs.values()) for example in EXAMPLES] for end in ("low", "high")]
    rows.append(["**A month, likely**", *(f"**{dollars(sum(result.costs.values()))}**" for result in results)])
    rows.append(["Range", *(between(low, high, dollars) for low, high in zip(*totals))])
    rows.append(
        [
            "for each person",
            *(dollars(sum(result.costs.values()) / example.people) for result, example in zip(results, EXAMPLES)),
        ]
    )
    rows.append(
        ["what is loaded most, how far", *(f"{result.what}, {percent(round(result.load, 3))}" for result in results)]
    )
    return table(head, rows)


def figures_table() -> str:
    rows = []
    for figure in FIGURES.values():
        values = [f"{value:.2f}" if value < 10 and value % 1 else f"{value:,.0f}" for value in figure[:3]]
        rows.append([figure.unit, " · ".join(dict.fromkeys(values)), figure.source])
    return text_table(["Figure", "low · likely · high", "from"], rows)


def prices_table() -> str:
    by_page: Dict[str, List[str]] = {}
    for price in PRICES.values():
        whole, cents = f"{price.usd:.10f}".rstrip("0").split(".")
        amount = f"${whole}.{cents:0<2} per {price.unit}"
        by_page.setdefault(price.page, []).append(amount)
    return text_table(["AWS's page", "USD"], [[page, "; ".join(amounts)] for page, amounts in by_page.items()])


def tables() -> Dict[str, str]:
    return {
        "sizes": sizes_table(),
        "floor": floor_table(),
        "messages": messages_table(),
        "small": limits_table(SMALL),
        "production": limits_table(PRODUCTION),
        "examples": examples_table(),
        "figures": figures_table(),
        "prices": prices_table(),
    }


# --- The document ---


def marks(name: str) -> Tuple[str, str]:
    return f"<!-- load model: {name} -->\n", "\n<!-- end -->"


def table_in(document: str, name: str) -> str:
    begin, end = marks(name)
    if document.count(begin) != 1:
        raise Failure(f"{shown(DOCUMENT)} has no place for the table {name!r}, or several: <!-- load model: {name} -->")
    rest = document.split(begin)[1]
    if end not in rest:
        raise Failure(f"{shown(DOCUMENT)} does not say where the table {name!r} ends: <!-- end -->")
    return rest.split(end)[0]


def with_tables(document: str) -> str:
    for name, made in tables().items():
        (begin, end), old = marks(name), table_in(document, name)
        document = document.replace(begin + old + end, begin + made + end)
    return document


def check_document(document: str) -> List[str]:
    return [
        f"{shown(DOCUMENT)}: the table {name!r} is not what the model says; `make load-model LOAD_MODEL_ARGS=--write`"
        for name, made in tables().items()
        if table_in(document, name) != made
    ]


# --- The templates ---


def setting(path: Path, *keys: str) -> str:
    """A value in a template by the keys that lead to it: blocks by their indentation, at the end maybe in braces."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at, indent, value = 0, -1, ""
    for key in keys:
        if value.startswith("{"):
            inner = re.search(rf"[{{ ]{re.escape(key)}: ([^,}}]+)", value)
            value = inner.group(1) if inner else ""
        else:
            at, indent, value = entry(lines, at, indent, key)
        if not value and (at < 0 or key == keys[-1]):
            raise Failure(f"{shown(path)} has no {'.'.join(keys)}")
    return value.strip().strip('"')


def entry(lines: List[str], start: int, above: int, key: str) -> Tuple[int, int, str]:
    """Where the block after a key begins, how far the key is indented, what stands behind it; -1 if there is none."""
    level = None
    for position in range(start, len(lines)):
        text = lines[position].strip()
        if not text or text.startswith("#"):
            continue
        indent = len(lines[position]) - len(lines[position].lstrip())
        if indent <= above:
            break
        level = indent if level is None else level
        if indent == level and re.match(rf"{re.escape(key)}:( |$)", text):
            return position + 1, indent, text[len(key) + 1 :].split(" #")[0].strip()
    return -1, above, ""


def expected() -> List[Tuple[Path, Tuple[str, ...], str]]:
    """What the templates have to say for this to be about them."""
    found: List[Tuple[Path, Tuple[str, ...], str]] = [
        (TEMPLATE, ("Parameters", "ApiRate", "Default"), str(API_RATE)),
        (TEMPLATE, ("Globals", "Function", "MemorySize"), str(MEMORY["WsMessage"])),
        (TEMPLATE, ("Resources", "FanOutFunction", "Properties", "MemorySize"), str(MEMORY["FanOut"])),
        (STORES, ("Resources", "Instance", "Properties", "AllocatedStorage"), str(STORAGE_GB)),
    ]
    for size in SIZES:
        of_stores = {
            "InstanceClass": size.instance_class,
            "BackupDays": str(size.backup_days),
            "Connections": str(size.connections),
            "LeastAcus": f"{size.acus[0]:g}",
            "MostAcus": f"{size.acus[1]:g}",
            "CacheGb": str(size.cache_gb),
            "CacheEcpus": str(size.ecpus),
        }
        found += [(STORES, ("Mappings", "Sizes", size.name, key), value) for key, value in of_stores.items()]
        for egress in ("Nat", "Ipv6"):
            found.append((TEMPLATE, ("Mappings", "Floor", size.name, egress), floor_text(size, egress)))
        for function, count in size.reserved.items():
            found.append((TEMPLATE, ("Mappings", "Concurrency", size.name, function), str(count)))
    return found


def alarm_metrics(path: Path, size: Size) -> int:
    """How many metrics the alarms of a template read, which is what they cost by; of RDS and not of Aurora."""
    count = 0
    for resource in re.split(r"\n(?=  \w+:\n)", path.read_text(encoding="utf-8")):
        if "\n    Type: AWS::CloudWatch::Alarm\n" in resource:
            condition = re.search(r"\n    Condition: (\w+)\n", resource)
            if not condition or condition.group(1) not in PRODUCTION_ONLY or size is PRODUCTION:
                count += resource.count("MetricStat:") or 1
    return count


def check_templates() -> List[str]:
    problems = []
    for size in SIZES:
        there = sum(alarm_metrics(path, size) for path in (TEMPLATE, MONITORING))
        if there != size.alarms:
            problems.append(f"alarms of {size.name} read {there} metrics, and {size.alarms} are reckoned with")
    for path, keys, value in expected():
        found = setting(path, *keys)
        if found != value:
            problems.append(f"{shown(path)}: {'.'.join(keys)} is {found}, and {value} is reckoned with")
    return problems


def main(arguments: Optional[List[str]] = None) -> int:
    options = sys.argv[1:] if arguments is None else arguments
    try:
        if options == ["--write"]:
            DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
        elif options == ["--check"]:
            problems = check_templates() + check_document(DOCUMENT.read_text(encoding="utf-8"))
            if problems:
                raise Failure("\n       ".join(problems))
            say(f"{shown(DOCUMENT)} has the tables of the model, and the templates have its sizes")
        elif options:
            raise Failure("usage: load_model.py [--write|--check]")
        else:
            for name, made in tables().items():
                print(f"## {name}\n\n{made}\n")
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
