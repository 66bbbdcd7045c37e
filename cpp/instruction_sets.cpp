// The choice of an instruction set: see instruction_sets.h.
#include "instruction_sets.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#if defined(GATEWISE_X86)
#    include <cpuid.h>
#endif

namespace gatewise {

namespace {
std::atomic<const Kernels*> chosen{nullptr};
std::atomic<bool> vnni_wanted{true};

#if defined(GATEWISE_X86)
// Leaf 7, subleaf 1 of cpuid: older compilers know no name for it.
bool has_avx_vnni() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}
#endif

const Kernels* find(const char* name, const char* who) {
    std::string known;
    for (const Kernels* candidate : supported_kernels()) {
        if (!std::strcmp(candidate->name, name)) return candidate;
        known += (known.empty() ? "" : ", ") + std::string(candidate->name);
    }
    throw std::runtime_error(std::string(who) + " is '" + name + "', but this machine runs: " + known);
}
}  // namespace

std::vector<const Kernels*> supported_kernels() {
    std::vector<const Kernels*> all = {&kernels_baseline};
#if defined(GATEWISE_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(&kernels_avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma"))
        all.push_back(&kernels_avx512);
#endif
    return all;
}

const Kernels& kernels() {
    const Kernels* present = chosen.load(std::memory_order_relaxed);
    if (present) return *present;
    const char* name = std::getenv("GATEWISE_ISA");
    present = name && *name ? find(name, "GATEWISE_ISA") : supported_kernels().back();
    chosen.store(present, std::memory_order_relaxed);
    return *present;
}

void use_kernels(const char* name) {
    chosen.store(find(name, "the instruction set"), std::memory_order_relaxed);
}

const NarrowKernels& narrow_kernels() {
#if defined(GATEWISE_X86)
    const Kernels* present = &kernels();
    if (present != &kernels_baseline) {
        const bool vnni = vnni_wanted.load(std::memory_order_relaxed);
        if (vnni && present == &kernels_avx512 && __builtin_cpu_supports("avx512vnni"))
            return narrow_avx512_vnni;
        if (vnni && has_avx_vnni()) return narrow_avx_vnni;
        return narrow_avx2;
    }
#endif
    return narrow_baseline;
}

void use_vnni(bool wanted) { vnni_wanted.store(wanted, std::memory_order_relaxed); }

}  // namespace gatewise
