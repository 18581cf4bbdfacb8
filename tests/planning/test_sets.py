"""Sets made by real uv over an index on loopback."""

import pytest
from libraries.environment import packages
from libraries.fixtures import resolve
from libraries.server import Index
from recorded.answers import Answers, Told

from tunedoctor.facts import Interpreter, Packages, Target, TorchBuild
from tunedoctor.installers.uv import Question, Solved
from tunedoctor.planning.make import Place
from tunedoctor.planning.search import firing
from tunedoctor.planning.set_answer import Answer, answered
from tunedoctor.planning.wanted import asked_for
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.machine import Gpu, Machine

ADA = Machine(
    platform="linux",
    arch="x86_64",
    python="3.12",
    glibc="2.39",
    libc="glibc",
    driver_version="580.65.06",
    gpus=(Gpu(name="NVIDIA GeForce RTX 4090", vendor="nvidia", compute_capability="8.9"),),
)
ASK = Answers(Told(resolve, lambda install, *_: install, lacking="who has what"))
CU130 = TorchBuild(version="2.14.1+cu130", cuda="13.0", accelerator="cuda", variant="cu130")
WHOLE = (
    *("torch==2.14.1+cu130", "filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0"),
    *("nvidia-nccl-cu13==2.30.7", "accelerate==1.13.0"),
)


def asked(
    *words: str,
    machine: Machine = ADA,
    there: Packages | None = None,
    torch: TorchBuild | None = None,
) -> Answer:
    python = Interpreter(executable="/env/bin/python", version="3.12.7")
    facts = Snapshot({}).having(Target(asked="/env", chosen_by="--target"), *filter(None, (torch,)))
    facts = facts.having(there, python) if there else facts
    place = Place(machine, ASK, facts, whole=True)
    return answered(place, asked_for(words))[0]


def moved(answer: Answer) -> dict[str, tuple[str, str]]:
    assert answer.verdict == "set", answer.why
    return {one.name: (one.was, one.version) for one in answer.packages if one.change == "changed"}


def held(answer: Answer) -> dict[str, str]:
    assert answer.verdict == "set", answer.why
    return {one.name: one.version for one in answer.packages}


def test_a_fresh_set_is_the_newest_around_the_chosen_torch(index: Index) -> None:
    answer = asked()
    versions = held(answer)
    assert answer.torch is not None
    assert (answer.torch.version, answer.torch.variant) == ("2.15.0", "cu132")
    assert versions["torchvision"] == "0.29.2"
    assert versions["transformers"] == "5.24.0"
    assert versions["bitsandbytes"] == "0.50.2"
    assert "nvidia-nccl-cu13" not in versions
    assert not firing(versions)
    first, second = answer.commands.pip
    assert first.endswith(
        "torch==2.15.0+cu132 torchvision==0.29.2 --index-url https://download.pytorch.org/whl/cu132"
    )
    assert second.endswith("torch==2.15.0")
    assert "transformers==5.24.0" in second
    assert "index" not in second


def test_bitsandbytes_is_left_out_where_it_has_no_wheel(index: Index) -> None:
    answer = asked(machine=Machine(platform="macos", arch="arm64", python="3.12", macos="15.1"))
    assert "bitsandbytes" not in held(answer)
    assert "no wheel" in answer.dropped["bitsandbytes"]
    assert "--index-url" not in " ".join(answer.commands.pip)


BASE = ("transformers==5.13.1", "tokenizers==0.22.2", "huggingface-hub==1.33.0")
NUMPY_1 = tuple(one for one in WHOLE if "numpy" not in one)


