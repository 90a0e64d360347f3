"""`opendsql status` of a cluster on one machine, and how its supervisor is asked for anything."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from server import cli_connect, cli_storage
from server.runtime.region.local_requests import PLAN, Request, Status
from server.runtime.requests import Refused

WATCH_S = 0.5


def is_cluster(data: Path) -> bool:
    """Whether the data directory is one of `opendsql cluster`."""
    return (data / PLAN).exists()


def show_status(data: Path, as_json: bool, watch: bool) -> None:
    """`opendsql status` of a cluster. Raises `Refused`, OSError."""
    while True:
        found = ask(data, Status())[0]
        if as_json:
            click.echo(msgspec.json.encode(found))
        else:
            text = "\n".join(_lines(found))
            if watch:
                click.clear()
            click.echo(text)
        if not watch:
            return
        time.sleep(WATCH_S)


def ask(data: Path, request: Request) -> list[Any]:
    """What the cluster's supervisor answers. Raises `Refused`, OSError."""
    connected = cli_connect.connect(data) if data.is_dir() else None
    if connected is None:
        raise Refused(f"no cluster runs on {data}")
    answers: list[Any] = []
    with connected:
        cli_connect.ask(connected, request, answers.append)
    return answers


def _lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for each in found["regions"]:
        lines.append(f"{each['region']:14}{each['state']:56}{each.get('endpoint', '')}")
        if "journals" not in each:
            continue
        regions = each["regions"]
        lines.append(
            f"  epoch {regions['epoch']} active {','.join(regions['active'])}   behind {each['behind_ms']} ms   "
            f"commits {each['commits']}   conflicts {each['conflicts']}   sessions {each['sessions']}"
        )
        for journal in each["journals"]:
            leads = "leads" if journal["leads_here"] else "reads"
            lines.append(
                f"  journal {journal['journal']} {leads}   epoch {journal['epoch']}   read {journal['read']}   "
                f"closed {journal['closed_ahead_ms']} ms ahead   owner {journal['owner']}   {journal['error']}"
            )
        lines += _process_lines(each)
    for each in found["parts"]:
        lines.append(
            f"{each['node']:34}{each['state']:36}{','.join(each['roles'])}   {each['region']}{_build(each)}"
        )
        lines += map(cli_storage.line, each.get("shards", ()))
        lines += [
            f"  journal {journal['journal']} owned   epoch {journal['epoch']}   committed {journal['committed']}   "
            f"appends {journal['append_ms']} ms   lead {journal['lead_ms']} ms"
            for journal in each.get("journals", ())
            if journal["is_owner"]
        ]
    etcd = ", ".join(f"{each['node']}{'' if each['is_running'] else ' (dead)'}" for each in found["etcd"])
    lines.append(f"witness       {found['witness']}")
    lines.append(f"etcd          {etcd}")
    lines.append(f"cut           {', '.join(found['cuts']) or 'nothing'}")
    return lines


def _process_lines(node: dict[str, Any]) -> list[str]:
    """Build and start of a region's node, and its further processes."""
    lines = [
        f"  build {node['version']}   up {node['uptime_s']:.0f} s   serving after {node['ready_after_s']} s"
    ]
    for each in node["workers"]:
        lines.append(
            f"  process {each['index']} {each['state']}   build {each['version']}   sessions {each['sessions']}   "
            f"transactions {each['transactions']}   busy {each['busy']:.0%}   serving after {each['start_s']} s"
        )
    routed = node["router"]
    if routed:
        names = ("here", "away", "waiting", "suspended", "moved", "renewed", "lost_transactions")
        lines.append("  router " + "   ".join(f"{name} {routed[name]}" for name in names))
    return lines


def _build(each: dict[str, Any]) -> str:
    """What a roll-out changes; nothing of a process that does not answer."""
    return f"   build {each['version']}   up {each['uptime_s']:.0f} s" if "version" in each else ""
