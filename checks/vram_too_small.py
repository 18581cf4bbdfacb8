"""What fits into the memory of this GPU, or: the job did not fit.

What it means
    Fine-tuning needs the weights, the adapters with their gradients and optimiser, and the activations with the
    logits. doctor fit reckons that for any model; for 7-8B models with adapters on all linear layers, short
    sequences, checkpointing: QLoRA 8 to 12 GB, LoRA in 16 bits 18 to 21 GB, full fine-tuning 57 GB and more.

How it is found
    The driver tells the memory of the largest GPU; where it shares the RAM, the RAM counts. An out-of-memory
    error in a log decides by itself.

Cures
    Smaller batches and sequences, gradient checkpointing, 4-bit weights, a smaller model.

When to ignore it
    Where the job is known to fit.

Seen as
    CUDA out of memory. Tried to allocate
    OutOfMemoryError: CUDA out of memory
    MPS backend out of memory
    HIP out of memory. Tried to allocate
"""

from tunedoctor.api import (
    AmdGpus,
    Environment,
    Errors,
    Finding,
    Host,
    Memory,
    NvidiaGpus,
    Runtime,
    Shortage,
    Unknown,
    advise,
    check,
    gib,
    known,
    set_variable,
    shortage,
    table,
    tell,
    told,
    visible_gpus,
)

SAID = (
    r"(?:CUDA|HIP|XPU|NPU|MLU|MUSA|HPU) out of memory(?:\. Tried to allocate [\d.]+ \w+)?",
    r"MPS backend out of memory",
    # what a notebook prints above the frames, where the message below them is cut
    r"^(?:torch\.(?:cuda\.)?)?OutOfMemoryError$",
    r"Invalid buffer size: [\d.]+ [GT]i?B",
    r"OutOfMemoryError: Allocation on device|Allocation on device \d{1,3} would exceed allowed memory",
    r"Got an OOM, unloading all loaded models",
    r"(?:cuda runtime error \(2\)|error=2) : out of memory",
    r"CUDA driver error: (?:out of memory|2\b)|Triton Error \[(?:CUDA|HIP)\]: out of memory",
    r"(?:Cuda|HIP) failure (?:2 )?'out of memory'|Failed to CUDA (?:calloc|malloc)",
    r"(?:cudaMalloc|hipMalloc) failed: out of memory|CUDA error 2 at \S{1,80}: out of memory",
    (
        r"failed to allocate (?:CUDA|ROCm|Vulkan|Metal|SYCL)\d{0,2} buffer|unable to allocate (?:CUDA|ROCm|Vulkan|Me"
        r"tal|SYCL)\d{0,2} "
        r"buffer|ErrorOutOfDeviceMemory|failed to allocate buffer for kv cache"
    ),
    r"Insufficient Memory \(00000008:kIOGPU",
    (
        r"OOM when allocating tensor with shape.{1,160}device:GPU|Allocator \(GPU_\d{1,2}_bfc\) ran out of memory"
        r"|device:GPU:\d{1,2}\}\} failed to allocate memory"
    ),
    r"RESOURCE_EXHAUSTED: Out of memory (?:while trying to allocate|allocating) \d",
    r"cupy\.cuda\.memory\.OutOfMemoryError: Out of memory allocating",
    r"Error out of memory at line \d{1,5} in file",
    r"No executable batch size found, reached zero",
    r"larger than the maximum number of tokens that can be stored in KV cache",
    r"You can't train a model that has been loaded in 8-bit or 4-bit precision with CPU or disk offload",
    r"Some modules are dispatched on the CPU or the disk",
    r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory",
    r"(?:CUDA|HIP) error: out of memory",
    r"CU(?:BLAS|DNN|SOLVER)_STATUS_ALLOC_FAILED",
    r"UR_RESULT_ERROR_OUT_OF_(?:DEVICE_MEMORY|RESOURCES)",
    r"Command buffer execution failed: Insufficient Memory|kIOGPUCommandBufferCallbackErrorOutOfMemory",
    r"Make sure you have enough GPU RAM to fit the quantized model",
    r"No available memory for the cache blocks",
    r"KV cache is needed, which is larger than the available KV cache memory",
    r"larger than the maximum number of tokens that can be stored in (?:the )?KV cache",
    r"Not enough memory\. Please try to increase --mem-fraction-static",
    r"Available KV cache memory: -\d",
)
GUESS = (
    r"The current `device_map` had weights offloaded to the disk",
    r"We need an `offload_dir` to dispatch this model",
    r"Native API (?:failed\. Native API )?returns: -5 \(PI_ERROR_OUT_OF_RESOURCES\)",
    r"Failed to allocate memory for requested buffer of size \d",
    r"Free memory on device \([^()]{1,60}\) on startup is less than desired GPU memory utilization",
)
"""What RAM, a driver or other processes on the GPU give as well."""
GIB = 1 << 30
ENOUGH = 30
"""GiB from which on there is no note."""


