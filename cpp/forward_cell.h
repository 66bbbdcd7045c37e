// What the forward passes of recurrent layers share: where packed weights lie, and the state h.
//
// The idea: weights are packed in panels of C vectors, the rows of W above those of U, then what the sums of
// each panel begin with (gated.h). The state h rests in two compact buffers, one being read while the other
// is written. A layer's cell derives from ForwardCell and adds what happens to a tile's sums. States and that
// arithmetic are in T; what the tiles multiply are elements Q, which for weights of fewer bits (narrow.h)
// differ from T.
#pragma once

#include "activations.h"
#include "gated.h"

namespace gatewise {
namespace GATEWISE_ISA {

// Weights in a panel of C vectors: F rows of W, and H rows of U where the second product has fewer columns.
template <class T, int C, Second second>
GW_INLINE Index panel_size(Index F, Index H) {
    return (F * C + H * second_columns(second, C)) * Simd<T>::kLanes;
}

// Elements of packed weights; `vectors` in all panels, of which the last may have fewer than C.
template <class T, int C, Second second>
GW_INLINE Index packed_size(Index F, Index H, Index vectors) {
    return ceil_div(vectors, C) * (panel_size<T, C, second>(F, H) + sums_of(second, C) * Simd<T>::kLanes);
}

// Numbers of depth as elements.
template <class Q>
GW_INLINE Index elements_of(Index numbers) {
    return ceil_div(numbers, Stored<Q>::kDepth);
}

// `kWhole`: all panels have C vectors.
template <class T, class In, int C, Second second, bool kWhole = true, class Q = T>
struct ForwardCell {
    static constexpr int L = Simd<T>::kLanes;
    static constexpr int kSums = sums_of(second, C);
    static constexpr Second kSecond = second;
    static constexpr bool kPlainElements = std::is_same_v<Q, T>;
    using V = typename Simd<T>::V;

    const In& in;
    const SequenceOrder order;
    const Index width;       // H rounded up to whole vectors
    const Index row;         // that in elements: a row of the state buffers
    const Index of_x, of_h;  // the elements of depth: of F, and of H
    const Index vectors;     // in all panels
    const Index panel_stride;
    StepInput<Q> input;
    Q* h_state[2];         // (N, row) each; what the next step multiplies: h, times h_dropout where given
    T* h_plain = nullptr;  // (N, width), h as it is, where that is needed too

    ForwardCell(const In& given, View3<const Q> x, const SequenceOrder& sorted, Index all_vectors,
                bool needs_plain, Workspace& workspace)
        : in(given),
          order(sorted),
          width(blocks_of<T>(given.sizes.H) * L),
          row(width / Stored<Q>::kDepth),
          of_x(elements_of<Q>(given.sizes.F)),
          of_h(elements_of<Q>(given.sizes.H)),
          vectors(all_vectors),
          panel_stride(panel_size<Q, C, second>(of_x, of_h)),
          input{x, {}, given.sizes.N, given.sizes.T, of_x, sorted} {
        if constexpr (kPlainElements) input.dropout = given.x_dropout;
        for (Q*& state : h_state) state = (Q*)workspace.take(sizeof(Q) * in.sizes.N * row);
        if (needs_plain && (in.h_dropout.data || !kPlainElements))
            h_plain = (T*)workspace.take(sizeof(T) * in.sizes.N * width);
        input.take(workspace, panels() * kSums * L);
    }

    Index panels() const { return ceil_div(vectors, C); }
    Index columns(Index p) const { return kWhole ? C : min_of(C, vectors - p * C); }
    Index depth() const { return of_x + of_h; }
    const WeightOf<Q>* panel(Index p) const { return (const WeightOf<Q>*)in.packed + p * panel_stride; }
    const Q* bias(Index p) const { return (const Q*)panel(panels()) + p * kSums * L; }
    Int8Extras extras() const {
        const float* from = (const float*)bias(panels());
        const Index sums = panels() * kSums * L;
        return {from, from + sums, from + 2 * sums, from + 2 * sums + in.sizes.F};
    }

    // The initial state.
    void start() {
        for (Index n = 0; n < in.sizes.N; ++n)
            for (Index u = 0; u < width; u += L) {
                const Index some = units_from(u);
                const V h = of_row(in.h0, n, u, some);
                put_state(h_state[0], n, u, dropped(n, u, some, h));
                if (h_plain) store(h_plain + n * width + u, h);
            }
    }

    void prepare(Index p0, Index p1) { input.prepare(*this, p0, p1, panels()); }
    bool begin_step(Index t, Range rows) { return input.begin_step(t, {rows.begin, active_rows(t, rows)}); }
    Index active_rows(Index t, Range rows) const {
        Index end = rows.end;
        while (in.mask.data && end > rows.begin && masked(end - 1, t)) --end;
        return end;
    }

