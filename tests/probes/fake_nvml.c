/* A part of NVML that does what FAKE_NVML says: ok, hang, hang late, crash, lost, none, or an error number.
   With -DFULL it has more functions: GPU 0 is a sick one with MIG, GPU 1 supports none of them.
   With -DONE there is one GPU: its NAME, MAJOR, MINOR, TOTAL, and DRIVER and CUDA are told to the compiler. */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#ifndef ONE
#ifndef GPUS
#define GPUS 2
#endif
#define DRIVER "570.86.15"
#define CUDA 12080
#define NAME "NVIDIA GeForce RTX 4090"
#define MAJOR 8
#define MINOR 9
#define TOTAL 25757220864ULL
#else
#define GPUS 1
#endif

typedef struct { unsigned long long total, free, used; } memory;

static const char *mode(void) { const char *m = getenv("FAKE_NVML"); return m ? m : "ok"; }

int nvmlInitWithFlags(unsigned flags) {
    if (!strcmp(mode(), "hang")) for (;;) pause();
    if (!strcmp(mode(), "crash")) abort();
    return atoi(mode());
}
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *out, unsigned n) { strncpy(out, DRIVER, n); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = CUDA; return 0; }
int nvmlDeviceGetCount_v2(unsigned *out) { *out = strcmp(mode(), "none") ? GPUS : 0; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out) {
    if (i == 1 && !strcmp(mode(), "lost")) return 15;
    if (i == 1 && !strcmp(mode(), "hang late")) for (;;) pause();
    *out = (void *)(size_t)(i + 1);
    return 0;
}
int nvmlDeviceGetName(void *h, char *out, unsigned n) {
    strncpy(out, (size_t)h == 1 ? NAME : "NVIDIA GB10", n);
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *h, memory *out) {
    if ((size_t)h != 1) return 3;
    out->total = TOTAL; out->used = 757220864ULL; out->free = TOTAL - out->used;
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(void *h, int *major, int *minor) {
    if ((size_t)h != 1) return 3;
    *major = MAJOR; *minor = MINOR;
    return 0;
}
const char *nvmlErrorString(int code) { return code == 18 ? "Driver/library version mismatch" : "Some error"; }

#ifdef FULL
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci;
typedef struct { unsigned id, scope; long long time, latency; int type, code; unsigned long long value; } field;
typedef struct { unsigned version; unsigned char uuid[16]; int status; unsigned clique; unsigned char state; unsigned health; } fabric;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process;
#define ONLY_FIRST if ((size_t)h != 1) return 3

int nvmlDeviceGetUUID(void *h, char *out, unsigned n) { snprintf(out, n, "GPU-%zu", (size_t)h); return 0; }
int nvmlDeviceGetPciInfo_v3(void *h, pci *out) {
    memset(out, 0, sizeof *out);
    out->domain = 1; out->bus = 0x9b; out->device = (unsigned)(size_t)h - 1;
    return 0;
}
int nvmlDeviceGetMigMode(void *h, unsigned *now, unsigned *later) { ONLY_FIRST; *now = 1; *later = 1; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(void *h, unsigned *out) { *out = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *h, unsigned i, void **out) {
    if (i > 1) return 6;
    *out = (void *)(size_t)(100 + i);
    return 0;
}
int nvmlDeviceGetTotalEccErrors(void *h, int kind, int counter, unsigned long long *out) {
    ONLY_FIRST;
    *out = kind == 1 && counter == 0 ? 7 : 9000000000ULL;
    return 0;
}
int nvmlDeviceGetRemappedRows(void *h, unsigned *c, unsigned *u, unsigned *pending, unsigned *failed) {
    ONLY_FIRST;
    *c = 0; *u = 1; *pending = 1; *failed = 0;
    return 0;
}
/* GPU 0 has links 3 and 5 of six inactive, by their states; GPU 1, of an older kind, link 5, by the speeds. As
   Hopper, GPU 0 tells 0 for totals, and replays and recoveries of each link; of link 2 not. */
int nvmlDeviceGetFieldValues(void *h, int n, field *out) {
    for (int i = 0; i < n; i++) {
        unsigned id = out[i].id, link = out[i].scope, first = (size_t)h == 1;
        int told = first ? id == 230 || id == 31 || (id == 165 && link < 6) || (id >= 38 && id <= 52) || (id >= 161 && id <= 163 && link != 2) || (id == 214 && link == ~0u)
            : id >= 84 && id <= 89;
        out[i].code = told ? 0 : 3;
        out[i].value = id == 165 ? link != 3 && link != 5 : id >= 84 && id <= 88 ? 25781 : id == 52 ? 12 : id == 162 ? link : id == 214 ? 3 : id == 161 || id == 230;
    }
    return 0;
}
int nvmlDeviceGetPersistenceMode(void *h, unsigned *out) { ONLY_FIRST; *out = 0; return 0; }
int nvmlDeviceGetDisplayActive(void *h, unsigned *out) { ONLY_FIRST; *out = 1; return 0; }
int nvmlDeviceGetPerformanceState(void *h, unsigned *out) { ONLY_FIRST; *out = 8; return 0; }
int nvmlDeviceGetCurrPcieLinkWidth(void *h, unsigned *out) { ONLY_FIRST; *out = 8; return 0; }
int nvmlDeviceGetMaxPcieLinkWidth(void *h, unsigned *out) { ONLY_FIRST; *out = 16; return 0; }
int nvmlDeviceGetCurrPcieLinkGeneration(void *h, unsigned *out) { ONLY_FIRST; *out = 1; return 0; }
int nvmlDeviceGetMaxPcieLinkGeneration(void *h, unsigned *out) { ONLY_FIRST; *out = 4; return 0; }
int nvmlDeviceGetPowerManagementDefaultLimit(void *h, unsigned *out) { ONLY_FIRST; *out = 500000; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *h, unsigned long long *out) { ONLY_FIRST; *out = 0x4c; return 0; }
int nvmlDeviceGetTemperature(void *h, int sensor, unsigned *out) { ONLY_FIRST; *out = sensor ? 0 : 83; return 0; }
int nvmlDeviceGetClockInfo(void *h, int kind, unsigned *out) { ONLY_FIRST; *out = kind == 1 ? 1410 : 7; return 0; }
int nvmlDeviceGetMaxClockInfo(void *h, int kind, unsigned *out) { ONLY_FIRST; *out = kind == 1 ? 3105 : 7; return 0; }
int nvmlDeviceGetPowerUsage(void *h, unsigned *out) { ONLY_FIRST; *out = 449900; return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *out) { ONLY_FIRST; *out = 450000; return 0; }
int nvmlDeviceGetGpuFabricInfoV(void *h, fabric *out) { ONLY_FIRST; out->state = 2; out->status = 27; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, process *out) {
    ONLY_FIRST;
    if (!out) { *n = 2; return 7; }
    *n = 2;
    out[0] = (process){4242, 1 << 20, 0, 0};
    out[1] = (process){4243, ~0ULL, 0, 0};
    return 0;
}
int nvmlSystemGetProcessName(unsigned pid, char *out, unsigned n) { strncpy(out, "/opt/venv/bin/python", n); return 0; }
#endif
