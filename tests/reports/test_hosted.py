"""Hosted notebooks: Colab's own package lists are judged as they are, and Colab and Kaggle are recognised."""

import gzip
import json
import sys
from pathlib import Path

import pytest

import tunedoctor
from tunedoctor import facts as kinds
from tunedoctor.diagnosis.hosted import hosted_notebook
from tunedoctor.model.snapshot import Facts, Snapshot

LISTS = [json.loads(line) for line in gzip.decompress(Path(__file__).with_name("colab.jsonl.gz").read_bytes()).splitlines()]  # fmt: skip
LATEST = next(row for row in reversed(LISTS) if row["kind"] == "gpu")


def of(variables: dict[str, str], packages: dict[str, str]) -> str:
    installed = tuple(kinds.Distribution(name=n, version=v) for n, v in packages.items())
    facts = {
        kinds.Environment: kinds.Environment(variables=variables),
        kinds.Packages: kinds.Packages(distributions=installed),
    }
    return hosted_notebook(
        Facts(Snapshot({**dict.fromkeys(kinds.KINDS, kinds.Unknown(why="-")), **facts}))
    )


@pytest.mark.parametrize("row", LISTS[::3], ids=lambda row: f"{row['month']}-{row['kind']}")
def test_a_published_list_shows_its_month_its_fault_and_nothing_else(row):
    report = tunedoctor.triage("$ pip freeze\n" + row["text"])
    shown = [f"{f.id} {f.found.partition(':')[0]}" for f in report.findings if f.severity != "note"]
    assert shown == row["broken"]
    month = "" if row["kind"] == "tpu" else f" of {row['month']}"
    assert report.machine.system.endswith(f", Google Colab{month}")


def test_what_a_user_installed_in_the_session_does_not_hide_the_month():
    text = LATEST["text"]
    for name, version in {
        "transformers": "5.17.0",
        "huggingface_hub": "1.30.1",
        "wandb": "0.29.0",
        "polars": "1.40.0",
    }.items():
        before = next(line for line in text.splitlines() if line.startswith(f"{name}=="))
        text = text.replace(f"\n{before}\n", f"\n{name}=={version}\n")
    assert tunedoctor.triage(text).machine.system.endswith(f"Google Colab of {LATEST['month']}")


def test_another_machine_is_none_and_variables_name_the_release():
    listed = dict(line.split("==") for line in LATEST["text"].splitlines() if "==" in line)
    listed.pop("google-colab", None)
    assert of({}, listed) == ""
    assert (
        of({"COLAB_RELEASE_TAG": "release-colab_20261103-060134_RC00"}, {})
        == "Google Colab of 2026-11"
    )
    assert of({"COLAB_RELEASE_TAG": "unknown"}, {}) == "Google Colab"
    assert of({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, {}) == "Kaggle"
    assert of({}, {"google-colab": "1.0.0", "torch": "9.9.9"}) == "Google Colab"


def test_a_check_says_it_of_this_machine(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20261103-060134_RC00")
    assert tunedoctor.check(sys.prefix).machine.system.endswith(", Google Colab of 2026-11")


def test_a_wheel_in_a_freeze_has_the_version_of_its_file():
    report = tunedoctor.triage(
        "$ pip freeze\ntorch @ https://download.pytorch.org/whl/cpu/torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl\n"
        "torchvision @ file:///wheels/torchvision-0.26.0-cp313-cp313-linux_x86_64.whl#sha256=00\nnumpy==2.1.3\n"
        "transformers @ git+https://github.com/huggingface/transformers@0123456789\n"
    )
    versions = report.target.packages
    assert (versions["torch"], versions["torchvision"]) == ("2.11.0+cpu", "0.26.0")
    assert versions.get("transformers", "") == ""
