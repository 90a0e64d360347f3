"""`opendsql node start --auth iam`: a region's node accepts the tokens that are for its region."""

import asyncio
import json

import msgspec
import pytest
from click.testing import CliRunner

from server import cli_node
from server.cli_topology import topology as topology_commands
from server.errors import PgError
from server.runtime.clocks.choice import ClockChoice
from server.runtime.region import node_process
from server.runtime.region.serving import RegionServer
from tests.aws_tokens import ADMIN_KEY, HOST, aws_token
from tests.serving_process import ROOT


def started(file, *options):
    """The configuration that the node's process is given; or the exit code and what stderr says."""
    given = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_process, "run", lambda config: given.append(config) or 0)
        arguments = [str(file), "--node", "us-west-2", "--auth", "iam", *map(str, options)]
        result = CliRunner().invoke(cli_node.start, arguments)
    return given[0] if given else (result.exit_code, result.stderr)


def test_a_regions_node_accepts_tokens_for_its_region(tmp_path):
    file = tmp_path / "topology.toml"
    file.write_text((ROOT / "docker" / "regions.toml").read_text().replace('"/certificates"', '"made"'))
    assert CliRunner().invoke(topology_commands, ["certificates", str(file)]).exit_code == 0
    keys = tmp_path / "keys.json"
    key = {"id": ADMIN_KEY.id, "secret": ADMIN_KEY.secret, "principal": ADMIN_KEY.principal}
    keys.write_text(json.dumps({"key": [{**key, "actions": list(ADMIN_KEY.actions)}]}))
    host = HOST.replace("us-east-1", "us-west-2")
    config = started(
        file, "--iam-keys", keys, "--tls-name", host, "--host", "0.0.0.0", "--data", tmp_path / "data"
    )
    assert config.tls_required

    async def work():
        gate = RegionServer(msgspec.structs.replace(config, clock=ClockChoice("constant", bound_ms=5.0))).gate
        assert gate.method("admin", "postgres", True) == "token"
        gate.check_token("admin", aws_token(host=host, region="us-west-2"))
        for wrong in (aws_token(host=host), aws_token(host=HOST, region="us-west-2")):
            with pytest.raises(PgError, match="access denied"):
                gate.check_token("admin", wrong)

    asyncio.run(work())
    assert started(file) == (2, "opendsql: --auth iam needs --iam-keys\n")
