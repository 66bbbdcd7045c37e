// The table of kernels with narrow weights; compiled once for each instruction set (see simd.h, narrow.h).
#include "kernels.h"
#include "narrow_layers.h"

namespace gatewise {

#if defined(GATEWISE_VNNI) && GATEWISE_LEVEL == 2
#    define GATEWISE_NARROW_TABLE narrow_avx512_vnni
#    define GATEWISE_NARROW_NAME "avx512-vnni"
#elif defined(GATEWISE_VNNI)
#    define GATEWISE_NARROW_TABLE narrow_avx_vnni
#    define GATEWISE_NARROW_NAME "avx-vnni"
#elif GATEWISE_LEVEL == 1
#    define GATEWISE_NARROW_TABLE narrow_avx2
#    define GATEWISE_NARROW_NAME "avx2"
#else
#    define GATEWISE_NARROW_TABLE narrow_baseline
#    define GATEWISE_NARROW_NAME "baseline"
#endif

const NarrowKernels GATEWISE_NARROW_TABLE = {GATEWISE_NARROW_NAME,
                                             GATEWISE_ISA::Narrow<GATEWISE_ISA::Quad>::table(),
                                             GATEWISE_ISA::Narrow<GATEWISE_ISA::Half>::table()};

}  // namespace gatewise
