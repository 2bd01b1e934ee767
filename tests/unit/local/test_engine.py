"""What is asked of a Docker engine, with a client that answers as told."""

import json
from pathlib import Path

import pytest

from local.containers.engine import Engine


def engine_that_answers(folder: Path, answer: str) -> Engine:
    client = folder / "docker"
    client.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    client.chmod(0o755)
    return Engine(str(client), {})


@pytest.mark.parametrize(
    "config",
    [
        pytest.param([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}], id="as it is once an engine has run"),
        pytest.param([{"Subnet": "172.17.0.0/16"}], id="the first engine of a machine"),
        pytest.param([{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/80"}], id="with IPv6"),
    ],
)
def test_the_gateway_is_known_from_the_first_start_on(config, tmp_path):
    assert engine_that_answers(tmp_path, json.dumps(config)).gateway() == "172.17.0.1"
