"""What tests/deploy checks of names and versions. Argument: a file with the text of /metrics."""

import json
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
METRIC = re.compile(r"\b(?:samenloop_[a-z0-9_]+|process_[a-z0-9_]+)\b")
PARTS = ("_bucket", "_sum", "_count")
RULES_MIN, EXPRESSIONS_MIN = 10, 30
problems = []


def check(right, problem):
    if not right:
        problems.append(problem)


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def base(name):
    for part in PARTS:
        if name.endswith(part):
            return name.removesuffix(part)
    return name


# Everything parses.
for path in [ROOT / "docker-compose.yml", *ROOT.glob("deploy/**/*.yml")]:
    yaml.safe_load(path.read_text(encoding="utf-8"))
compose = yaml.safe_load(text("docker-compose.yml"))
dashboard = json.loads(text("deploy/grafana/dashboards/samenloop.json"))
settings = tomllib.loads(text("deploy/samenloop.toml"))
groups = yaml.safe_load(text("deploy/alerts.yml"))["groups"]
rules = [rule for group in groups for rule in group["rules"]]
alerts = [rule for rule in rules if "alert" in rule]

# Every metric that is named exists, with the labels by which it is asked for.
documented = set(re.findall(r"^\| `([a-z_]+)`", text("docs/metrics.md"), re.MULTILINE))
served = set(re.findall(r"^# TYPE (\S+)", Path(sys.argv[1]).read_text(encoding="utf-8"), re.MULTILINE))
panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
expressions = {f"alert {rule['alert']}": rule["expr"] for rule in alerts}
for panel in panels:
    for target in panel["targets"]:
        expressions[f"panel {panel['id']} {panel['title']} {target['refId']}"] = target["expr"]
for place, expression in expressions.items():
    names = set(METRIC.findall(expression))
    check(names or re.search(r"\bup\{|samenloop:", expression), f"{place}: names no metric")
    for name in names:
        check(base(name) in documented | served, f"{place}: {name} is neither in docs/metrics.md nor in /metrics")
recorded = {rule["record"] for rule in rules if "record" in rule}
for place, expression in expressions.items():
    for name in re.findall(r"samenloop:[a-z_]+", expression):
        check(name in recorded, f"{place}: {name} is not recorded by any rule")
for name in documented - {base(name) for expression in expressions.values() for name in METRIC.findall(expression)}:
    check(False, f"{name} is in no panel and no alert")

# An alert says how bad it is and what to do, and is tested.
headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text("docs/operations.md").splitlines() if line.startswith("#")}
tests = yaml.safe_load(text("deploy/alerts_test.yml"))["tests"]
tested = [(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]]
for rule in alerts:
    name, notes = rule["alert"], rule.get("annotations", {})
    check(rule.get("labels", {}).get("severity") in ("critical", "warning"), f"{name}: no severity")
    check("for" in rule and {"summary", "description", "runbook"} <= notes.keys(), f"{name}: not told in full")
    page, _, anchor = notes.get("runbook", "").partition("#")
    check(page == "docs/operations.md" and anchor in headings, f"{name}: its runbook {page}#{anchor} is not there")
    for fires in (True, False):
        check((name, fires) in tested, f"{name}: no test in which it {'fires' if fires else 'keeps quiet'}")

# What stands in two places is equal.
channel = tomllib.loads(text("rust-toolchain.toml"))["toolchain"]["channel"]
compilers = re.findall(r"^FROM rust:([0-9.]+)-", text("deploy/Dockerfile"), re.MULTILINE)
check(compilers == [channel], f"Dockerfile builds with Rust {compilers}, rust-toolchain.toml says {channel}")
broker = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)", text("tests/kafka/broker/pom.xml"))[1]
services = compose["services"]
for name, service in services.items():
    image = service.get("image", "")
    if image.startswith("apache/kafka:"):
        check(image.endswith(f":{broker}"), f"{name} runs {image}, the tests run {broker}")
    check(not image.endswith(":latest") and ":" in image, f"{name}: {image} names no version")
    for dependency in service.get("depends_on", {}):
        check(dependency in services, f"{name} depends on {dependency}, which is not there")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        there = (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"]
        check(there, f"{name}: the volume {source} is not there")
    for port in service.get("ports", []):
        check(port.startswith("127.0.0.1:"), f"{name}: port {port} is open to others")
check(dashboard["uid"] and len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]), "panel ids")
source = text("deploy/grafana/provisioning/datasources/prometheus.yml")
check(all(f"uid: {panel['datasource']['uid']}\n" in source for panel in panels), "a panel's data source is not provisioned")
topics = [source["topic"] for source in settings["source"]]
check(all(topic in str(services["source-topic"]["command"]) for topic in topics), "a source's topic is not created")
check(settings["http"]["listen"].endswith(":9180"), "Prometheus and the health check ask port 9180")
jobs = [job["job_name"] for job in yaml.safe_load(text("deploy/prometheus.yml"))["scrape_configs"]]
check(jobs == ["samenloop"], "alerts and dashboard go by the job samenloop")

# What the program is compiled from reaches the image's build.
sent = {line.lstrip("!") for line in text(".dockerignore").splitlines() if line.startswith("!")}
members = re.search(r'^members = \[(.*)\]', text("Cargo.toml"), re.MULTILINE)
members = re.findall(r'"([^"]+)"', members.group(1)) if members else []
check(bool(members), "Cargo.toml names no members of the workspace")
for member in members:
    check(member in sent, f".dockerignore keeps {member} out, a member of the workspace")
for path in [path for top in ["src", *members] for path in ROOT.glob(f"{top}/**/*.rs")]:
    if "tests" in path.stem or "tests" in path.parts:
        continue
    for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', path.read_text(encoding="utf-8")):
        top = (path.parent / name).resolve().relative_to(ROOT).parts[0]
        check(top in sent, f".dockerignore keeps {top} out, which {path.relative_to(ROOT)} includes")

# A check that checked nothing is no success.
check(len(alerts) >= RULES_MIN, f"only {len(alerts)} alerts")
check(len(expressions) >= EXPRESSIONS_MIN, f"only {len(expressions)} expressions")

for problem in sorted(problems):
    print(f"tests/deploy: {problem}", file=sys.stderr)
print(f"{len(alerts)} alerts, {len(panels)} panels, {len(expressions)} expressions, {len(documented)} metrics")
sys.exit(bool(problems))
