"""doctor mcp on the bare wire: what is no message gets an error, and calls beyond a few wait for their turn."""

import json
import threading
from collections.abc import Iterator

import psutil
import pytest
from typed import Child, started


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
def server() -> Iterator[Child]:
    about = {"protocolVersion": "2025-06-18", "capabilities": {}}
    about["clientInfo"] = {"name": "test", "version": "1"}
    with started("mcp") as child:
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
        sent(server, call(number, "check"))
    answers: list[dict] = []
    reading = threading.Thread(target=lambda: answers.extend(answer(server) for _ in range(45)))
    reading.start()
    most = 0
    while reading.is_alive():
        children = [one.info["cmdline"] for one in psutil.process_iter(["cmdline", "ppid"])
                    if one.info["ppid"] == server.pid]  # fmt: skip
        most = max(most, sum("check" in (words or ()) for words in children))
        reading.join(0.02)
    refused = [one for one in answers if one["result"].get("isError")]
    assert {one["id"] for one in answers} == {*range(1, 46)}
    assert 1 <= most <= 4
    # those that were answered before the last ones came made room for them
    assert 0 < len(refused) <= 45 - 36
    assert "wait for their answers first" in refused[0]["result"]["content"][0]["text"]
