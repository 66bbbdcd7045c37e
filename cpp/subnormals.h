// Numbers below the normal ones count as zero while a kernel runs.
//
// The idea: a gradient that vanishes over many steps ends in subnormal numbers, with which processors compute
// many times slower, and which no result needs. One bit of the thread's floating-point mode makes such
// results zero, another such operands. Every kernel runs under both, on every thread, whatever the caller's
// mode is; so no result depends on either. The caller's mode is as it was after the call.
//
// Not inside kernels: it is set where kernels are called, and for good in the pool's threads.
#pragma once

#if defined(__x86_64__)
#    include <xmmintrin.h>
#elif defined(__aarch64__)
#    include <cstdint>
#endif

namespace gatewise {

class SubnormalsAreZero {
  public:
    SubnormalsAreZero() : before_(mode()) { set_mode(before_ | kBits); }
    ~SubnormalsAreZero() { set_mode(before_); }
    SubnormalsAreZero(const SubnormalsAreZero&) = delete;
    SubnormalsAreZero& operator=(const SubnormalsAreZero&) = delete;

  private:
#if defined(__x86_64__)
    using Mode = unsigned;
    static constexpr Mode kBits = 0x8040;  // flush to zero, denormals are zero
    static Mode mode() { return _mm_getcsr(); }
    static void set_mode(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
    using Mode = std::uint64_t;
    static constexpr Mode kBits = std::uint64_t{1} << 24;  // FZ: operands and results
    static Mode mode() {
        Mode found;
        asm volatile("mrs %0, fpcr" : "=r"(found));
        return found;
    }
    static void set_mode(Mode mode) { asm volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
    using Mode = int;
    static constexpr Mode kBits = 0;
    static Mode mode() { return 0; }
    static void set_mode(Mode) {}
#endif
    const Mode before_;
};

}  // namespace gatewise
