// Weights of fewer bits: what a tile multiplies where it is not floats by floats.
//
// The idea: to a tile (tile.h) an element is whatever `load`, `broadcast` and `fma` make of it. A Quad is
// four numbers of 8 bits in one lane: of a row, unsigned, around 128; of the weights, signed; "fma" adds
// their four products to a 32-bit sum, which is one instruction where the machine has it (VNNI). A Half is a
// float that meets weights stored as bfloat16, the upper half of a float, made whole as they are loaded. So
// the tile, the recurrence around it and the arithmetic of every cell are the same for all of them.
//
// Integer sums are exact: int8 layers give the same sums on every instruction set.
#pragma once

#include "simd.h"

namespace gatewise {
namespace GATEWISE_ISA {

// How the weights that meet an element are stored, and how many numbers of depth an element holds (narrow.h).
template <class T>
struct Stored {
    using Weight = T;
    static constexpr Index kDepth = 1;
};
template <class T>
using WeightOf = typename Stored<T>::Weight;

template <class T>
GW_INLINE typename Simd<T>::V load_weights(const T* p, T) {
    return load(p);
}

struct Quad {
    std::int32_t bytes;
};
struct Half {
    float number;
};

template <>
struct Simd<Quad> {
    using V = I32;
    using I = I32;
    static constexpr int kLanes = Simd<float>::kLanes;
};
template <>
struct Simd<Half> : Simd<float> {};

template <>
struct Stored<Quad> {
    using Weight = Quad;
    static constexpr Index kDepth = 4;
};
template <>
struct Stored<Half> {
    using Weight = std::uint16_t;
    static constexpr Index kDepth = 1;
};

GW_INLINE F32 broadcast(Half h) { return broadcast(h.number); }
GW_INLINE I32 broadcast(Quad q) {
#if GATEWISE_LEVEL == 2
    return (I32)_mm512_set1_epi32(q.bytes);
#elif GATEWISE_LEVEL == 1
    return (I32)_mm256_set1_epi32(q.bytes);
#else
    return I32{q.bytes, q.bytes, q.bytes, q.bytes};
#endif
}

// The upper halves of floats.
GW_INLINE F32 load_weights(const std::uint16_t* p, Half) {
#if GATEWISE_LEVEL == 2
    return (F32)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16);
#elif GATEWISE_LEVEL == 1
    return (F32)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16);
#else
    I32 v = {p[0], p[1], p[2], p[3]};
    return (F32)(v << 16);
#endif
}

// sum + the four products of each lane: bytes of `row` unsigned, of `weights` signed.
GW_INLINE I32 fma(I32 row, I32 weights, I32 sum) {
#if GATEWISE_LEVEL == 2 && defined(GATEWISE_VNNI)
    return (I32)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)row, (__m512i)weights);
#elif GATEWISE_LEVEL == 1 && defined(GATEWISE_VNNI)
    return (I32)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)row, (__m256i)weights);
#elif GATEWISE_LEVEL == 1
    const __m256i low = _mm256_set1_epi32(0x00ff00ff), r = (__m256i)row, w = (__m256i)weights;
    const __m256i even =
        _mm256_madd_epi16(_mm256_and_si256(r, low), _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(r, 8), _mm256_srai_epi16(w, 8));
    return sum + (I32)_mm256_add_epi32(even, odd);
#else
    for (int shift = 0; shift < 32; shift += 8)
        sum += ((row >> shift) & 255) * ((weights << (24 - shift)) >> 24);
    return sum;
#endif
}

constexpr float kMostInt8 = 127;
constexpr float kLeastRange = 1e-30f;  // numbers in a range that is no larger are taken for zeros

// The whole numbers nearest to v, between -127 and 127 (even ones where two are as near).
GW_INLINE I32 to_int8(F32 v) {
    constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds, and its low bits are the number
    const F32 within = at_most(broadcast(kMostInt8), at_least(broadcast(-kMostInt8), v));
    return (I32)(within + broadcast(kMagic)) - (I32)broadcast(kMagic);
}

// A vector's lanes as unsigned bytes around 128, the first n of them.
GW_INLINE void store_bytes(std::uint8_t* to, F32 v, Index n) {
    const I32 numbers = to_int8(v);
#if GATEWISE_LEVEL == 2
    const __m512i bytes = _mm512_add_epi32((__m512i)numbers, _mm512_set1_epi32(128));
    if (n >= 16) _mm_storeu_si128((__m128i*)to, _mm512_cvtepi32_epi8(bytes));
    else _mm512_mask_cvtepi32_storeu_epi8(to, (__mmask16)((1u << n) - 1), bytes);
#else
    for (Index i = 0; i < min_of(n, Simd<float>::kLanes); ++i) to[i] = (std::uint8_t)(numbers[i] + 128);
#endif
}

GW_INLINE F32 to_floats(I32 v) {
#if GATEWISE_LEVEL == 2
    return (F32)_mm512_cvtepi32_ps((__m512i)v);
#elif GATEWISE_LEVEL == 1
    return (F32)_mm256_cvtepi32_ps((__m256i)v);
#else
    return __builtin_convertvector(v, F32);
#endif
}

// ---- how a state becomes what the next step multiplies, and sums become floats
// ------------------------------

// What comes after int8 weights: for each sum its scale and its offset, then what x and h are multiplied
// with.
struct Int8Extras {
    const float *scales, *offsets, *x_factors, *h_factor;
};

GW_INLINE void store_state(Quad* row, Index u, F32 h, float factor) {
    store_bytes((std::uint8_t*)row + u, h * broadcast(factor), Simd<float>::kLanes);
}
GW_INLINE void store_state(Half* row, Index u, F32 h, float) { store(&row[u].number, h); }

}  // namespace GATEWISE_ISA
}  // namespace gatewise
