// Recurrent layers whose weights have fewer bits: packing, and forward passes.
//
// The idea: weights are packed as floats first, by the layer's own function, and then made narrow panel by
// panel, so there is one packing of each layer. int8: each column of [W; U] has one scale, after the rows of
// W have been multiplied with what a step of x means and those of U with what a step of h means (`x_range`
// and `h_range` are the largest sizes that are expected; larger numbers are cut off). A column's sum then
// becomes a float with one multiplication. bfloat16: weights are rounded to the nearest, all else stays
// float.
#pragma once

#include "gru.h"
#include "lstm.h"
#include "simple_rnn.h"

namespace gatewise {
namespace GATEWISE_ISA {

// Where the parts of packed weights of one kind of layer lie.
template <class Q, int C, Second second, bool kWhole>
struct NarrowLayout {
    static constexpr int L = Simd<float>::kLanes;
    static constexpr int kSums = sums_of(second, C);
    Index F, H, vectors;

    Index panels() const { return ceil_div(vectors, C); }
    Index columns(Index p) const { return kWhole ? C : min_of(C, vectors - p * C); }
    Index weights() const {
        return panels() * panel_size<Q, C, second>(elements_of<Q>(F), elements_of<Q>(H));
    }
    Index sums() const { return panels() * kSums * L; }
    Index bytes() const {
        return sizeof(WeightOf<Q>) * weights() +
               4 * (sums() + (Stored<Q>::kDepth > 1 ? 2 * sums() + F + 1 : 0));
    }
};

// One row of a panel as floats: its vectors, and which sum each belongs to.
template <int C, Second second>
struct PanelRows {
    const float* first;
    Index count, vectors;  // rows, and vectors in each
    float* factors;        // what the rows are multiplied with, or null
    bool of_h;

