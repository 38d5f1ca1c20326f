"""The files of `deploy/`: what they name is there, in them and in the package."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from agentops_otel.cli import main
from agentops_otel.store.clickhouse.database import Address

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
FILES = sorted(DEPLOY.rglob("*.yaml"))


def read(path):
    return [each for each in yaml.safe_load_all((DEPLOY / path).read_text(encoding="utf-8")) if each]


def collector(*paths):
    """One configuration out of several, as the collector lays them over each other."""
    whole = {}

    def lay(under, over):
        for name, value in over.items():
            if isinstance(value, dict) and isinstance(under.get(name), dict):
                lay(under[name], value)
            else:
                under[name] = value

    for path in paths:
        lay(whole, read(path)[0])
    return whole


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_can_be_read(path):
    assert read(path)


@pytest.mark.parametrize(
    "paths",
    [["collector.yaml"], ["collector-to-kafka.yaml"], ["collector.yaml", "collector-from-kafka.yaml"]],
    ids=str,
)
def test_a_collector_has_every_part_that_its_pipelines_name(paths):
    told = collector(*paths)
    for name, pipeline in told["service"]["pipelines"].items():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(told[kind]), (name, kind)
    assert set(told["service"]["extensions"]) == set(told["extensions"])
    assert {"traces", "logs"} == set(told["service"]["pipelines"]), "starts of sessions are log records"
    stores = [exporter["sending_queue"].get("storage") for exporter in told["exporters"].values()]
    assert set(stores) <= set(told["extensions"]), "what is not taken outlives a restart"


def test_tables_have_the_names_that_are_read():
    exporter = collector("collector.yaml")["exporters"]["clickhouse"]
    address = Address.of(f"clickhouse://h/{exporter['database']}")
    assert (exporter["traces_table_name"], exporter["logs_table_name"]) == (address.traces, address.logs)
    assert exporter["sending_queue"]["batch"]["min_size"] == 5000


def test_what_is_sampled_is_named_as_it_is_written():
    policies = {each["name"]: each for each in collector("collector.yaml")["processors"]["tail_sampling"]["policies"]}
    assert policies["failed"]["string_attribute"]["key"] == "agentops.end_state"
    (condition,) = policies["dear"]["ottl_condition"]["span"]
    assert re.findall(r'attributes\["([^"]+)"\]', condition) == ["agentops.span.kind", "agentops.cost.usd"]


def commands():
    yield shlex.split(
        re.search(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1].strip("[]").replace(",", "")
    )
    for each in read("kubernetes/server.yaml"):
        if each["kind"] == "CronJob":
            (container,) = each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            yield container["args"]


@pytest.mark.parametrize("words", list(commands()), ids=lambda words: words[0])
def test_commands_are_ones_that_there_are(words):
    context, command = click.Context(main), main
    while isinstance(command, click.Group):
        command, words = command.get_command(context, words[0]), words[1:]
    command.make_context("command", [str(word) for word in words])


def test_services_and_volumes_that_are_named_are_there():
    told = read("compose.yaml")[0]
    for service in told["services"].values():
        assert set(service.get("depends_on", {})) <= set(told["services"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in told["volumes"] or source == "./keys" or (DEPLOY / source).exists()
    assert Address.of(
        told["services"]["server"]["environment"]["AGENTOPS_STORE"].replace("${CLICKHOUSE_PASSWORD}", "x")
    )


def test_manifests_name_ports_and_secrets_that_there_are():
    texts = [path.read_text(encoding="utf-8") for path in (DEPLOY / "kubernetes").glob("*.yaml")]
    keys = {key for text in texts for key in re.findall(r"secretKeyRef: \{name: agentops, key: ([\w-]+)\}", text)}
    server = (DEPLOY / "kubernetes" / "server.yaml").read_text(encoding="utf-8")
    assert all(f"--from-literal={key}=" in server for key in keys)
    for path in FILES:
        if path.parent.name == "kubernetes":
            for service in (each for each in read(path) if each["kind"] == "Service"):
                (set_,) = (each for each in read(path) if each["kind"] in {"StatefulSet", "Deployment"})
                (container,) = set_["spec"]["template"]["spec"]["containers"]
                ports = {port["containerPort"] for port in container["ports"]}
                assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= ports
