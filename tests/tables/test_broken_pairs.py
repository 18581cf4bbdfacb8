"""Packages that break each other are found by their versions and by error texts."""

import pytest
from fact_builders import packages, some_packages

from tunedoctor.facts import Environment, Errors, ErrorText, TorchBuild
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.tables.known_bad import bitsandbytes_lacks, broken_pairs

NO_TORCH = Facts(Snapshot({})).torch


@pytest.mark.parametrize(
    ("check", "installed", "torch", "options", "row_id"),
    [
        (
            "library-version-clash",
            packages(peft="0.17.1", transformers="5.24.0"),
            NO_TORCH,
            {},
            "peft-0.16-0.17-hybridcache",
        ),
        (
            "library-version-clash",
            packages(tokenizers="0.22.1", transformers="5.24.0"),
            NO_TORCH,
            {},
            "tokenizers-for-transformers-5.16",
        ),
        ("missing-dependency", packages(transformers="5.24.0"), NO_TORCH, {}, "accelerate-missing"),
        (
            "library-version-clash",
            packages(trl="1.16.0"),
            NO_TORCH,
            {
                "errors": Errors(
                    errors=(
                        ErrorText(
                            text="TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'"
                        ),
                    )
                )
            },
            "trl-0.20-sftconfig-max-seq-length",
        ),
        (
            "quantisation-library-mismatch",
            packages(bitsandbytes="0.50.2"),
            NO_TORCH,
            {"environment": Environment(variables={"BNB_CUDA_VERSION": ""})},
            "bnb-empty-override",
        ),
        (
            "quantisation-library-mismatch",
            packages(bitsandbytes="0.44.1", triton="3.1.0"),
            TorchBuild(version="2.5.1+cpu", accelerator="cpu"),
            {},
            "triton-no-driver-import",
        ),
    ],
)
def test_versions_that_break_each_other_are_found(check, installed, torch, options, row_id):
    result = broken_pairs(check, installed, torch, **options)
    assert len(result) == 1
    assert result[0].row.id == row_id


@pytest.mark.parametrize(
    ("check", "installed", "torch", "options"),
    [
        ("library-version-clash", packages(peft="0.18.1", transformers="5.24.0"), NO_TORCH, {}),
        (
            "library-version-clash",
            packages(tokenizers="0.23.3", transformers="5.24.0"),
            NO_TORCH,
            {},
        ),
        ("library-version-clash", packages(transformers="5.24.0"), NO_TORCH, {}),
        ("missing-dependency", some_packages(transformers="5.24.0"), NO_TORCH, {}),
        ("library-version-clash", packages(trl="1.16.0"), NO_TORCH, {}),
        (
            "library-version-clash",
            packages(trl="0.15.2"),
            NO_TORCH,
            {
                "errors": Errors(
                    errors=(
                        ErrorText(
                            text="TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'"
                        ),
                    )
                )
            },
        ),
        (
            "quantisation-library-mismatch",
            packages(bitsandbytes="0.50.2"),
            NO_TORCH,
            {"environment": Environment(variables={})},
        ),
        ("quantisation-library-mismatch", packages(bitsandbytes="0.50.2"), NO_TORCH, {}),
        (
            "quantisation-library-mismatch",
            packages(bitsandbytes="0.44.1", triton="3.1.0"),
            TorchBuild(version="2.5.1+cu124", cuda="12.4", accelerator="cuda"),
            {},
        ),
    ],
)
def test_versions_that_work_together_are_left_alone(check, installed, torch, options):
    assert broken_pairs(check, installed, torch, **options) == ()


def test_the_torch_build_counts_more_than_the_metadata():
    result = broken_pairs(
        "torch-too-old-for-library",
        packages(transformers="5.24.0", torch="2.9.1"),
        TorchBuild(version="2.5.1+cpu"),
    )
    assert len(result) == 2
    assert result[0].row.id == "transformers-5.20-needs-torch-2.6"
    assert result[0].versions == {"transformers": "5.24.0", "torch": "2.5.1+cpu"}
    assert result[1].row.id == "transformers-torch-load-cve-2025-32434"


def test_an_error_text_is_enough_when_the_packages_are_unknown():
    result = broken_pairs(
        "library-version-clash",
        Facts(Snapshot({})).packages,
        NO_TORCH,
        errors=Errors(
            errors=(
                ErrorText(text="ImportError: cannot import name 'HybridCache' from 'transformers'"),
            )
        ),
    )
    assert len(result) == 1
    assert result[0].row.id == "peft-0.16-0.17-hybridcache"


def test_a_vague_error_text_is_not_enough():
    assert (
        broken_pairs(
            "library-version-clash",
            Facts(Snapshot({})).packages,
            NO_TORCH,
            errors=Errors(errors=(ErrorText(text="KeyError: 'past_key_values'"),)),
        )
        == ()
    )


@pytest.mark.parametrize(
    ("version", "cuda"),
    [
        ("0.37.0", "12.6"),
        ("of mine", "12.6"),
        ("0.43.3", "12.5"),
        ("0.45.2", "12.6"),
        ("0.47.0", "12.9"),
        ("0.49.2", "13.0"),
        ("0.50.2", "13.2"),
        ("0.50.2", "12.9"),
        ("0.60.0", "13.2"),
        ("0.60.0", "12.9"),
    ],
)
def test_a_bitsandbytes_release_has_the_library_of_this_cuda_or_is_unknown(version, cuda):
    assert bitsandbytes_lacks(version, cuda) == ()


@pytest.mark.parametrize(
    ("version", "cuda", "call"),
    [
        ("0.43.3", "12.6", 125),
        ("0.45.2", "12.8", 126),
        ("0.47.0", "13.0", 129),
        ("0.49.2", "13.2", 130),
    ],
)
def test_a_bitsandbytes_release_lacks_the_library_of_a_newer_cuda(version, cuda, call):
    assert call in bitsandbytes_lacks(version, cuda)