    Index sum(Index vector) const { return of_h && second == Second::kApart && vector == C - 1 ? C : vector; }
};

GW_INLINE std::uint16_t to_bfloat16(float v) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, 4);
    if (v != v) return (std::uint16_t)((bits >> 16) | 0x40);
    return (std::uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <int L>
static void narrow_rows(const float* from, Index rows, Index vectors, std::uint16_t* to) {
    for (Index i = 0; i < rows * vectors * L; ++i) to[i] = to_bfloat16(from[i]);
}

// Four rows at a time, a lane's four numbers in its quad; `sums` gets 128 times what the numbers add up to.
template <int L, class Rows>
static void quad_rows(const Rows& rows, const float* scales, Quad* to, std::int32_t* sums) {
    const Index across = rows.vectors * L;
    for (Index k0 = 0; k0 < rows.count; k0 += 4, to += across)
        for (Index i = 0; i < across; ++i) {
            const Index sum = rows.sum(i / L) * L + i % L;
            std::uint32_t bytes = 0;
            for (Index k = k0; k < min_of(k0 + 4, rows.count); ++k) {
                const float value =
                    rows.first[k * across + i] * rows.factors[rows.of_h ? 0 : k] / scales[sum];
                const std::int32_t number = to_int8(broadcast(value))[0];
                bytes |= (std::uint32_t)(number & 255) << (8 * (k - k0));
                sums[sum] += 128 * number;
            }
            to[i].bytes = (std::int32_t)bytes;
        }
}

template <int L, class Rows>
static void find_scales(const Rows& rows, float* scales) {
    const Index across = rows.vectors * L;
    for (Index k = 0; k < rows.count; ++k)
        for (Index i = 0; i < across; ++i) {
            float& scale = scales[rows.sum(i / L) * L + i % L];
            const float size =
                __builtin_fabsf(rows.first[k * across + i]) * rows.factors[rows.of_h ? 0 : k] / kMostInt8;
            scale = size > scale ? size : scale;
        }
}

// `packed`: the same weights as floats.
template <class Q, int C, Second second, bool kWhole>
static void narrow_pack(const NarrowLayout<Q, C, second, kWhole>& at, const float* packed,
                        const float* x_range, float h_range, void* memory) {
    constexpr int L = Simd<float>::kLanes, kSums = sums_of(second, C);
    const Index stride = panel_size<float, C, second>(at.F, at.H), F = elements_of<Q>(at.F);
    auto* weights = (WeightOf<Q>*)memory;
    auto* sums = (float*)(weights + at.weights());
    const float* biases = packed + at.panels() * stride;
    Workspace workspace;
    float* factors = (float*)workspace.take(sizeof(float) * (at.F + 1));
    for (Index f = 0; f <= at.F; ++f) factors[f] = (f < at.F ? x_range[f] : h_range) / kMostInt8;
    for (Index p = 0; p < at.panels(); ++p) {
        const Index columns = at.columns(p), of_h = second_columns(second, (int)columns);
        const float* from = packed + p * stride;
        WeightOf<Q>* to = weights + p * panel_size<Q, C, second>(F, elements_of<Q>(at.H));
        const PanelRows<C, second> x = {from, at.F, columns, factors, false};
        const PanelRows<C, second> h = {from + at.F * columns * L, at.H, of_h, factors + at.F, true};
        if constexpr (Stored<Q>::kDepth == 1) {
            narrow_rows<L>(x.first, x.count, x.vectors, to);
            narrow_rows<L>(h.first, h.count, h.vectors, to + F * columns * L);
            std::memcpy(sums + p * kSums * L, biases + p * kSums * L, sizeof(float) * kSums * L);
        } else {
            std::int32_t starts[kSums * L] = {};
            float scales[kSums * L] = {};
            find_scales<L>(x, scales);
            find_scales<L>(h, scales);
            for (float& scale : scales) scale = scale > 0 ? scale : 1;
            quad_rows<L>(x, scales, to, starts);
            quad_rows<L>(h, scales, to + F * columns * L, starts);
            for (std::int32_t& start : starts) start = -start;
            std::memcpy(sums + p * kSums * L, starts, sizeof starts);
            std::memcpy(sums + at.sums() + p * kSums * L, scales, sizeof scales);
            std::memcpy(sums + 2 * at.sums() + p * kSums * L, biases + p * kSums * L, sizeof scales);
        }
    }
    if constexpr (Stored<Q>::kDepth > 1)
        for (Index f = 0; f <= at.F; ++f) sums[3 * at.sums() + f] = factors[f] > 0 ? 1 / factors[f] : 0;
}

// ---- inputs as elements ------------------------------------------------------------------------------

// x as quads, (N, T, ceil(F / 4)); false if a step that counts holds a number that is not finite.
template <class In>
static bool to_quads(const In& in, const float* factors, Quad* to) {
    constexpr int L = Simd<float>::kLanes;
    const Index F = in.sizes.F, across = elements_of<Quad>(F), steps = in.sizes.T, rows = in.sizes.N * steps;
    const F32 greatest = broadcast(3.4028235e38f);
    Team team(threads_for(20.0 * rows * F));
    Workspace workspace;
    bool* finite = (bool*)workspace.take(team.size());
    auto part = [&](int member) {
        const Range mine = share(rows, member, team.size());
        finite[member] = true;
        for (Index row = mine.begin; row < mine.end; ++row) {
            const Index n = row / steps, t = row % steps;
            Quad* of_row = to + row * across;
            of_row[across - 1].bytes = 0;
            if (is_masked(in.mask, n, t)) continue;
            const float* from = in.x.data + n * in.x.outer + t * in.x.inner;
            for (Index k = 0; k < F; k += L) {
                const F32 v = load_first(from + k, F - k);
                const I32 is_finite = absolute(v) <= greatest;
                for (int i = 0; i < L; ++i) finite[member] &= is_finite[i] != 0;
                store_bytes((std::uint8_t*)of_row + k, v * load_first(factors + k, F - k), F - k);
            }
        }
    };
    run_team(team, part);
    bool all = true;
    for (int m = 0; m < team.size(); ++m) all &= finite[m];
    return all;
}

// Calls run(x as elements); false as `to_quads`.
template <class Q, class In, class Layout, class F>
static bool with_elements(const In& in, const Layout& at, Workspace& workspace, F run) {
    if constexpr (Stored<Q>::kDepth > 1) {
        const Index across = elements_of<Q>(in.sizes.F);
        const float* sums = (const float*)((const WeightOf<Q>*)in.packed + at.weights());
        Q* x = (Q*)workspace.take(sizeof(Q) * (in.sizes.N * in.sizes.T * across + 1));
        if (!to_quads(in, sums + 3 * at.sums(), x)) return false;
        run(View3<const Q>{x, in.sizes.T * across, across});
    } else {
        run(View3<const Q>{(const Q*)in.x.data, in.x.outer, in.x.inner});
    }
    return true;
}

// ---- the layers --------------------------------------------------------------------------------------

template <class Q>
using LstmNarrow = NarrowLayout<Q, 4, Second::kSame, true>;
template <class Q>
using GruNarrow = NarrowLayout<Q, kGruGates, Second::kApart, true>;
template <class Q>
using SimpleRnnNarrow = NarrowLayout<Q, kMostColumns, Second::kSame, false>;

template <class Q>
struct Narrow {
    static Index lstm_size(Index F, Index H) { return LstmNarrow<Q>{F, H, 4 * blocks_of<Q>(H)}.bytes(); }
    static Index gru_size(Index F, Index H) {
        return GruNarrow<Q>{F, H, kGruGates * blocks_of<Q>(H)}.bytes();
    }
    static Index simple_rnn_size(Index F, Index H) {
        return SimpleRnnNarrow<Q>{F, H, blocks_of<Q>(H)}.bytes();
    }

    static void lstm_pack(const NarrowWeights& w, void* to) {
        Workspace workspace;
        float* packed = (float*)workspace.take(sizeof(float) * lstm_packed_size<float>(w.F, w.H));
        gatewise::GATEWISE_ISA::lstm_pack<float>(w.W, w.U, w.b.data, w.F, w.H, packed);
        narrow_pack(LstmNarrow<Q>{w.F, w.H, 4 * blocks_of<Q>(w.H)}, packed, w.x_range, w.h_range, to);
    }
    static void gru_pack(const NarrowWeights& w, void* to) {
        Workspace workspace;
        float* packed = (float*)workspace.take(sizeof(float) * gru_packed_size<float>(w.F, w.H, true));
        gatewise::GATEWISE_ISA::gru_pack<float>(w.W, w.U, w.b, w.F, w.H, true, packed);
        narrow_pack(GruNarrow<Q>{w.F, w.H, kGruGates * blocks_of<Q>(w.H)}, packed, w.x_range, w.h_range, to);
    }
    static void simple_rnn_pack(const NarrowWeights& w, void* to) {
        Workspace workspace;
        float* packed = (float*)workspace.take(sizeof(float) * simple_rnn_packed_size<float>(w.F, w.H));
        gatewise::GATEWISE_ISA::simple_rnn_pack<float>(w.W, w.U, w.b.data, w.F, w.H, packed);
        narrow_pack(SimpleRnnNarrow<Q>{w.F, w.H, blocks_of<Q>(w.H)}, packed, w.x_range, w.h_range, to);
    }

    static bool lstm_forward(const LstmForward<float>& in) {
        if (in.sizes.N == 0) return true;
        Workspace workspace;
        const LstmNarrow<Q> at = {in.sizes.F, in.sizes.H, 4 * blocks_of<Q>(in.sizes.H)};
        return with_elements<Q>(in, at, workspace,
                                [&](View3<const Q> x) { run_lstm_forward<float, Q>(in, x, workspace); });
    }
    static bool gru_forward(const GruForward<float>& in) {
        if (in.sizes.N == 0) return true;
        Workspace workspace;
        const GruNarrow<Q> at = {in.sizes.F, in.sizes.H, kGruGates * blocks_of<Q>(in.sizes.H)};
        return with_elements<Q>(in, at, workspace,
                                [&](View3<const Q> x) { run_gru_after<float, Q>(in, x, workspace); });
    }
    static bool simple_rnn_forward(const SimpleRnnForward<float>& in) {
        if (in.sizes.N == 0) return true;
        Workspace workspace;
        const SimpleRnnNarrow<Q> at = {in.sizes.F, in.sizes.H, blocks_of<Q>(in.sizes.H)};
        return with_elements<Q>(
            in, at, workspace, [&](View3<const Q> x) { run_simple_rnn_forward<float, Q>(in, x, workspace); });
    }

    static constexpr NarrowKernelsOf table() {
        return {{lstm_size, lstm_pack}, {gru_size, gru_pack}, {simple_rnn_size, simple_rnn_pack},
                lstm_forward,           gru_forward,          simple_rnn_forward};
    }
};

}  // namespace GATEWISE_ISA
}  // namespace gatewise
