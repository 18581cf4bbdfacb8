"""A machine that is made up: an nvidia-smi that answers as asked, and an NVML library of the same mind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from gallery.place import Place


class Gpu(NamedTuple):
    """An NVIDIA GPU as its driver would describe it."""

    name: str
    capability: str
    memory: int
    """MiB."""
    device: str
    """PCI device id, four hex digits."""


RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", "8.9", 24564, "2684")
RTX_5090 = Gpu("NVIDIA GeForce RTX 5090", "12.0", 32607, "2B85")
GTX_1080 = Gpu("NVIDIA GeForce GTX 1080", "6.1", 8192, "1B80")
CUDA = {390: "9.1", 470: "11.4", 535: "12.2", 550: "12.4", 570: "12.8", 580: "13.0"}
"""Newest CUDA of a driver branch."""


def nvidia(place: Place, gpu: Gpu, driver: str, *, library: bool = True) -> None:
    """Put a fake nvidia-smi on PATH and, where there is a C compiler, a fake NVML beside it."""
    bins = place.work.parent / "bin"
    bins.mkdir(exist_ok=True)
    place.bins.append(bins)
    cuda = CUDA[int(driver.split(".", maxsplit=1)[0])]
    said = {"driver": driver, "cuda": cuda, **gpu._asdict()}
    smi = bins / "nvidia-smi"
    smi.write_text(f"#!{sys.executable} -ISE\nSAID = {json.dumps(said)}\n{SMI}")
    smi.chmod(0o755)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if library and compiler:
        libraries = place.work.parent / "driver"
        libraries.mkdir(exist_ok=True)
        source = libraries / "nvml.c"
        source.write_text(nvml(gpu, driver, cuda))
        made = str(libraries / "libnvidia-ml.so.1")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", made, str(source)], check=True)
        prepend(place, libraries)


def hung(place: Place) -> None:
    """Put an nvidia-smi on PATH that never answers."""
    bins = place.work.parent / "bin"
    bins.mkdir(exist_ok=True)
    place.bins.append(bins)
    (bins / "nvidia-smi").write_text("#!/bin/sh\nexec sleep 600\n")
    (bins / "nvidia-smi").chmod(0o755)


def prepend(place: Place, folder: Path) -> None:
    """Put a folder in front of LD_LIBRARY_PATH."""
    before = place.variables.get("LD_LIBRARY_PATH")
    place.variables["LD_LIBRARY_PATH"] = f"{folder}:{before}" if before else str(folder)


SMI = '''
import sys
asked = sys.argv[1:]
values = {
    "index": "0", "count": "1", "name": SAID["name"], "gpu_name": SAID["name"],
    "driver_version": SAID["driver"], "compute_cap": SAID["capability"],
    "memory.total": f"{SAID['memory']} MiB", "memory.free": f"{SAID['memory'] - 300} MiB",
    "memory.used": "300 MiB", "pci.bus_id": "00000000:01:00.0", "gpu_bus_id": "00000000:01:00.0",
    "uuid": "GPU-11111111-2222-3333-4444-555555555555", "mig.mode.current": "[N/A]",
}
query = next((a.split("=", 1)[1] for a in asked if a.startswith("--query-gpu=")), "")
formats = next((a for a in asked if a.startswith("--format=")), "")
if query:
    fields = [f.strip() for f in query.split(",")]
    if "noheader" not in formats:
        print(", ".join(fields))
    row = ", ".join(values.get(f, "[N/A]") for f in fields)
    print(row.replace(" MiB", "") if "nounits" in formats else row)
elif any(a.startswith("--query") for a in asked):
    pass
elif "-L" in asked or "--list-gpus" in asked:
    print(f"GPU 0: {SAID['name']} (UUID: {values['uuid']})")
elif "-x" in asked:
    print(f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
\\t<driver_version>{SAID['driver']}</driver_version>
\\t<cuda_version>{SAID['cuda']}</cuda_version>
\\t<attached_gpus>1</attached_gpus>
\\t<gpu id="00000000:01:00.0">
\\t\\t<product_name>{SAID['name']}</product_name>
\\t\\t<mig_mode>
\\t\\t\\t<current_mig>N/A</current_mig>
\\t\\t\\t<pending_mig>N/A</pending_mig>
\\t\\t</mig_mode>
\\t\\t<uuid>{values['uuid']}</uuid>
\\t\\t<pci>
\\t\\t\\t<pci_device_id>{SAID['device']}10DE</pci_device_id>
\\t\\t\\t<pci_bus_id>00000000:01:00.0</pci_bus_id>
\\t\\t</pci>
\\t\\t<fb_memory_usage>
\\t\\t\\t<total>{values['memory.total']}</total>
\\t\\t\\t<reserved>0 MiB</reserved>
\\t\\t\\t<used>300 MiB</used>
\\t\\t\\t<free>{values['memory.free']}</free>
\\t\\t</fb_memory_usage>
\\t\\t<processes>
\\t\\t</processes>
\\t</gpu>
</nvidia_smi_log>""")
elif "--version" in asked:
    print(f"NVIDIA-SMI version  : {SAID['driver']}")
    print(f"NVML version        : {SAID['driver'].split('.')[0]}")
    print(f"DRIVER version      : {SAID['driver']}")
    print(f"CUDA Version        : {SAID['cuda']}")