    TileWork<Q> work(Index t, Index n, Index p) const {
        const WeightOf<Q>* U = panel(p) + of_x * columns(p) * L;
        const Segment<Q> states = {h_state[t & 1] + n * row, row, 1, of_h, U};
        if (!input.projected)
            return {{input.segment(t, n, panel(p)), states}, 2, panel_stride, bias(p), 0, kSums * L};
        const Index size = sums_of(second, (int)columns(0)) * L, step = panels() * size;
        const Q* init = input.projected + (n * in.sizes.T + t) * step + p * size;
        if (second == Second::kSame) return {{states, {}}, 1, panel_stride, init, in.sizes.T * step, size};
        return {{{}, states}, 2, panel_stride, init, in.sizes.T * step, size};
    }

    GW_MEMBER Index units_from(Index u) const { return min_of(L, in.sizes.H - u); }
    GW_MEMBER V of_row(View2<const T> rows, Index n, Index u, Index some) const {
        return rows.data ? load_first(rows.data + order.sequence(n) * rows.stride + u, some) : V{};
    }
    GW_MEMBER V dropped(Index n, Index u, Index some, V h) const {
        return in.h_dropout.data ? h * of_row(in.h_dropout, n, u, some) : h;
    }
    GW_MEMBER bool masked(Index n, Index t) const {
        return in.mask.data && is_masked(in.mask, order.sequence(n), t);
    }

    // h[t-1] of these units, as it is.
    GW_MEMBER V h_before(Index t, Index n, Index u) const {
        if constexpr (kPlainElements) return load((h_plain ? h_plain : h_state[t & 1]) + n * width + u);
        else return load(h_plain + n * width + u);
    }

    // What the next step multiplies.
    GW_MEMBER void put_state(Q* states, Index n, Index u, V h) const {
        if constexpr (kPlainElements) store(states + n * row + u, h);
        else store_state(states + n * row, u, h, Stored<Q>::kDepth > 1 ? *extras().h_factor : 1.0f);
    }

    // The sums of a tile of panel p as floats; `space` holds them where they are not.
    GW_MEMBER const T* real_sums(Index rows, Index p, const Q* sums, T* space) const {
        if constexpr (kPlainElements) return sums;
        else if constexpr (Stored<Q>::kDepth == 1) return (const T*)sums;
        else {
            const Index size = sums_of(second, (int)columns(p)) * L;
            const Int8Extras more = extras();
            const float *scale = more.scales + p * kSums * L, *offset = more.offsets + p * kSums * L;
            for (Index r = 0; r < rows; ++r)
                for (Index i = 0; i < size; i += L) {
                    const V of_integers = to_floats(load(sums + r * size + i));
                    store(space + r * size + i, fma(of_integers, load(scale + i), load(offset + i)));
                }
            return space;
        }
    }

    // Keeps h[t] for the next step and for the caller.
    GW_MEMBER void keep_h(Index t, Index n, Index u, Index some, V h) const {
        put_state(h_state[(t + 1) & 1], n, u, dropped(n, u, some, h));
        if (h_plain) store(h_plain + n * width + u, h);
        keep(in.h, in.h_last, t, n, u, some, h);
    }

    // Writes a state into the array of all steps and that of the last, where they are wanted.
    GW_MEMBER void keep(const View3<T>& all, const View2<T>& last, Index t, Index n, Index u, Index some,
                        V state) const {
        n = order.sequence(n);
        if (all.data) store_first(all.data + n * all.outer + t * all.inner + u, state, some);
        if (t + 1 == in.sizes.T && last.data) store_first(last.data + n * last.stride + u, state, some);
    }

    // Where the first of `gates` gates of these units lies in an array (N, T, gates, H).
    GW_MEMBER T* gates_at(T* of, Index t, Index n, Index u, Index gates) const {
        return of + (order.sequence(n) * in.sizes.T + t) * gates * in.sizes.H + u;
    }

    // Writes as many vectors, one a gate.
    GW_MEMBER void keep_gates(T* of, Index t, Index n, Index u, Index some, Index gates,
                              const T* from) const {
        T* to = gates_at(of, t, n, u, gates);
        for (Index gate = 0; gate < gates; ++gate)
            store_first(to + gate * in.sizes.H, load(from + gate * L), some);
    }
};

// How the work of a forward pass is divided; `columns` are those of W, `in_a_panel` the vectors of a panel.
// An element's multiply-add counts as one, however many numbers are in it.
template <class Q, class In>
static Division divide_forward(const In& in, Index in_a_panel, Index columns) {
    const Index blocks = blocks_of<Q>(in.sizes.H), width = columns * blocks * Simd<Q>::kLanes;
    const Index depth = elements_of<Q>(in.sizes.F) + elements_of<Q>(in.sizes.H);
    const double flops = 2.0 * in.sizes.N * width * (depth + 16);
    return divide_recurrence(in.sizes.N, in.sizes.T, ceil_div(columns * blocks, in_a_panel), flops,
                             sizeof(WeightOf<Q>) * width * depth);
}

// The order of the sequences for that division.
template <class In>
static SequenceOrder order_of(const In& in, Division division, Workspace& workspace) {
    return sequence_order(in.mask, in.sizes.N, in.sizes.T, division, workspace);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
