"""Error 803: a reboot on the machine itself, the host's libcuda in a container."""

from typed import inside as doctor

ERROR = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver"


def fix_of(*lines: str) -> str:
    """Return the command of the fix that triage prints, on one line."""
    screen = doctor("triage", "-", stdin="\n".join(lines)).stdout
    return " ".join(screen.partition(" fix")[2].partition("confirm")[0].split())


def test_without_a_container_it_is_a_reboot():
    assert "sudo reboot" in fix_of("Ubuntu 24.04", ERROR)


def test_in_a_container_it_is_the_library_path():
    started = "$ docker run --gpus all -it example.org/image python train.py"
    assert "LD_LIBRARY_PATH=/usr/local/nvidia/lib64" in fix_of(started, ERROR)