else:
    head = f"| NVIDIA-SMI {SAID['driver']:<22} Driver Version: {SAID['driver']:<14} CUDA Version: {SAID['cuda']:<8} |"
    line = "+" + "-" * 41 + "+" + "-" * 24 + "+" + "-" * 22 + "+"
    print("Tue Nov 24 12:00:00 2026       ")
    print("+" + "-" * 89 + "+")
    print(head)
    print(line)
    print("| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |")
    print("| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |")
    print("|                                         |                        |               MIG M. |")
    print(line.replace("-", "=").replace("+", "|", 1)[:-1] + "|")
    print(f"|   0  {SAID['name']:<30} Off |   00000000:01:00.0 Off |                  N/A |")
    print(f"|  0%   40C    P8             25W /  320W | {'300MiB':>9} / {str(SAID['memory']) + 'MiB':>9} |      0%      Default |")
    print("|                                         |                        |                  N/A |")
    print(line)
'''


def nvml(gpu: Gpu, driver: str, cuda: str) -> str:
    """Return C source of the NVML functions that tell of one GPU."""
    major, minor = gpu.capability.split(".")
    runtime = int(cuda.split(".", maxsplit=1)[0]) * 1000 + int(cuda.split(".")[1]) * 10
    size = gpu.memory << 20
    return f"""
#include <stdio.h>
#include <string.h>
typedef unsigned int u; typedef unsigned long long ull;
static int one;
static int put(char *to, u size, const char *text) {{ snprintf(to, size, "%s", text); return 0; }}
int nvmlInit(void) {{ return 0; }}
int nvmlInit_v2(void) {{ return 0; }}
int nvmlInitWithFlags(u f) {{ return 0; }}
int nvmlShutdown(void) {{ return 0; }}
const char *nvmlErrorString(int c) {{ return c == 3 ? "Not Supported" : "Unknown Error"; }}
int nvmlSystemGetDriverVersion(char *v, u n) {{ return put(v, n, "{driver}"); }}
int nvmlSystemGetNVMLVersion(char *v, u n) {{ return put(v, n, "{driver.split(".", maxsplit=1)[0]}.{driver}"); }}
int nvmlSystemGetCudaDriverVersion(int *v) {{ *v = {runtime}; return 0; }}
int nvmlSystemGetCudaDriverVersion_v2(int *v) {{ *v = {runtime}; return 0; }}
int nvmlDeviceGetCount(u *n) {{ *n = 1; return 0; }}
int nvmlDeviceGetCount_v2(u *n) {{ *n = 1; return 0; }}
int nvmlDeviceGetHandleByIndex(u i, void **d) {{ *d = &one; return i ? 2 : 0; }}
int nvmlDeviceGetHandleByIndex_v2(u i, void **d) {{ *d = &one; return i ? 2 : 0; }}
int nvmlDeviceGetIndex(void *d, u *i) {{ *i = 0; return 0; }}
int nvmlDeviceGetName(void *d, char *v, u n) {{ return put(v, n, "{gpu.name}"); }}
int nvmlDeviceGetUUID(void *d, char *v, u n)
{{ return put(v, n, "GPU-11111111-2222-3333-4444-555555555555"); }}
int nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) {{ *a = {major}; *b = {minor}; return 0; }}
int nvmlDeviceGetMemoryInfo(void *d, ull *m)
{{ m[0] = {size}ULL; m[1] = {size - (300 << 20)}ULL; m[2] = {300 << 20}ULL; return 0; }}
struct memory2 {{ u version; ull total, reserved, free, used; }};
int nvmlDeviceGetMemoryInfo_v2(void *d, struct memory2 *m)
{{ m->total = {size}ULL; m->reserved = 0; m->free = {size - (300 << 20)}ULL; m->used = {300 << 20}ULL; return 0; }}
struct pci {{ char old[16]; u domain, bus, device, id, sub; char bus_id[32]; }};
static int pci(struct pci *p)
{{
    memset(p, 0, sizeof *p);
    p->bus = 1; p->id = 0x{gpu.device}10DE;
    put(p->old, 16, "0000:01:00.0");
    return put(p->bus_id, 32, "00000000:01:00.0");
}}
int nvmlDeviceGetPciInfo_v2(void *d, struct pci *p) {{ return pci(p); }}
int nvmlDeviceGetPciInfo_v3(void *d, struct pci *p) {{ return pci(p); }}
int nvmlDeviceGetMigMode(void *d, u *a, u *b) {{ return 3; }}
int nvmlDeviceGetComputeRunningProcesses(void *d, u *n, void *p) {{ *n = 0; return 0; }}
int nvmlDeviceGetComputeRunningProcesses_v2(void *d, u *n, void *p) {{ *n = 0; return 0; }}
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, u *n, void *p) {{ *n = 0; return 0; }}
int nvmlDeviceGetTotalEccErrors(void *d, int t, int c, ull *n) {{ return 3; }}
"""
