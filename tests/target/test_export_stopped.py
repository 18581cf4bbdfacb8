"""doctor export is ended while it writes: nothing half written stays, or the next export removes it."""

import shutil
import signal
import subprocess
import sys

import pytest
from torch_target import lacks
from trainers import TH, run
from typed import HANGS, bare, doctor, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
SLOW = """
import sys, time
if "export.py" in " ".join(sys.argv):
    import gguf
    write = gguf.GGUFWriter.write_tensors_to_file
    def slowly(self, *words, **more):
        write(self, *words, **more)
        open("reached", "w").close()
        time.sleep(60)
    gguf.GGUFWriter.write_tensors_to_file = slowly
"""


@pytest.fixture
def model(tiny_model, torch_python, tmp_path):
    if lacks("gguf"):
        pytest.fail("the target needs gguf")
    shutil.copytree(tiny_model, tmp_path / "m")
    run(tmp_path, torch_python, "-c", TH.format("m"))
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_export_that_is_ended_leaves_nothing_half_written(number, model, torch_python):
    (model / "slow").mkdir()
    (model / "slow/sitecustomize.py").write_text(SLOW)
    words = ["export", "m", "--gguf", "one.gguf", "--target", torch_python]
    argv = [sys.executable, "-m", "tunedoctor", *words]
    env = {**bare(), "PYTHONPATH": str(model / "slow")}
    with subprocess.Popen(argv, cwd=model, env=env, stdin=subprocess.DEVNULL) as child:
        until((model / "reached").exists)
        assert [*model.glob(".*one.gguf")], "nothing is half written yet"
        child.send_signal(number)
        child.wait(HANGS)
    if number == signal.SIGKILL:
        words[3] = "two.gguf"
        shutil.rmtree(model / "slow")
        ended = doctor(*words, cwd=model)
        assert ended.returncode == 0, ended.stderr
        assert (model / "two.gguf").exists()
    assert [*model.glob(".*")] == []
    assert not (model / "one.gguf").exists()
