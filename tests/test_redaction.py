"""Nothing that names a person or a machine leaves the doctor."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from museum import snapshot_of

from tunedoctor.facts import (
    Distribution,
    Environment,
    Errors,
    ErrorText,
    NvidiaGpu,
    NvidiaGpus,
    Packages,
)
from tunedoctor.redaction import Identity, redact_text, snapshot_json
from tunedoctor.snapshot import from_json

CASES = json.loads(Path(__file__).with_name("redaction.json").read_text(encoding="utf-8"))
WHO = Identity(home="/home/adalove", user="adalove", host="bletchley7")


@pytest.mark.parametrize("secret", CASES["goes"])
def test_it_goes_and_equal_things_stay_equal(secret: str) -> None:
    text = f"before {secret} after {secret}"
    clean = redact_text(text, WHO)
    needle = secret.removeprefix("GPU-").replace("/home/", "").replace("/x", "")
    needle = needle.removeprefix("C:\\Users\\").removesuffix("\\venv")
    assert needle not in clean
    assert clean.startswith("before ")
    _, _, rest = clean.partition("before ")
    first, _, second = rest.partition(" after ")
    assert first == second


@pytest.mark.parametrize("name", ["my env", "it's", 'say "x"', "a;b", "$x", "a(b", "ünï code"])
@pytest.mark.parametrize(
    "form", ["doctor undo --target {}", "export HF_HOME={}", "{} -m pip check", "x=1 {} '/a b'"]
)
def test_a_command_with_the_home_folder_still_means_it(
    name: str, form: str, tmp_path: Path
) -> None:
    """What is shown is pasted: a shell of that user makes the same words of it."""
    who = Identity(home=str(tmp_path), user="", host="")
    path = f"{tmp_path}/{name}/.venv"
    shown = redact_text(form.format(shlex.quote(path)), who)
    assert str(tmp_path) not in shown
    word = shown.removeprefix(form.partition("{}")[0]).removesuffix(form.partition("{}")[2])
    said = subprocess.run(
        ["sh", "-c", f'x={word}; printf %s "$x"'],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
    )
    assert said.stdout == path


@pytest.mark.parametrize(("text", "shown"), CASES["shown"])
def test_home_is_a_tilde(text: str, shown: str) -> None:
    assert redact_text(text, WHO) == shown


@pytest.mark.parametrize("text", CASES["stays"])
def test_what_names_nobody_stays(text: str) -> None:
    assert redact_text(text, WHO) == text


@pytest.mark.parametrize(("text", "hidden"), CASES["hidden"])
def test_assigned_secrets_and_addresses_go(text: str, hidden: str) -> None:
    assert hidden not in redact_text(text, WHO)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_around_does_not_save_a_token(before: str, after: str) -> None:
    token = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
    assert token not in redact_text(f"{before} {token} {after}", WHO)


def test_a_snapshot_is_written_redacted() -> None:
    uuid = "GPU-8f3e1b22-1111-2222-3333-444455556666"
    error = "401 for hf_AbCdEfGhIjKlMnOpQrStUvWxYz on bletchley7 (192.168.1.9)"
    wheel = Distribution("nvidia-cublas-cu12", "12.6.4.1", location="/home/adalove/v")
    snapshot = snapshot_of("healthy-rtx4090").having(
        NvidiaGpus(gpus=(NvidiaGpu(index=0, name="T4", uuid=uuid),)),
        Environment(variables={"HF_HOME": "/home/adalove/hf"}),
        Errors(errors=(ErrorText(text=error),)),
        Packages(distributions=(wheel,)),
    )
    data = snapshot_json(snapshot, WHO).decode()
    for secret in ("8f3e1b22", "adalove", "hf_AbCd", "bletchley7", "192.168.1.9"):
        assert secret not in data
    back = from_json(data).find(Packages)
    assert back is not None
    # a version is no address
    assert (back.distributions[0].version, back.distributions[0].location) == ("12.6.4.1", "~/v")
