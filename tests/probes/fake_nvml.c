/* A part of NVML that answers what its environment says: FAKE_NVML = ok, hang, crash or an error number. */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

typedef struct { unsigned long long total, free, used; } memory;

static const char *mode(void) { const char *m = getenv("FAKE_NVML"); return m ? m : "ok"; }

int nvmlInit_v2(void) {
    if (!strcmp(mode(), "hang")) for (;;) pause();
    if (!strcmp(mode(), "crash")) abort();
    return atoi(mode());
}
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *out, unsigned n) { strncpy(out, "570.86.15", n); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 12080; return 0; }
int nvmlDeviceGetCount_v2(unsigned *out) { *out = strcmp(mode(), "none") ? 2 : 0; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out) {
    if (i == 1 && !strcmp(mode(), "lost")) return 15;
    if (i == 1 && !strcmp(mode(), "hang late")) for (;;) pause();
    *out = (void *)(size_t)(i + 1);
    return 0;
}
int nvmlDeviceGetName(void *h, char *out, unsigned n) {
    strncpy(out, (size_t)h == 1 ? "NVIDIA GeForce RTX 4090" : "NVIDIA GB10", n);
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *h, memory *out) {
    if ((size_t)h != 1) return 3;
    out->total = 25757220864ULL; out->free = 25000000000ULL; out->used = 757220864ULL;
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(void *h, int *major, int *minor) {
    if ((size_t)h != 1) return 3;
    *major = 8; *minor = 9;
    return 0;
}
const char *nvmlErrorString(int code) { return code == 18 ? "Driver/library version mismatch" : "Some error"; }