@pytest.mark.parametrize(
    ("there", "changed"),
    [
        (BASE, {}),
        # an install of a commit stays, and what it needs moves
        ((*BASE[1:], "transformers==5.25.0.dev0"), {"tokenizers": "0.23.3"}),
        (
            ("transformers==5.24.0", "tokenizers==0.22.2", "huggingface-hub==1.33.0"),
            {"tokenizers": "0.23.3"},
        ),
        # peft 0.17 breaks with transformers 5, undeclared; an older transformers would take two more packages along
        (
            ("transformers==5.24.0", "tokenizers==0.23.3", BASE[2], "peft==0.17.1"),
            {"peft": "0.21.2"},
        ),
        (
            (*BASE, "peft==0.19.1", "torchao==0.12.0", "numpy==1.26.4", "pyarrow==26.0.1"),
            {"torchao": "0.18.0", "numpy": "2.4.6"},
        ),
        ((*BASE, "torchvision==0.28.0+cu130"), {"torchvision": "0.29.2"}),
        ((*BASE, "bitsandbytes==0.46.1"), {"bitsandbytes": "0.50.2"}),
    ],
)
def test_the_smallest_change_cures(
    index: Index, there: tuple[str, ...], changed: dict[str, str]
) -> None:
    whole = NUMPY_1 if "numpy==1.26.4" in there else WHOLE
    answer = asked(there=packages(*whole, *there), torch=CU130)
    assert {name: now for name, (_, now) in moved(answer).items()} == changed
    assert bool(answer.commands.pip) is bool(changed)
    assert all(one.why for one in answer.changed)


def test_what_is_required_gives_way_before_who_requires_it(index: Index) -> None:
    there = packages(*WHOLE, "transformers==4.57.6", "tokenizers==0.22.2", "huggingface-hub==1.5.0")
    answer = asked(there=there, torch=CU130)
    assert moved(answer) == {"huggingface-hub": ("1.5.0", "0.36.2")}
    (one,) = answer.changed
    assert "transformers==4.57.6 depends on huggingface-hub>=0.34.0,<1.0" in one.why
    (command,) = answer.commands.pip
    assert command == ("/env/bin/python -m pip install huggingface-hub==0.36.2 torch==2.14.1")


def test_a_known_break_that_metadata_permit_is_avoided(index: Index) -> None:
    # pyarrow 26 needs NumPy 2 and does not say so
    answer = asked("numpy<2")
    versions = held(answer)
    assert versions["numpy"] == "1.26.4"
    assert versions["pyarrow"] == "25.0.1"
    assert not firing(versions)


def test_what_the_resolver_would_take_breaks_without_the_table(index: Index) -> None:
    """Show that the test above can fail: the metadata alone lead into the break."""
    plain = resolve(Question(requirements=("datasets", "numpy<2"), python="3.12"))
    assert isinstance(plain, Solved)
    assert [p.row.id for p in firing({p.name: p.version for p in plain.pins})] == [
        "pyarrow-26-needs-numpy-2"
    ]


def test_unsloth_and_an_old_torchao_have_no_set(index: Index) -> None:
    answer = asked("unsloth", "torchao<0.12.5")
    assert answer.verdict == "none"
    assert "unsloth-zoo depend on torchao>=0.13.0" in answer.why
    assert "you require torchao<0.12.5" in answer.why
    assert answer.way_out == "leave out unsloth or torchao, or ask for other versions"
    assert "conclude" in answer.details


def test_a_library_that_caps_torch_gets_an_older_torch_that_fits_the_machine(index: Index) -> None:
    answer = asked("unsloth")
    versions = held(answer)
    assert versions["torch"] == "2.14.1"
    assert versions["torchvision"] == "0.29.1"
    assert answer.torch is not None
    assert answer.torch.variant == "cu130"


def test_a_library_is_added_around_what_is_there(index: Index) -> None:
    there = packages(*WHOLE, *BASE)
    answer = asked("trl", there=there, torch=CU130)
    assert not moved(answer)
    added = {one.name for one in answer.packages if one.change == "added"}
    assert added == {"trl", "datasets", "pyarrow", "fsspec"}


