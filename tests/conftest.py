"""What all tests share: folders of the doctor's own that are empty, signals as in a shell, and a target that trains.

They run on POSIX systems; the doctor on Windows is in tests/platforms. Properties have no deadline: a busy neighbour is
no fault, and what has to be fast is measured in CPU time. What they draw is the same each time, so that luck fails
nobody's change; `--hypothesis-profile search` draws anew, and ten times as much.
"""

import json
import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest
import torch_target
import typed
from hypothesis import HealthCheck, settings
from libraries.fixtures import index, uv_cache
from trainers import DATA, TRAINER, Ended, Runs, done

__all__ = ["index", "uv_cache"]
HOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("doctor", **HOW, derandomize=True)
settings.register_profile("search", **HOW, max_examples=1000)
settings.load_profile("doctor")
STEERS = (
    *("GITHUB_", "SLURM", "RAY_", "MASTER_", "HF_", "HUGGING", "CUDA_", "HSA_", "OMP_", "PYTORCH_"),
    *("DOCTOR_OFFLINE", "DOCTOR_MIRROR", "DOCTOR_POD", "DOCTOR_JOB", "NODE_NAME", "LC_", "LANG"),
    *("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TZ", "CI", "KUBERNETES_", "PYTHONUTF8"),
    *("PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONHOME"),
)
"""Variables of the machine that runs the tests, a runner of CI or a node of a cluster, by which the doctor goes."""
for name in [name for name in os.environ if name.startswith(STEERS)]:
    del os.environ[name]  # before modules keep what there is
os.environ.update(LANG="C.UTF-8", TERM="xterm")
os.umask(0o022)


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # several tests run at once: threads of torch that wait for each other would take most of the time
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in ("cache", "state"):
            folder = tmp_path_factory.mktemp(f"doctor-{name}")
            patch.setenv(f"DOCTOR_{name.upper()}", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_as_in_a_shell():
    """What runs in the background ignores Ctrl-C, nohup the end of a terminal; so would all that tests start."""
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            own = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, own)


@pytest.fixture
def inside(tmp_path):
    """Run a command in this process and in tmp_path, if no other `cwd` is given."""
    return partial(typed.inside, cwd=tmp_path)


@pytest.fixture(scope="session")
def torch_python():
    return torch_target.torch_python() or pytest.skip(torch_target.WHY_NOT)


@pytest.fixture(scope="session")
def server(torch_python):
    """One process in which trainers are forked: what it is asked, and how that ended."""
    argv = [torch_python, str(Path(__file__).parent / "target" / "trainer_server.py"), str(TRAINER)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin
        assert child.stdout

        def ask(folder, arguments, code, *, two=False):
            order = {"arguments": arguments, "code": code, "folder": str(folder), "two": two}
            print(json.dumps(order), file=child.stdin, flush=True)
            line = child.stdout.readline() if child.stdout else ""
            assert line, "the trainers' process is gone"
            return Ended(**json.loads(line))

        yield ask
        child.kill()


@pytest.fixture
def train(server, tmp_path):
    """Run the trainer in tmp_path: train("--key=value", .., code="what is run before", two=False)"""
    return lambda *arguments, code="", **more: server(tmp_path, arguments, code, **more)


@pytest.fixture(scope="session")
def tiny_model(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    done(server(folder, (), "tiny('.')"))
    return str(folder)


@pytest.fixture
def options(tiny_model, tmp_path):
    """A run of eight steps with dropout."""
    (tmp_path / "d.jsonl").write_text(DATA)
    common = (
        "--data=d.jsonl --batch=8 --max-steps=8 --learning-rate=5e-3 --dropout=0.1 --device=cpu"
    )
    return [f"--model={tiny_model}", *common.split()]


@pytest.fixture
def runs(train, options, tmp_path):
    return Runs(train, options, tmp_path)
