"""Record the machine and the plan that `doctor demo` shows: src/tunedoctor/tables/demo.json.

    python tools/record_demo.py

The machine is one of the museum with an RTX 5090, its packages are resolved from the recorded releases on loopback,
and the plan is the one that doctor's planner makes for it. Run it again when the story or a newer set should be shown.
"""

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("benchmarks", "tests", "tests/museum")]

import museum  # noqa: E402  tests and benchmarks are no packages
from packaging.requirements import Requirement  # noqa: E402
from plan_judge import current, metadata, plan, sent_to, state  # noqa: E402
from recorded.index import serving  # noqa: E402
from recorded.releases import GROUP, catalogue  # noqa: E402

from tunedoctor.contracts.requirements import STACK  # noqa: E402
from tunedoctor.diagnosis.agreement import chosen, drafted  # noqa: E402
from tunedoctor.diagnosis.engine import diagnose  # noqa: E402
from tunedoctor.diagnosis.registry import all_checks, all_fixes  # noqa: E402
from tunedoctor.diagnosis.simulate import simulate  # noqa: E402
from tunedoctor.facts import Absent, NvidiaDriver, Packages  # noqa: E402
from tunedoctor.model.snapshot import Snapshot, to_data  # noqa: E402
from tunedoctor.probes.packages import cuda_wheels  # noqa: E402
from tunedoctor.transaction.outcome import FindingResult, FixResult  # noqa: E402

TABLE = ROOT / "src" / "tunedoctor" / "tables" / "demo.json"
MACHINE = "healthy-rtx5090"
INSTALLED = (
    "torch==2.13.0",
    "torchvision",
    "transformers==5.24.0",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "bitsandbytes",
)
STORY = (
    "a simulated workstation with an RTX 5090. After an update, PyTorch needs a newer driver than the"
    " installed 570, and a later installation downgraded tokenizers to 0.21"
)
VARIANT = "cu130"
BREAKS = {"tokenizers": "0.21.4"}
OLD_DRIVER = "570.86.10"
NOT_THERE = {
    "Rdma": Absent(why="no InfiniBand device"),
    "PeerPaths": Absent(why="fewer than two GPUs"),
    "IntelHealth": Absent(why="no Intel GPU"),
    "Processes": Absent(why="no process of another program uses the GPU"),
}


def main() -> None:
    """Build the machine, plan, and write both."""
    checks = all_checks()
    with tempfile.TemporaryDirectory() as folder, serving() as index, sent_to(index, Path(folder)):
        machine = broken_machine()
        diagnosis = diagnose(machine, checks)
        end, made, why = plan(machine, diagnosis, checks)
        if made is None or end != "planned":
            raise SystemExit(f"no plan: {end}: {why}")
        known = metadata(made.pins, machine)
    drafts = drafted(chosen(diagnosis, ()), machine, all_fixes())
    result = FixResult(
        end="planned",
        target="/data/llm/.venv",
        installer="uv",
        findings=tuple(
            FindingResult(
                id=one.id,
                title=one.found.title,
                found=one.found.finding.found,
                severity=one.found.severity,
                fix=one.fix,
                changes=one.changes,
                advice=one.found.finding.cure.kind == "advice",
            )
            for one in drafts
        ),
        plan=made,
        plan_id=made.id,
        predicted=simulate(made, machine, checks, known).cured,
        undo="doctor undo",
        look="doctor check",
    )
    packages = machine.find(Packages)
    moved = {*(pin.name for pin in made.pins), *made.removed}
    names = [d.name for d in packages.distributions if d.name not in moved] if packages else []
    names.sort(key=lambda name: (name not in STACK, name))
    table = {
        "schema": "doctor.demo/1",
        "as_of": datetime.now(UTC).date().isoformat(),
        "source": f"tools/record_demo.py: the museum's machine {MACHINE}, recorded releases, doctor's own plan",
        "story": STORY,
        "snapshot": to_data(machine),
        "fix": msgspec.to_builtins(result),
        "unchanged": names,
        "metadata": {name: msgspec.to_builtins(one) for name, one in known.items()},
    }
    TABLE.write_text(
        placed_elsewhere(json.dumps(table, ensure_ascii=False)) + "\n", encoding="utf-8"
    )


def broken_machine() -> Snapshot:
    """Return the museum's machine with the newest set, an old driver and one package of another time."""
    base = museum.snapshot_of(MACHINE)
    torch = catalogue().of("torch")[INSTALLED[0].removeprefix("torch==")]
    versions = {
        name: f"{version}+{VARIANT}" if name in GROUP else version
        for name, version in current(INSTALLED, "3.12").items()
    }
    # the recorded index makes up what a label brings; this release itself names the libraries of CUDA 13
    brought = (
        Requirement(line) for line in torch.requires if line.startswith(("nvidia-", "cuda-"))
    )
    versions |= {one.name: str(one.specifier).removeprefix("==") for one in brought}
    broken = state(base, {**versions, **BREAKS})
    driver, packages = base.find(NvidiaDriver), broken.find(Packages)
    if driver is None or packages is None:
        raise SystemExit(f"{MACHINE} has no driver or no packages")
    own = tuple(
        msgspec.structs.replace(one, requires=torch.requires) if one.name == "torch" else one
        for one in packages.distributions
    )
    packages = msgspec.structs.replace(packages, distributions=own)
    old = msgspec.structs.replace(driver, version=OLD_DRIVER, library=OLD_DRIVER, cuda="12.8")
    return broken.having(old, packages, cuda_wheels(packages), **NOT_THERE)


def placed_elsewhere(text: str) -> str:
    """Return JSON whose paths are in no home folder, so that redaction changes none of them."""
    return text.replace("/home/ada/", "/data/")


if __name__ == "__main__":
    main()
