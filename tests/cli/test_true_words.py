"""Sentences on the screen that once said what was not so."""

import json
import re
import venv

from msgspec import structs
from museum import altered, snapshot_of
from typed import doctor

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.installers.uv import NoSolution
from tunedoctor.planning.make import Clash, _way_out
from tunedoctor.planning.set_request import SetRequest


def test_the_bare_word_killed_proves_no_lack_of_memory():
    """A person, a time limit and a job manager kill as well: the kernel's log decides."""
    for text in ("step 1\nKilled\n", "run.sh: line 12:  4242 Killed   python train.py\n"):
        report = json.loads(doctor("triage", "-", "--format", "json", stdin=text).stdout)
        (finding,) = report["findings"]
        assert (report["verdict"], finding["id"]) == ("unknown", "ram-too-small")
        assert "ran out of RAM" not in finding["title"]
        assert finding["severity"] == "warning"
        assert "dmesg" in finding["settle"]
    proof = "Killed\nMemory cgroup out of memory: Killed process 4321 (python3)\n"
    report = json.loads(doctor("triage", "-", "--format", "json", stdin=proof).stdout)
    assert report["findings"][0]["title"] == "The system ran out of RAM"


def test_cards_of_two_kinds_are_named_each():
    def other(gpus):
        return (gpus[0], structs.replace(gpus[1], name="Tesla P40"))

    snapshot = altered(snapshot_of("cpu-wheel-with-rtx4090"), kinds.NvidiaGpus, gpus=other)
    found = diagnose(snapshot, all_checks()).causes[0].finding.found
    assert found.endswith("the machine has NVIDIA GeForce RTX 4090 and Tesla P40")


def test_a_file_that_is_there_is_not_said_to_be_missing(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "here").mkdir()
    ended = doctor("check", "../a.json", cwd=tmp_path / "here")
    assert ended.returncode == 2
    assert "doctor check takes no argument '../a.json'" in ended.stderr


def test_after_an_environment_was_examined_none_is_asked_for(tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    for words in (["--profile", "image"], ["--profile", "node"], []):
        shown = doctor("check", "--target", "env", *words, cwd=tmp_path).stdout
        assert "looks at an environment too" not in shown, words


def test_fit_advises_what_the_advised_command_prints():
    asked = ["fit", "llama-3.1-8b", "--gpu", "RTX 4060"]
    advice = json.loads(doctor(*asked, "--format", "json").stdout)["advice"]
    assert len(advice) == 2
    shown = " ".join(doctor(*asked).stdout.split())
    options: list[str] = []
    for one in advice:
        options += one["option"].split()
        told = " ".join(doctor(*asked, *options).stdout.split())
        (need,) = re.findall(r"on the card (\d+\.\d\d) GiB", told)
        assert f"{need} GiB on the card {one['option']}" in shown


def test_torch_is_not_taken_out_because_an_index_lacks_it():
    text = "Because torch was not found in the package registry and torchvision requires torch, no solution."
    want = SetRequest(
        roots=("torch", "transformers"),
        asked={},
        installed={"torch": "2.9.1", "xformers": "0.0.33"},
    )
    assert "uninstall" not in _way_out(want, Clash("", NoSolution(text)))
    clash = Clash("", NoSolution("Because xformers 0.0.33 depends on torch==2.9.1, no solution."))
    assert _way_out(want, clash) == "remove xformers: pip uninstall xformers"


def test_a_name_does_not_colour_the_screen(tmp_path):
    """Colours pass the stream where they are the doctor's own."""
    (tmp_path / "x\x1b[31my.jsonl").write_text('{"text": "a"}\n')
    shown = doctor("data", "x\x1b[31my.jsonl", cwd=tmp_path).stdout
    assert "\x1b" not in shown
    assert "xy.jsonl" in shown
