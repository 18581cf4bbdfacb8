"""The names under which tools and people tell things of an environment, by key; " | " stands between names.

As `names.normal` leaves them: lower case, single spaces, without "version" at the end. Sources: collect_env of torch
1.0 to 2.10, of vLLM and SGLang; the env commands of transformers, diffusers, accelerate, trl, lerobot, llamafactory
and huggingface_hub; mmengine, detectron2, lightning, xformers.info, ds_report, bitsandbytes; issue forms.
"""

NAMES: dict[str, str] = {
    "torch": "torch | pytorch | pytorch accelerator",
    "torch_cuda": (
        "cuda used to build pytorch | cuda used to build torch | torch cuda | "
        "torch.version.cuda | cuda build | pytorch cuda | torch built with cuda | pytorch built "
        "with cuda | built with cuda | cuda version (torch) | cuda version (pytorch) | cuda "
        "compiled | cuda (torch) | cuda of torch"
    ),
    "torch_hip": (
        "rocm used to build pytorch | torch hip | torch.version.hip | hip build | pytorch hip | "
        "torch rocm"
    ),
    "torch_xpu": "xpu used to build pytorch | torch.version.xpu",
    "cuda_plain": "cuda | cuda/cudnn | nvidia cuda",
    "hip_plain": "hip",
    "debug": "is debug build | pytorch debug build",
    "available": (
        "is cuda available (pytorch) | cuda available (pytorch) | cuda available (torch) | "
        "is cuda available | cuda available | cuda is available | torch.cuda.is available() | "
        "gpu available | torch.cuda.is available | is gpu available | cuda availability | torch "
        "cuda available | pytorch cuda available | torch cuda is available | gpu is available | "
        "cuda enabled | pytorch.cuda | torch cuda availability | cuda可用 | rocm available | hip "
        "available"
    ),
    "xpu_available": (
        "is xpu available | xpu available | torch.xpu.is available() | pytorch xpu available | "
        "ipex available | xpu is available"
    ),
    "mps_available": (
        "is mps available | mps available | torch.backends.mps.is available() | mps is "
        "available | torch.mps.is available() | pytorch mps available"
    ),
    "accelerator": (
        "pytorch accelerator | accelerator(s) | cuda device(s) | accelerator | torch device | "
        "accelerators"
    ),
    "os": (
        "os | operating system | operating system and | system | os type | os name | "
        "description | distro | distribution | pretty name | host os | operating system/ | "
        "platform/os | os platform | sys.platform | 操作系统 | 系统 | betriebssystem | sistema "
        "operativo | os/platform | système d'exploitation | 운영체제 | linux distribution | "
        "operation system | productname | os distribution | operating system + | os and | os & "
        "| system os"
    ),
    "mac": "productversion",
    "platform": (
        "platform | python platform | os platform string | release | platform.platform() | "
        "system platform"
    ),
    "kernel": "kernel | kernel release | linux kernel | uname r | uname a | uname | os kernel",
    "libc": "libc | glibc",
    "machine": (
        "architecture | arch | cpu architecture | processor | cpu arch | machine | 架构 | system "
        "architecture"
    ),
    "python": (
        "python | python3 | sys | python interpreter | python compiler | python vv | python "
        "verion | python runtime | cpython"
    ),
    "gpu": (
        "gpu | gpus | gpu type | name | gpu model | gpu models | gpu name | gpu device | gpu "
        "device name | gpu(s) | graphics card | video card | graphic card | graphics | gpu.name "
        "| device name | cuda device name | torch.cuda.get device name(0) | torch.cuda.get "
        "device name() | gpu models and configuration | vga | gpu models and configuration gpu "
        "0 | xpu type | gpu info | hardware | gpu used | card | cuda device | 显卡 | 显卡型号 | gpu型号 "
        "| grafikkarte | tarjeta gráfica | carte graphique | 视频卡 | gpu card | device | nvidia "
        "gpu | gpu hardware | gpu and memory | gpu model and memory | torch detected gpu | "
        "accelerator type | gpu configuration | gpu setup | intel gpu models detected | intel "
        "gpu models onboard"
    ),
    "gpu_memory": (
        "gpu memory | vram | gpu vram | max memory | total vram | gpu ram | 显存 | video memory | "
        "gpu mem | total gpu memory | gpu total memory | gpu memory total | device memory | "
        "vram total"
    ),
    "gpu_count": (
        "gpu number | num gpus | number of gpus | gpu count | device count | gpus available | "
        "gpu nums | of gpus | number of gpu | cuda device count | torch.cuda.device count() | "
        "gpu num | no. of gpus"
    ),
    "capability": (
        "compute capability | capability | gpu.compute capability | gpu compute capability | "
        "cuda capability | device capability | torch.cuda.get device capability() | "
        "torch.cuda.get device capability(0) | highest compute capability among gpus detected | "
        "cuda compute capability | gpu capability | torch.cuda.get device capability"
    ),
    "archs": (
        "arch list | torch.cuda.get arch list() | cuda arch list | archs | supported archs | "
        "nvcc architecture flags | cuda archs | torch arch list | get arch list | "
        "torch.cuda.get arch list | compiled archs"
    ),
    "driver": (
        "nvidia driver | driver | gpu driver | nvidia drivers | cuda driver | nvidia gpu driver "
        "| graphics driver | nvidia driver(s) | 驱动 | 显卡驱动 | driver nvidia | nvidia smi driver | "
        "drivers | display driver | gpu drivers | nvidia driver and cuda | nvidia驱动 | rocm "
        "driver"
    ),
    "nvcc": (
        "cuda runtime | nvcc | cuda toolkit | cuda compiler | mmcv cuda compiler | cuda toolkit "
        "(nvcc) | nvcc cuda | nvcc v | cuda sdk"
    ),
    "gcc": "gcc | mmcv compiler | gcc/g | g | c compiler",
    "hip_runtime": "hip runtime",
    "rocm": "rocm | rocm toolkit | rocm/hip",
    "gfx": "gpu architecture | gcnarchname | amd arch | gfx | gpu arch | amdgpu target | gpu gfx",
    "ram": (
        "system ram | ram | total ram | system memory | 内存 | physical memory | memory (ram) | "
        "host memory | cpu memory | main memory | arbeitsspeicher | cpu ram | total memory "
        "(ram) | host ram | ram size"
    ),
    "shm": "shared memory size | /dev/shm | shared memory | shm size",
    "cpu": (
        "cpu | cpu model | model name | cpu name | processor name | chip | cpu type | 型号名称 | "
        "cpu info"
    ),
    "cpus": "cpu(s) | cpu count | cpu cores | logical cpus | cpu 数量 | cpu(s) total",
    "container": (
        "docker | container | docker image | container image | in docker | running in docker | "
        "docker container | running in container | is docker | image | inside docker | inside "
        "container | docker or host"
    ),
    "wsl": "wsl | running in wsl | wsl2",
    "model": "jetpack | l4t | jetson | board | device model | jetson model | module",
    "cuda_home": "cuda home",
}
