// What work is worth: when threads, barriers and caches pay. The numbers are the only thing here that kernels
// of all instruction sets and the code around them share.
#pragma once

#include <cstddef>

namespace gatewise {

constexpr double kFlopsWorthAThread = 1.5e6;
constexpr std::ptrdiff_t kRowsForOne = 12;       // sequences that keep a thread's tiles well filled
constexpr std::ptrdiff_t kFewRows = 6;           // fewer than this: project all steps first
constexpr double kStepFlopsWorthABarrier = 4e5;  // per step and thread
// What of a core's own cache weights may fill.
constexpr std::ptrdiff_t kCacheBytes = std::ptrdiff_t{3} << 19;

}  // namespace gatewise