@check("vram-too-small", "GPU memory decides which models fit", "note", advice=True)
def vram_too_small(  # noqa: PLR0913  every vendor's memory, and what was said
    host: Host | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None,
    amd: AmdGpus | Unknown | None,
    memory: Memory | Unknown | None,
    environment: Environment | Unknown | None,
    runtime: Runtime | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Call it an error where a run ended so; else name what fits, below 30 GiB."""
    sure = told(errors, *SAID)
    said = sure or told(errors, *GUESS)
    name, size = _largest(known(nvidia), known(amd), known(memory), known(runtime), environment)
    short = shortage(errors) if said else None
    if short and (finding := _held(short, said, host)):
        return finding
    if said:
        return Finding(
            title="The job needs more GPU memory than there is",
            severity="error",
            found=f"the error '{said}'" + (f"; {name} has {gib(size)}" if size else ""),
            said=said,
            means="training stops at the step whose batch, sequence or logits do not fit",
            cure=advise("Set per_device_train_batch_size=1 and gradient_checkpointing=True"),
            cure_note="then halve max_length, load the weights in 4 bits, or take a smaller model; "
            "each GPU of a plain multi-GPU run holds the whole model",
            settle="" if sure else "nvidia-smi",
        )
    if not size:
        return None
    return _note(name, size) if size < ENOUGH * GIB else None


def _held(short: Shortage, said: str, host: Host | Unknown | None) -> Finding | None:
    """Tell of memory that is there and held: by other programs, or by torch's own cache in pieces."""
    if short.by_others:
        who = f" by process {', '.join(map(str, short.processes[:3]))}" if short.processes else ""
        return Finding(
            title="Other programs hold the GPU memory that the job needs",
            severity="error",
            found=f"the error '{said}'; of {gib(short.total)}, {gib(short.others)} are held{who}",
            said=said,
            means="training stops at a step that would fit in an empty GPU",
            cure=tell(f"kill {short.processes[0]}") if short.processes else tell("nvidia-smi"),
            cure_note="ends that program: save its work first; a container shows other numbers"
            if short.processes
            else "lists the programs on each GPU: stop those that hold its memory",
        )
    if short.by_pieces:
        return Finding(
            title="GPU memory lies in pieces that are too small",
            severity="error",
            found=f"the error '{said}'; torch holds {gib(short.unused)} that nobody uses, in pieces",
            said=said,
            means="training stops though the memory would do in one piece",
            cure=set_variable(host, "PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"),
            cure_note="before Python starts; if it is not enough: smaller batches, or samples of alike lengths",
        )
    return None


def _note(name: str, size: int) -> Finding:
    """Name the largest models that fit, by the table that doctor fit's own reckoning gave."""
    found = table("what_fits")
    methods = {"QLoRA of models": "qlora", "LoRA in 16 bits": "lora", "full": "full"}
    largest = {
        words: [tier["size"] for tier in found["tiers"] if tier[key] * GIB <= size][-1:]
        for words, key in methods.items()
    }
    said = [f"{words} up to {one[0]}" for words, one in largest.items() if one]
    most = largest["QLoRA of models"]
    return Finding(
        title=f"GPU memory of {gib(size)} limits the models that fit",
        found=f"{name} has {gib(size)}: {', '.join(said) or 'too little for a model of 0.6B'}",
        means="a larger job ends with 'CUDA out of memory'",
        cure=tell("doctor fit") if not most else advise(f"Use QLoRA for models up to {most[0]}"),
        cure_note=f"with sequences of {found['seq']} tokens, batch size 1, gradient checkpointing; "
        "doctor fit MODEL tells for others",
    )


def _largest(
    nvidia: NvidiaGpus | None,
    amd: AmdGpus | None,
    memory: Memory | None,
    run: Runtime | None,
    environment: Environment | Unknown | None,
) -> tuple[str, int]:
    """Return name and bytes of the largest GPU; of one that shares the RAM the RAM."""
    sizes: list[tuple[str, int]] = []
    for card in visible_gpus(nvidia.gpus, environment) if nvidia else ():
        shared = memory.usable if card.unified_memory and memory else 0
        sizes.append((card.name, card.memory_total or shared))
    discrete = [gpu for gpu in amd.gpus if not gpu.integrated] if amd else []
    sizes += [(gpu.name or gpu.gfx, gpu.memory_total or 0) for gpu in discrete]
    sizes += (
        [(d.name, d.memory_total or 0) for d in (run.devices if run else ())] if not sizes else []
    )
    return max(sizes, key=lambda one: one[1], default=("", 0))
