"""doctor mcp on the bare wire: what is no message gets an error, and calls beyond a few wait for their turn."""

import json
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest
from typed import Child, gone, started, until


def sent(child: Child, line: str) -> None:
    assert child.stdin
    child.stdin.write(line + "\n")
    child.stdin.flush()


def answer(child: Child) -> dict:
    assert child.stdout
    return json.loads(child.stdout.readline())


def call(number: int, tool: str, **arguments: object) -> str:
    request = {"jsonrpc": "2.0", "id": number, "method": "tools/call"}
    return json.dumps({**request, "params": {"name": tool, "arguments": arguments}})


@pytest.fixture
def silent_index() -> Iterator[str]:
    """Return the URL of a package index that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as index:
        yield f"http://127.0.0.1:{index.getsockname()[1]}/simple"


@pytest.fixture
def server(silent_index: str) -> Iterator[Child]:
    about = {"protocolVersion": "2025-06-18", "capabilities": {}}
    about["clientInfo"] = {"name": "test", "version": "1"}
    with started("mcp", PIP_INDEX_URL=silent_index) as child:
        sent(
            child, json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about})
        )
        assert answer(child)["id"] == 0
        sent(child, '{"jsonrpc":"2.0","method":"notifications/initialized"}')
        yield child
        child.kill()


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        ("not json", -32700, None),
        ("[" * 100_000, -32700, None),
        ('{"jsonrpc":"2.0","id":9,"method":"ping","params":{"a":"\\ud800"}}', -32700, None),
        ("[]", -32600, None),
        ("null", -32600, None),
        ('{"jsonrpc":"2.0","id":7}', -32600, 7),
        ('{"jsonrpc":"1.0","id":"x","method":"ping"}', -32600, "x"),
        ('{"jsonrpc":"2.0","id":11,"method":"tools/call","params":"x"}', -32600, 11),
    ],
)
def test_what_is_no_message_gets_an_error_and_the_next_one_its_answer(server, line, code, number):
    sent(server, line)
    told = answer(server)
    assert (told["error"]["code"], told["id"]) == (code, number)
    sent(server, '{"jsonrpc":"2.0","id":99,"method":"ping"}')
    assert answer(server) == {"jsonrpc": "2.0", "id": 99, "result": {}}


def test_many_calls_at_once_start_few_processes(server):
    for number in range(1, 46):
        sent(server, call(number, "check", deep=True))
    answers: list[dict] = []
    reading = threading.Thread(target=lambda: answers.extend(answer(server) for _ in range(45)))
    reading.start()
    most = 0
    while reading.is_alive():
        most = max(most, len(commands(server)))
        reading.join(0.02)
    refused = [one for one in answers if one["result"].get("isError")]
    assert {one["id"] for one in answers} == {*range(1, 46)}
    assert 1 <= most <= 4
    # those that were answered before the last ones came made room for them
    assert 0 < len(refused) <= 45 - 36
    assert "wait for their answers first" in refused[0]["result"]["content"][0]["text"]


def commands(server: Child) -> list[int]:
    """Return the process ids of the commands that the server runs."""
    found = psutil.process_iter(["cmdline", "ppid"])
    return [
        one.pid
        for one in found
        if one.info["ppid"] == server.pid and "tunedoctor" in (one.info["cmdline"] or ())
    ]


def test_checks_that_run_in_the_server_do_not_disturb_each_other(server):
    for number in range(1, 6):
        sent(server, call(number, "check", profile="node"))
    found = {one["id"]: one["result"]["structuredContent"] for one in map(answer, [server] * 5)}
    assert {*found} == {*range(1, 6)}
    assert {one["verdict"] for one in found.values()} == {found[1]["verdict"]}


def test_a_cancelled_call_ends_its_process_and_no_other(server):
    sent(server, call(1, "set", packages=["peft"], platform="linux", python="3.12"))
    (pid,) = until(lambda: commands(server))
    reason = {"requestId": 1, "reason": "the user pressed Esc"}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": reason}
    sent(server, json.dumps(cancel))
    assert gone(pid)
    sent(server, call(2, "explain", id="no-gpu"))
    told = answer(server)
    if told["id"] == 1:  # an SDK may answer a cancelled call with an error
        assert "error" in told
        told = answer(server)
    assert told["id"] == 2
    assert "no-gpu" in told["result"]["structuredContent"]["text"]
