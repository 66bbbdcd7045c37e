// Recurrent layers whose weights have fewer bits: packing, and forward passes.
//
// The idea: weights are packed as floats first, by the layer's own function, and then made narrow panel by
// panel, so there is one packing of each layer. int8: weights come as whole numbers, found by the function
// `int8_weights` of the NumPy twin, kernels/reference/narrow.py, where it is said what they mean; x and h become
// whole numbers here, as multiples of `x_range` / 127 and `h_range` / 127, and larger numbers are cut off. A
// column's exact sum becomes a float with one multiplication. bfloat16: the upper halves of floats, all else
// stays float.
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

// The rows of a panel as floats: their vectors, and which sum each belongs to.
template <int C, Second second>
struct PanelRows {
    const float* first;
    Index count, vectors;  // rows, and vectors in each
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

// Four rows at a time, a lane's four numbers in its quad; from `starts` 128 times the numbers is taken away,
// for that is what the rows' bytes have too much.
template <int L, class Rows>
static void quad_rows(const Rows& rows, Quad* to, std::int32_t* starts) {
    const Index across = rows.vectors * L;
    for (Index k0 = 0; k0 < rows.count; k0 += 4, to += across)
        for (Index i = 0; i < across; ++i) {
            const Index sum = rows.sum(i / L) * L + i % L;
            std::uint32_t bytes = 0;
            for (Index k = k0; k < min_of(k0 + 4, rows.count); ++k) {
                const std::int32_t number = to_int8(broadcast(rows.first[k * across + i]))[0];
                bytes |= (std::uint32_t)(number & 255) << (8 * (k - k0));
                starts[sum] -= 128 * number;
            }
            to[i].bytes = (std::int32_t)bytes;
        }
}

// What a number is multiplied with to become a whole one; 0 where there is nothing to tell apart.
GW_INLINE float to_whole(float range) { return range > kLeastRange ? 1 / (range / kMostInt8) : 0; }

// Panel p: `from` as floats, `to` narrow, and where its sums start (int8).
template <class Q, int C, Second second, bool kWhole>
static void narrow_panel(const NarrowLayout<Q, C, second, kWhole>& at, Index p, const float* from,
                         WeightOf<Q>* to, float* sums) {
    constexpr int L = Simd<float>::kLanes, kSums = sums_of(second, C);
    const Index columns = at.columns(p), of_h = second_columns(second, (int)columns);
    const PanelRows<C, second> x = {from, at.F, columns, false};
    const PanelRows<C, second> h = {from + at.F * columns * L, at.H, of_h, true};
    WeightOf<Q>* to_h = to + elements_of<Q>(at.F) * columns * L;
    if constexpr (Stored<Q>::kDepth == 1) {
        narrow_rows<L>(x.first, x.count, x.vectors, to);
        narrow_rows<L>(h.first, h.count, h.vectors, to_h);
    } else {
        std::int32_t starts[kSums * L] = {};
        quad_rows<L>(x, to, starts);
        quad_rows<L>(h, to_h, starts);
        std::memcpy(sums + p * kSums * L, starts, sizeof starts);
    }
}

// `pack(b, to)` packs the weights as floats, with these biases.
template <class Q, int C, Second second, bool kWhole, class Pack>
static void narrow_pack(const NarrowLayout<Q, C, second, kWhole>& at, const NarrowWeights& w, void* memory,
                        const Pack& pack) {
    const Index stride = panel_size<float, C, second>(at.F, at.H), size = sizeof(float) * at.sums();
    auto* weights = (WeightOf<Q>*)memory;
    auto* sums = (float*)(weights + at.weights());
    Workspace workspace;
    float* packed = (float*)workspace.take(sizeof(float) * at.panels() * stride + size);
    const float* biases = packed + at.panels() * stride;
    pack(w.b, packed);
    for (Index p = 0; p < at.panels(); ++p) {
        const Index step = panel_size<Q, C, second>(elements_of<Q>(at.F), elements_of<Q>(at.H));
        narrow_panel(at, p, packed + p * stride, weights + p * step, sums);
    }
    if constexpr (Stored<Q>::kDepth == 1) {
        std::memcpy(sums, biases, size);
    } else {
        std::memcpy(sums + 2 * at.sums(), biases, size);
        pack(w.scales, packed);
        std::memcpy(sums + at.sums(), biases, size);
        float* factors = sums + 3 * at.sums();
        for (Index f = 0; f < at.F; ++f) factors[f] = to_whole(w.x_range[f]);
        factors[at.F] = to_whole(w.h_range);
    }
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
        const LstmNarrow<Q> at = {w.F, w.H, 4 * blocks_of<Q>(w.H)};
        narrow_pack(at, w, to, [&](View2<const float> b, float* packed) {
            gatewise::GATEWISE_ISA::lstm_pack<float>(w.W, w.U, b.data, w.F, w.H, packed);
        });
    }
    static void gru_pack(const NarrowWeights& w, void* to) {
        const GruNarrow<Q> at = {w.F, w.H, kGruGates * blocks_of<Q>(w.H)};
        narrow_pack(at, w, to, [&](View2<const float> b, float* packed) {
            gatewise::GATEWISE_ISA::gru_pack<float>(w.W, w.U, b, w.F, w.H, true, packed);
        });
    }
    static void simple_rnn_pack(const NarrowWeights& w, void* to) {
        const SimpleRnnNarrow<Q> at = {w.F, w.H, blocks_of<Q>(w.H)};
        narrow_pack(at, w, to, [&](View2<const float> b, float* packed) {
            gatewise::GATEWISE_ISA::simple_rnn_pack<float>(w.W, w.U, b.data, w.F, w.H, packed);
        });
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
