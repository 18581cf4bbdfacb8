"""What a person sees of a training: a curve on a terminal, why it died, and a page to keep."""

import json
import re
import sys

import pytest
from planting import plant
from render.page import Page
from trainers import DATA, TRAINER
from typed import inside as doctor
from typed import on_terminal, ran

from tunedoctor.running.command import last_lines

HOSTILE = "<script>alert(1)</script>\x1b[2J`x`"
WORDS = ("--model=m", "--data=d.jsonl", "--batch=8", "--max-steps=6", "--no-check")
DIES = """
import os, sys
if "trainer.py" in " ".join(sys.argv):
    os.write(2, b"libcudnn.so.9: cannot open shared object file: No such file or directory\\n")
    os.abort()
"""


NOISY = """
import os, sys, time, warnings
if "trainer.py" in " ".join(sys.argv):
    sys.stderr.write("something real\\n")
    warnings.warn("this is deprecated", UserWarning)
    for part in range(11):
        sys.stderr.write(f"\\rLoading weights: {10 * part:3d}%|####  | {part}/10 [00:00<00:01, 6.73it/s]")
        sys.stderr.flush()
        time.sleep(0.1)
    print("\\nDownloading 12.3MB/s", flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def place(tiny_model, tmp_path):
    return plant(tmp_path, {"m": {"link": tiny_model}, "d.jsonl": DATA})


def test_the_page_tells_all_needs_nothing_and_runs_nothing(torch_python, place):
    rows = [{"prompt": HOSTILE, "completion": "yes"}, {"prompt": "b", "completion": "no"}]
    (place / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "mine.html").write_text("mine")
    words = ("train", *WORDS, "--target", torch_python, "--report")
    kept = doctor(*words, "mine.html", cwd=place)
    assert (kept.returncode, "doctor did not write it" in kept.stderr) == (2, True)
    ended = doctor(*words, "r.html", cwd=place)
    assert ended.returncode == 0, ended.stderr
    text = (place / "r.html").read_text()
    assert text.isascii()
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & {*page.tags}
    outside = [v for k, v in page.pairs if k in ("src", "href", "action", "data")]
    assert (outside, page.tags.count("svg"), "\x1b" in text) == ([], 3, False)
    (shown,) = page.texts["body"]
    assert "url(" not in text
    assert re.search(r"LossOver 6 steps: training from [\d.]+ to ", shown)
    assert "default-src 'none'; style-src 'sha256-" in text
    assert 'style="' not in text
    assert "<script>alert(1)</script>" in shown
    facts = json.loads((place / "out/run.json").read_text())
    for one in (facts["sha256"], facts["versions"]["torch"], "doctor chat out", "batch = 8"):
        assert one in shown, one
    assert re.search(r"GiB at the peak, for rows of 1,024 tokens", shown)
    (place / "r.html").unlink()
    again = doctor(*words, "r.html", cwd=place)  # without another training
    assert (again.returncode, again.stdout) == (0, "")
    assert (place / "r.html").read_text() == text
    (place / "m").unlink()
    gone = doctor(*words, "gone.html", cwd=place)
    assert (gone.returncode, "GiB at the peak" in (place / "gone.html").read_text()) == (0, True)
    odd = {**facts, "config": {**facts["config"], "eval_share": "x"}, "held_out": 1}
    for text in ("{}", json.dumps(odd), json.dumps({**facts, "config": {"model": 5}})):
        (place / "out/run.json").write_text(text)
        broken = doctor(*words, "r.html", cwd=place)
        assert (broken.returncode, "no report of out" in broken.stderr) == (2, True), broken.stderr


def test_what_a_crash_left_in_the_log_is_shown_and_diagnosed(torch_python, place):
    plant(place, {"shadow/peft.py": DIES})
    target = ("--target", torch_python)
    ended = doctor("train", *WORDS, *target, cwd=place, PYTHONPATH=str(place / "shadow"))
    assert ended.returncode == 134
    assert "doctor: train.log: libcudnn.so.9: cannot open shared object file" in ended.stderr
    assert "cuda-library-missing" in ended.stderr


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)], ids=["training", "dry run"])
def test_progress_bars_and_warnings_of_libraries_stay_off_the_screen(torch_python, place, dry_run):
    plant(place, {"shadow/peft.py": NOISY})
    words = ("train", *WORDS, *dry_run, "--target", torch_python)
    ended = doctor(*words, cwd=place, PYTHONPATH=str(place / "shadow"))
    assert ended.returncode == 137
    assert "doctor: train.log: something real\n" in ended.stderr
    assert not [
        word for word in ("it/s", "%|", "Warning", "warn(") if word in ended.stdout + ended.stderr
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_a_dry_run_on_a_terminal_shows_no_progress_bars(torch_python, place):
    plant(place, {"shadow/peft.py": NOISY})
    argv = (
        sys.executable,
        "-m",
        "tunedoctor",
        "train",
        *WORDS,
        "--dry-run",
        "--target",
        torch_python,
    )
    one = on_terminal(argv, place, TERM="xterm", PYTHONPATH=str(place / "shadow"))
    assert "something real" in one.stdout
    assert not [word for word in ("it/s", "%|", "Warning", "warn(") if word in one.stdout]


def test_a_fault_of_the_trainer_reaches_the_screen_and_the_log(torch_python, place):
    code = f"import sys; sys.path.append({str(TRAINER.parent)!r}); import trainer\n"
    code += "def broken(*_): raise KeyError('a \\x1b[2Jb')\ntrainer.load_model = broken\n"
    ended = ran(torch_python, "-c", f"{code}trainer.main(sys.argv[1:])", *WORDS[:-1], cwd=place)
    assert (ended.returncode, ended.stderr[:9]) == (1, "Traceback")
    assert ended.stderr.endswith("KeyError: 'a \\x1b[2Jb'\n")
    assert "KeyError" in (place / "out/train.log").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
@pytest.mark.parametrize(("term", "encoding"), [("xterm", "utf-8"), ("dumb", "ascii")])
def test_a_terminal_sees_a_curve_and_a_dumb_one_lines(torch_python, place, term, encoding):
    argv = [torch_python, str(TRAINER), *WORDS[:-1], "--samples=0"]
    one = on_terminal(argv, place, TERM=term, PYTHONIOENCODING=encoding, OMP_NUM_THREADS="1")
    text = one.stdout
    assert one.returncode == 0, text
    assert text.rstrip().splitlines()[-1].startswith("Trained for 6 steps: ")
    assert "FutureWarning" not in text
    last = re.split(r"\x1b\[\d+F", text)[-1]
    if term == "dumb":
        assert "\x1b" not in text
        assert len(re.findall(r"^step \d/6  loss ", text, re.MULTILINE)) == 6
        return
    assert "step 6/6  loss " in last
    assert len(re.findall("╰", last)) > 2
    assert "step 6/6" not in text.partition("\x1b")[0]


def test_the_last_lines_of_an_output_leave_out_what_says_nothing():
    lines = [
        "ok",
        "/a/b.py:6: UserWarning: x is deprecated",
        "  warnings.warn(x)",
        "Loading:   0%|  | 0/1\rLoading: 100%|##| 1/1",
        "model.safetensors 3.1GB [00:03, 900MB/s]",
        "",
        "RuntimeError: broken\r",
    ]
    assert last_lines(lines) == ["ok", "RuntimeError: broken"]
