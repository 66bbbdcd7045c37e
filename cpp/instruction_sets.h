// Which instruction set's kernels are used.
#pragma once

#include <vector>

#include "kernels.h"

namespace gatewise {

// Those this machine can run, the plainest first.
std::vector<const Kernels*> supported_kernels();

// The kernels in use: at first those $GATEWISE_ISA names, else the best supported. Throws std::runtime_error
// where it names none that this machine can run.
const Kernels& kernels();
void use_kernels(const char* name);

// Those for weights of fewer bits that go with them. AVX-512 without VNNI has none of its own.
const NarrowKernels& narrow_kernels();
void use_vnni(bool wanted);

}  // namespace gatewise
