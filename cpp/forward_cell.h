// What the forward passes of recurrent layers share: where packed weights lie, and the state h.
//
// The idea: weights are packed in panels of C vectors, the rows of W above those of U, then what the sums of
// each panel begin with (gated.h). The state h rests in two compact buffers, one being read while the other
// is written. A layer's cell derives from ForwardCell and adds what happens to a tile's sums.
#pragma once

#include "activations.h"
#include "gated.h"

namespace gatewise {
namespace GATEWISE_ISA {

// Elements of a panel of C vectors: F rows of W, and H rows of U where the second product has fewer columns.
template <class T, int C, Second second>
GW_INLINE Index panel_size(Index F, Index H) {
    return (F * C + H * second_columns(second, C)) * Simd<T>::kLanes;
}

// Elements of packed weights; `vectors` in all panels, of which the last may have fewer than C.
template <class T, int C, Second second>
GW_INLINE Index packed_size(Index F, Index H, Index vectors) {
    return ceil_div(vectors, C) * (panel_size<T, C, second>(F, H) + sums_of(second, C) * Simd<T>::kLanes);
}

// `kWhole`: all panels have C vectors.
template <class T, class In, int C, Second second, bool kWhole = true>
struct ForwardCell {
    static constexpr int L = Simd<T>::kLanes;
    static constexpr int kSums = sums_of(second, C);
    static constexpr Second kSecond = second;
    using V = typename Simd<T>::V;

    const In& in;
    const SequenceOrder order;
    const Index width;    // H rounded up to whole vectors: a row of the state buffers
    const Index vectors;  // in all panels
    const Index panel_stride;
    StepInput<T> input;
    T* h_state[2];         // (N, width) each; what the next step multiplies: h, times h_dropout where given
    T* h_plain = nullptr;  // (N, width), h without dropout, where that is needed too

    ForwardCell(const In& given, const SequenceOrder& sorted, Index all_vectors, bool needs_plain,
                Workspace& workspace)
        : in(given),
          order(sorted),
          width(blocks_of<T>(given.sizes.H) * L),
          vectors(all_vectors),
          panel_stride(panel_size<T, C, second>(given.sizes.F, given.sizes.H)),
          input{given.x, given.x_dropout, given.sizes.N, given.sizes.T, given.sizes.F, sorted} {
        const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * count); };
        for (T*& state : h_state) state = take(in.sizes.N * width);
        if (needs_plain && in.h_dropout.data) h_plain = take(in.sizes.N * width);
        input.take(workspace, panels() * kSums * L);
    }

    Index panels() const { return ceil_div(vectors, C); }
    Index columns(Index p) const { return kWhole ? C : min_of(C, vectors - p * C); }
    Index depth() const { return in.sizes.F + in.sizes.H; }
    const T* panel(Index p) const { return in.packed + p * panel_stride; }
    const T* bias(Index p) const { return in.packed + panels() * panel_stride + p * kSums * L; }

    // The initial state.
    void start() {
        for (Index n = 0; n < in.sizes.N; ++n)
            for (Index u = 0; u < width; u += L) {
                const Index some = units_from(u);
                const V h = of_row(in.h0, n, u, some);
                store(h_state[0] + n * width + u, dropped(n, u, some, h));
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

    TileWork<T> work(Index t, Index n, Index p) const {
        const T* of_U = panel(p) + in.sizes.F * columns(p) * L;
        const Segment<T> of_h = {h_state[t & 1] + n * width, width, 1, in.sizes.H, of_U};
        if (!input.projected)
            return {{input.segment(t, n, panel(p)), of_h}, 2, panel_stride, bias(p), 0, kSums * L};
        const Index size = sums_of(second, (int)columns(0)) * L, row = panels() * size;
        const T* init = input.projected + (n * in.sizes.T + t) * row + p * size;
        if (second == Second::kSame) return {{of_h, {}}, 1, panel_stride, init, in.sizes.T * row, size};
        return {{{}, of_h}, 2, panel_stride, init, in.sizes.T * row, size};
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

    // h[t-1] of these units, without dropout.
    GW_MEMBER V h_before(Index t, Index n, Index u) const {
        return load((h_plain ? h_plain : h_state[t & 1]) + n * width + u);
    }

    // Keeps h[t] for the next step and for the caller.
    GW_MEMBER void keep_h(Index t, Index n, Index u, Index some, V h) const {
        store(h_state[(t + 1) & 1] + n * width + u, dropped(n, u, some, h));
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
template <class T, class In>
static Division divide_forward(const In& in, Index in_a_panel, Index columns) {
    const Index blocks = blocks_of<T>(in.sizes.H), width = columns * blocks * Simd<T>::kLanes;
    const Index depth = in.sizes.F + in.sizes.H;
    const double flops = 2.0 * in.sizes.N * width * (depth + 16);
    return divide_recurrence(in.sizes.N, in.sizes.T, ceil_div(columns * blocks, in_a_panel), flops,
                             sizeof(T) * width * depth);
}

// The order of the sequences for that division.
template <class In>
static SequenceOrder order_of(const In& in, Division division, Workspace& workspace) {
    return sequence_order(in.mask, in.sizes.N, in.sizes.T, division, workspace);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
