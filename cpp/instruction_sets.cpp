// The choice of an instruction set: see instruction_sets.h.
#include "instruction_sets.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace gatewise {

namespace {
std::atomic<const Kernels*> chosen{nullptr};

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

}  // namespace gatewise
