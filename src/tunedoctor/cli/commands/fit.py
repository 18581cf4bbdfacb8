"""doctor fit: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.completions import (
    complete_gpu,
    complete_model,
    complete_optimizer,
    complete_stack,
)
from tunedoctor.cli.parameters import (
    DoctorCommand,
    FormatOption,
    OwnOption,
    TargetOption,
    examples,
    finite,
    typed_options,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="fit",
    cls=DoctorCommand,
    epilog=examples(
        "doctor fit Qwen/Qwen3-8B --method qlora --gpu 'RTX 4090'",
        "doctor fit ./model --seq 4096 --batch 2",
    ),
)
def fit(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model name, folder, config.json, .gguf file, a size such as 7B, or a configuration of doctor"
            " train, axolotl, LLaMA-Factory, torchtune, ms-swift, TRL or unsloth.",
            autocompletion=complete_model,
        ),
    ] = "",
    method: Annotated[
        Literal["lora", "qlora", "full"],
        typer.Option("--method", help="Fine-tuning method.", rich_help_panel="Common options"),
    ] = "lora",
    objective: Annotated[
        Literal["sft", "dpo", "orpo"],
        typer.Option(
            "--objective",
            help="Training objective; dpo and orpo learn from pairs of answers.",
            rich_help_panel="Training details",
        ),
    ] = "sft",
    rank: Annotated[
        int,
        typer.Option(
            "--rank",
            metavar="R",
            help="Rank of the LoRA adapters.",
            rich_help_panel="Common options",
            min=1,
            max=16384,
        ),
    ] = 16,
    targets: Annotated[
        str,
        typer.Option(
            "--targets",
            metavar="T",
            help="Modules to adapt: all-linear, or names such as q_proj,v_proj.",
            rich_help_panel="Training details",
        ),
    ] = "all-linear",
    dora: Annotated[
        bool,
        typer.Option(
            "--dora",
            help="Use DoRA adapters (weight-decomposed).",
            rich_help_panel="Training details",
        ),
    ] = False,
    seq: Annotated[
        int,
        typer.Option(
            "--seq",
            metavar="N",
            help="Longest sample, in tokens.",
            rich_help_panel="Common options",
            min=1,
            max=16777216,
        ),
    ] = 2048,
    batch: Annotated[
        int,
        typer.Option(
            "--batch",
            metavar="N",
            help="Samples per step and GPU.",
            rich_help_panel="Common options",
            min=1,
            max=65536,
        ),
    ] = 1,
    accum: Annotated[
        int,
        typer.Option(
            "--accum",
            metavar="N",
            help="Batches accumulated for one optimizer step.",
            rich_help_panel="Training details",
            min=1,
            max=1048576,
        ),
    ] = 1,
    optimizer: Annotated[
        str,
        typer.Option(
            "--optimizer",
            metavar="O",
            help="Optimizer: adamw, adamw_fused, adamw_8bit, paged_adamw, paged_adamw_8bit, "
            "lion, lion_8bit, adafactor, sgd, sgd_momentum or none.",
            rich_help_panel="Common options",
            autocompletion=complete_optimizer,
        ),
    ] = "adamw",
    checkpointing: Annotated[
        bool,
        typer.Option(
            "--checkpointing/--no-checkpointing",
            help="Recompute activations in the backward pass to save memory.",
            rich_help_panel="Common options",
        ),
    ] = True,
    attention: Annotated[
        Literal["sdpa", "eager", "flash"],
        typer.Option(
            "--attn", help="Attention implementation.", rich_help_panel="Training details"
        ),
    ] = "sdpa",
    stack: Annotated[
        str,
        typer.Option(
            "--stack",
            metavar="S",
            help="Training library: doctor, hf, trainer, trl, unsloth, axolotl, llama-factory, "
            "torchtune, litgpt or other.",
            rich_help_panel="Libraries",
            autocompletion=complete_stack,
        ),
    ] = "doctor",
    precision: Annotated[
        Literal["bf16", "fp16", "mixed", "fp32"],
        typer.Option(
            "--precision",
            help="Number format of the weights; mixed keeps them in fp32 (without a GPU: fp32).",
            rich_help_panel="Training details",
        ),
    ] = "bf16",
    quant: Annotated[
        Literal["nf4-dq", "nf4", "gptq", "int8"],
        typer.Option(
            "--quant",
            help="Format of the quantised weights with --method qlora.",
            rich_help_panel="Training details",
        ),
    ] = "nf4-dq",
    padded: Annotated[
        bool,
        typer.Option(
            "--padded",
            help="Assume that batches contain padding.",
            rich_help_panel="Library details",
        ),
    ] = False,
    dropout: Annotated[
        float,
        typer.Option(
            "--dropout",
            metavar="P",
            help="Dropout of the LoRA adapters.",
            rich_help_panel="Library details",
            min=0,
            max=1,
            callback=finite,
        ),
    ] = 0.0,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="Also train the embeddings and the output head.",
            rich_help_panel="Library details",
        ),
    ] = False,
    releases: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="L=V,…",
            help=(
                "Versions of the libraries of --stack, for example transformers=4.48,liger (default:"
                " those of the environment)."
            ),
            rich_help_panel="Libraries",
        ),
    ] = "",
    loss: Annotated[
        Literal[
            "stack",
            "whole",
            "whole-middle",
            "whole-old",
            "whole-narrow",
            "in-place",
            "chunked",
            "chunked-kept",
            "chunked-wide",
            "recomputed",
            "recomputed-wide",
            "fused",
        ],
        typer.Option(
            "--loss",
            metavar="KIND",
            help=(
                "How the loss is computed: whole, chunked, recomputed, in-place, fused, or a variant"
                " listed in doctor explain fit (default: as the stack does)."
            ),
            rich_help_panel="Library details",
        ),
    ] = "stack",
    autocast: Annotated[
        bool | None,
        typer.Option(
            "--autocast/--no-autocast",
            help="Run the forward pass under torch.autocast (default: as the stack does).",
            rich_help_panel="Library details",
        ),
    ] = None,
    prepared: Annotated[
        bool | None,
        typer.Option(
            "--prepared/--no-prepared",
            help="Assume that prepare_model_for_kbit_training was called (default: as the stack does).",
            rich_help_panel="Library details",
        ),
    ] = None,
    experts_quantised: Annotated[
        bool | None,
        typer.Option(
            "--experts-4bit/--no-experts-4bit",
            help="Quantise routed experts to 4 bits too (default: as the stack does).",
            rich_help_panel="Library details",
        ),
    ] = None,
    adapter_bits: Annotated[
        int | None,
        typer.Option(
            "--adapter-bits",
            metavar="B",
            help="Bits per adapter weight: 16 or 32 (default: as the stack does).",
            rich_help_panel="Library details",
            min=16,
            max=32,
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Run under torch.compile.", rich_help_panel="Library details"
        ),
    ] = False,
    step_in_backward: Annotated[
        bool,
        typer.Option(
            "--step-in-backward",
            help="Apply each gradient in the backward pass and free it at once.",
            rich_help_panel="Library details",
        ),
    ] = False,
    offload: Annotated[
        Literal["none", "activations", "optimizer", "all"],
        typer.Option(
            "--offload",
            help="What to keep in RAM instead of GPU memory.",
            rich_help_panel="Library details",
        ),
    ] = "none",
    context_parallel: Annotated[
        int,
        typer.Option(
            "--context-parallel",
            metavar="N",
            help="Number of GPUs that share one sequence.",
            rich_help_panel="Several GPUs",
            min=1,
            max=1024,
        ),
    ] = 1,
    gpu: Annotated[
        str,
        typer.Option(
            "--gpu",
            metavar="NAME",
            help="GPU model, for example 'RTX 4090' (default: this machine's GPU).",
            rich_help_panel="Common options",
            autocompletion=complete_gpu,
        ),
    ] = "",
    vram: Annotated[
        float | None,
        typer.Option(
            "--vram",
            metavar="GIB",
            help="GPU memory in GiB, instead of --gpu.",
            rich_help_panel="Common options",
            min=0.5,
            max=16384,
            callback=finite,
        ),
    ] = None,
    gpus: Annotated[
        int,
        typer.Option(
            "--gpus",
            metavar="N",
            help="Number of GPUs to train on.",
            rich_help_panel="Common options",
            min=1,
            max=65536,
        ),
    ] = 1,
    sharding: Annotated[
        Literal["ddp", "fsdp", "zero1", "zero2", "zero3"],
        typer.Option(
            "--sharding", help="How the model is split across GPUs.", rich_help_panel="Several GPUs"
        ),
    ] = "ddp",
    tokens: Annotated[
        str,
        typer.Option(
            "--tokens",
            metavar="N",
            help="Tokens in the whole training, for example 20M; adds time and cost.",
            rich_help_panel="Cost",
        ),
    ] = "",
    price_per_hour: Annotated[
        float,
        typer.Option(
            "--price-per-hour",
            metavar="P",
            help="Price per hour of a rented machine (0: not given).",
            rich_help_panel="Cost",
            min=0,
            max=10000000,
            callback=finite,
        ),
    ] = 0.0,
    rented: Annotated[
        str,
        typer.Option(
            "--rented",
            metavar="NAME",
            help="GPU model of the rented machine, for example H100 (default: --gpu).",
            rich_help_panel="Cost",
            autocompletion=complete_gpu,
        ),
    ] = "",
    card_price: Annotated[
        float,
        typer.Option(
            "--card-price",
            metavar="P",
            help="Price of buying the GPU (0: not given).",
            rich_help_panel="Cost",
            min=0,
            max=10000000,
            callback=finite,
        ),
    ] = 0.0,
    power_price: Annotated[
        float,
        typer.Option(
            "--power-price",
            metavar="P",
            help="Price of one kWh of electricity (0: not given).",
            rich_help_panel="Cost",
            min=0,
            max=10000000,
            callback=finite,
        ),
    ] = 0.0,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Trace the real model class in the environment instead of using formulas.",
            rich_help_panel="Libraries",
        ),
    ] = False,
    target: TargetOption = None,
    own: OwnOption = False,
    cards: Annotated[
        bool,
        typer.Option(
            "--cards",
            help="List what each GPU model can train. With MODEL: list the GPU models that can train it.",
            rich_help_panel="Common options",
        ),
    ] = False,
    format: FormatOption = "terminal",
) -> int:
    """Estimate how much memory a fine-tune needs, whether it fits, and what to change if not."""
    from tunedoctor.cli.fit import run_fit
    from tunedoctor.core.fit import FitOptions

    return run_fit(
        FitOptions(
            model=model,
            method=method,
            objective=objective,
            rank=rank,
            targets=targets,
            dora=dora,
            seq=seq,
            batch=batch,
            accum=accum,
            optimizer=optimizer,
            checkpointing=checkpointing,
            attention=attention,
            stack=stack,
            precision=precision,
            quant=quant,
            padded=padded,
            dropout=dropout,
            embeddings=embeddings,
            releases=releases,
            loss=loss,
            autocast=autocast,
            prepared=prepared,
            experts_quantised=experts_quantised,
            adapter_bits=adapter_bits or 0,
            compiled=compiled,
            step_in_backward=step_in_backward,
            offload=offload,
            context_parallel=context_parallel,
            gpu=gpu,
            vram=vram or 0.0,
            gpus=gpus,
            sharding=sharding,
            tokens=tokens,
            price_per_hour=price_per_hour,
            rented=rented,
            card_price=card_price,
            power_price=power_price,
            exact=exact,
            cards=cards,
            typed=typed_options(context),
        ),
        target,
        own=own,
        format_=format,
    )