def test_who_stands_outside_has_a_say(index: Index) -> None:
    there = packages(*WHOLE, *BASE)
    webui = packages("webui==1.0").distributions[0]
    bound = type(webui)(name="webui", version="1.0", requires=("huggingface-hub<2.0",))
    both = Packages(distributions=(*there.distributions, bound))
    answer = asked("datasets>=5", "transformers>=5.20", there=both, torch=CU130)
    assert held(answer)["huggingface-hub"] == "1.33.0"
    tight = type(webui)(name="webui", version="1.0", requires=("transformers<5.20",))
    both = Packages(distributions=(*there.distributions, tight))
    answer = asked("transformers>=5.20", there=both, torch=CU130)
    assert answer.verdict == "none"
    assert "webui 1.0" in answer.why


def test_a_torch_that_does_not_work_here_is_changed(index: Index) -> None:
    build = TorchBuild(version="2.14.1+cpu", accelerator="cpu", variant="cpu")
    there = packages(
        "torch==2.14.1+cpu",
        *WHOLE[1:],
        *BASE,
    )
    answer = asked(there=there, torch=build)
    assert answer.torch is not None
    assert not answer.torch.kept
    assert (answer.torch.version, answer.torch.variant) == ("2.14.1", "cu130")
    assert moved(answer) == {"torch": ("2.14.1", "2.14.1")}
    assert "torch==2.14.1+cu130" in answer.commands.pip[0]


def test_what_was_built_here_is_left_alone(index: Index) -> None:
    there = packages(*WHOLE, *BASE, "flash-attn==2.8.3+cu13torch2.14", "einops==0.8.2")
    answer = asked("trl", there=there, torch=CU130)
    assert "flash-attn" not in held(answer)
    assert not moved(answer)
    fresh = asked("flash-attn")
    assert fresh.verdict == "none"
    assert "flash-attn==2.8.3 has no wheels" in fresh.why


def test_a_torch_newer_than_the_table_is_kept(index: Index) -> None:
    nightly = TorchBuild(
        version="2.99.0.dev20301101+cu140", cuda="14.0", accelerator="cuda", variant="cu140"
    )
    there = packages("torch==2.99.0.dev20301101+cu140", *WHOLE[1:], *BASE)
    answer = asked(there=there, torch=nightly)
    assert held(answer)["torch"] == "2.99.0.dev20301101"
    assert not answer.changed
    answer = asked("trl", there=there, torch=nightly)
    assert "torch==2.99.0.dev20301101" in answer.commands.pip[0]
    assert "torch" not in moved(answer)


def test_a_machine_without_a_build_has_no_set(index: Index) -> None:
    answer = asked(machine=Machine(platform="linux", arch="riscv64", python="3.12"))
    assert answer.verdict == "none"
    assert "PyTorch" in answer.why
    assert not index.asked


@pytest.mark.parametrize("python", ["3.8", "3.9"])
def test_a_python_that_is_too_old_is_named(index: Index, python: str) -> None:
    old = Machine(platform="linux", arch="x86_64", python=python, glibc="2.28")
    answer = asked("transformers>=5", machine=old)
    assert answer.verdict == "none"
    assert "3.10" in answer.why


def test_an_index_that_is_down_leaves_it_unknown(index: Index) -> None:
    index.close()
    answer = asked()
    assert answer.verdict == "unknown"
    assert "index" in answer.why
    assert answer.way_out


def test_bitsandbytes_is_left_out_where_it_holds_no_code_for_the_gpu(index: Index) -> None:
    amd = Machine(
        platform="linux",
        arch="x86_64",
        python="3.12",
        glibc="2.39",
        gpus=(Gpu(name="Radeon RX 6800", vendor="amd", gfx="gfx1030"),),
    )
    answer = asked(machine=amd)
    assert answer.torch is not None
    assert answer.torch.variant.startswith("rocm")
    assert "bitsandbytes" not in held(answer)
    assert "gfx1030" in answer.dropped["bitsandbytes"]
