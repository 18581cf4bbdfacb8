"""What a PyTorch wheel needs of the machine that will run it: known when an image is built, before there is a GPU."""

from tunedoctor import facts as kinds
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.wheels.rules import driver_floor


def needs_of(snapshot: Snapshot) -> dict[str, str]:
    """Return what is needed, in words: {"driver": ">=570.26", "GPU code": "sm_75 sm_80 …"}; {} without PyTorch."""
    torch = snapshot.find(kinds.TorchBuild)
    if torch is None:
        return {}
    found = {"torch": torch.version}
    if torch.cuda and (floor := driver_floor(torch.cuda, windows=False)):
        found["NVIDIA driver"] = f">={floor}"
    if torch.hip:
        found["ROCm driver"] = f"for ROCm {torch.hip}"
    if torch.archs:
        found["GPU code"] = " ".join(torch.archs)
    return found
