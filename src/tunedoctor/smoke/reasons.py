"""What each reason of the scripts means for a training, what brings it about, and what cures it."""

from typing import NamedTuple


class Reason(NamedTuple):
    """What is known of one kind of failure."""

    means: str
    cause: str = ""
    cure: str = ""
    certain: bool = False
    """The evidence leaves no other cause: findings of the doctor are not asked."""


_LIBRARIES = (
    "doctor set names versions of torch, transformers and peft that are known to train together"
)
_MEMTEST = "Run it again; if it comes back, on this device alone: doctor smoke --device cpu"
_OPTIMIZER = (
    "Call get_peft_model before the optimizer is made; look for plug-ins that patch torch.optim"
)

REASONS: dict[str, Reason] = {
    "no-device": Reason(
        "training would run on the CPU, or not at all",
        "the device that was asked for is not there",
        "Leave --device out for the best one that torch sees; doctor check says why it sees no other",
    ),
    "wrong-sum": Reason(
        "every number of a training would be wrong",
        "the driver, the wheel or the device computes wrongly",
        _MEMTEST,
    ),
    "wrong-numbers": Reason(
        "a training runs, and learns something else",
        "a kernel of this build computes wrongly on this device, or something patched torch",
        "Install torch anew: doctor wheel names the build and the command",
    ),
    "not-finite": Reason(
        "losses become NaN",
        "a kernel of this build overflows on this device",
        "Install torch anew: doctor wheel names the build and the command",
    ),
    "weight-not-finite": Reason(
        "every loss is NaN from the first step",
        "the weight was not finite before any training: a damaged file, or an initialisation that was patched",
        "Load the model's files anew and compare their sha256",
        certain=True,
    ),
    "wrap-wrong": Reason(
        "other weights train than the adapters",
        "peft and transformers do not fit each other",
        _LIBRARIES,
    ),
    "loss-not-finite": Reason(
        "the run is lost from that step on",
        "an overflow: float16 without a loss scaler, or a wrong kernel",
        "Train in bfloat16, or in float32 on the CPU to compare: doctor smoke --device cpu",
    ),
    "gradient-not-finite": Reason(
        "the run is lost from that step on",
        "an overflow in the backward pass",
        "Train in bfloat16, or in float32 on the CPU to compare: doctor smoke --device cpu",
    ),
    "no-backward": Reason(
        "the loss does not fall, and no error is raised",
        "no gradient comes through to the adapters: the graph is cut in between",
        _LIBRARIES,
    ),
    "no-backward-checkpointing": Reason(
        "the loss does not fall, or backward raises 'element 0 of tensors does not require grad'",
        "gradient checkpointing cuts the graph: frozen embeddings go in, and enable_input_require_grads has no effect",
        'Call model.enable_input_require_grads(), or gradient_checkpointing_kwargs={"use_reentrant": False}; '
        + _LIBRARIES,
        certain=True,
    ),
    "base-trains": Reason(
        "weights change that no adapter file saves", "the base is not frozen", _LIBRARIES
    ),
    "optimizer-misses": Reason(
        "the loss does not fall, and no error is raised",
        "the optimizer was made before the adapters, or of a copy of them",
        _OPTIMIZER,
        certain=True,
    ),
    "optimizer-idle": Reason(
        "the loss does not fall, and no error is raised",
        "the step of the optimizer does nothing",
        _OPTIMIZER,
    ),
    "loss-stays": Reason(
        "a real training would not learn either",
        "gradients or steps are wrong, though finite",
        _LIBRARIES,
    ),
    "base-changed": Reason(
        "saved adapters fit a base that no longer exists: after loading, the model is another",
        "something writes to frozen weights during training",
        "Look for callbacks, plug-ins and patches that write to weights; " + _LIBRARIES,
        certain=True,
    ),
    "file-missing": Reason(
        "nothing of a training is kept", "peft does not save as it should", _LIBRARIES
    ),
    "file-damaged": Reason(
        "a finished training can't be loaded",
        "what was written is not what lies on the disk: a full disk, a quota, a network drive, or a broken safetensors",
        "Look at df -h and the quota of the folder; install safetensors anew",
    ),
    "reload-died": Reason(
        "a finished training can't be loaded", "loading in a fresh process breaks"
    ),
    "reload-failed": Reason(
        "a finished training can't be loaded", "loading in a fresh process breaks", _LIBRARIES
    ),
    "reload-differs": Reason(
        "the model that is used is another than the one that was trained",
        "adapters are loaded in another way than they were saved",
        _LIBRARIES,
    ),
    "merge-differs": Reason(
        "the merged model is another than the one that was trained",
        "merging computes wrongly",
        _LIBRARIES,
    ),
    "not-recited": Reason(
        "a model that learned does not say what it learned",
        "generation and training disagree",
        _LIBRARIES,
    ),
    "not-repeatable": Reason(
        "a run can't be repeated, and a resumed run differs",
        "kernels that are not deterministic, or memory that changes by itself",
        "Set torch.use_deterministic_algorithms(True) to learn which; " + _MEMTEST,
    ),
    "checkpointing-differs": Reason(
        "a training with gradient checkpointing learns something else",
        "recomputed activations differ",
        _LIBRARIES,
    ),
    "half-not-finite": Reason(
        "losses become NaN in 16 bits",
        "an overflow of this type on this device",
        "Train in float32, or with a loss scaler",
    ),
    "half-differs": Reason(
        "a training in 16 bits learns something else",
        "16-bit kernels of this build are wrong here",
        "Install torch anew: doctor wheel names the build and the command",
    ),
    "workers-silent": Reason(
        "DataLoader workers die, or send nothing, in the first epoch",
        "shared memory between processes does not work",
        "Train with num_workers=0",
    ),
    "wrong-data": Reason(
        "batches come in another order or with other numbers",
        "shared memory between processes is wrong",
        "Train with num_workers=0",
    ),
    "quantised-differs": Reason(
        "a quantised base is another model",
        "bitsandbytes computes wrongly on this device",
        "Install bitsandbytes anew: doctor set names the version",
    ),
    "compile-differs": Reason(
        "a compiled training learns something else",
        "the compiler of this target makes wrong code",
        "Train without torch.compile",
    ),
    "rank-missing": Reason(
        "a run over several GPUs waits for ever, or ends in a timeout",
        "a rank did not start, or can't be reached: a firewall, NCCL_SOCKET_IFNAME, a GPU in use",
        "Start with NCCL_DEBUG=INFO and look at what the missing rank says last",
    ),
    "wrong-reduce": Reason(
        "ranks train apart, or towards a wrong sum",
        "the connection between GPUs sends wrong data",
        "Set NCCL_P2P_DISABLE=1 and run it again; if it is right then, PCIe ACS or the IOMMU is the cause",
    ),
    "ranks-differ": Reason(
        "each rank trains a model of its own",
        "gradients are not shared",
        "Set NCCL_P2P_DISABLE=1 and run it again",
    ),
    "slow-rank": Reason(
        "all ranks wait for the slowest",
        "this GPU is slower than its neighbours: heat, power limit, another process, PCIe width",
        "Look at nvidia-smi -q -d PERFORMANCE,POWER,TEMPERATURE of it",
    ),
    "load-differs": Reason(
        "long trainings go wrong at some step, with no error",
        "numbers change under load: heat, power, overclocking or faulty memory",
        "Take back overclocking and undervolting, look at supply and cooling; if it comes back, replace the card",
    ),
    "slows-down": Reason(
        "a long training takes longer than its first minutes promise",
        "heat or a power limit lowers the clocks",
        "Look at nvidia-smi -q -d PERFORMANCE,POWER,TEMPERATURE while it trains",
    ),
    "throttled": Reason(
        "training runs at a fraction of its speed",
        "the card is too hot, or its supply too weak",
        "Clean the fans and filters; look at power cables and the room's air",
    ),
    "hardware-errors": Reason(
        "a long training dies, or learns from wrong numbers",
        "the card or its connection fails under load",
        "doctor explain gpu-faulty tells what each Xid asks for",
    ),
    "data-unreadable": Reason(
        "the training does not begin",
        "the data are not what was expected",
        "Correct the file; JSON Lines with text, messages, or prompt and completion are read",
        certain=True,
    ),
    "out-of-memory": Reason(
        "the training ends there",
        "the device has less free memory than the model needs",
        "Close what else uses the device's memory (nvidia-smi names it); smaller batches, gradient checkpointing",
    ),
    "killed-for-memory": Reason(
        "the training is killed without a word",
        "the kernel killed a process for memory while this ran",
        "Give the machine or the container more memory, or load a smaller model",
        certain=True,
    ),
    "killed": Reason(
        "the training is killed without a word",
        "something sent SIGKILL: the kernel short of memory, a job manager, an OOM daemon",
        "Look at journalctl -k --grep 'killed process' and the log of the job manager",
    ),
    "hung": Reason(
        "a training stands still here", "", "Look at the lines of Python above: there it waits"
    ),
    "crashed": Reason(
        "a training dies here without a traceback",
        "",
        "Install the library of the innermost line anew",
    ),
}

OTHER = Reason("a training stops here with this error")

BY_STAGE = {
    "import": Reason(
        "no training starts",
        "the installed library is broken, or does not fit its neighbours",
        _LIBRARIES,
    ),
    "kernels bfloat16": Reason(
        "trainings in bfloat16 fail; float16 and float32 do not need it",
        "this build or device refuses bfloat16",
        "Train with fp16=True, or bf16=False on the CPU",
    ),
    "workers": Reason(
        "DataLoader workers die in the first epoch",
        "shared memory between processes does not work",
        "Train with num_workers=0",
    ),
    "compile": Reason(
        "torch.compile and trainings that ask for it fail",
        "there is no working compiler",
        "Install a C++ compiler (g++), or train without torch.compile",
    ),
    "checkpointing": Reason(
        "trainings with gradient checkpointing fail",
        "peft and transformers do not fit each other",
        _LIBRARIES,
    ),
}
"""For exceptions without a reason of their own, by the stage or its first word."""
