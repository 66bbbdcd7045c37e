// GRU: forward over whole sequences.
//
//     z, r = s(x[t] W + h[t-1] U + b)                     h[t] = z h[t-1] + (1 - z) g
//     reset after the product:  q = h[t-1] U_h + b_h      g = a(x[t] W_h + b_h + r q)
//     reset before it:          q = r h[t-1]              g = a(x[t] W_h + b_h + q U_h)
//
// The idea: the gates z, r and h of a block of units lie side by side in a panel. With the reset after the
// product one tile ends holding four sums, x W_h and h U_h apart (Second::kApart), and the rest is arithmetic
// on that tile. With the reset before it a step has two phases: the first leaves z, x W_h + b_h and
// q = r h[t-1]; the second multiplies q.
#pragma once

#include "forward_cell.h"

namespace gatewise {
namespace GATEWISE_ISA {

constexpr int kGruGates = 3;

// Whether the activations are the usual pair: known at compile time, they leave no choice in the loop.
template <class In>
GW_INLINE bool usual_activations(const In& in) {
    return in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid;
}

// ---- packed weights ---------------------------------------------------------------------------------

// Where the reset comes before the product, U_h is packed by itself: [panels][H][vectors][lanes].
template <class T>
static Index gru_packed_size(Index F, Index H, bool reset_after) {
    const Index blocks = blocks_of<T>(H), vectors = kGruGates * blocks;
    if (reset_after) return packed_size<T, kGruGates, Second::kApart>(F, H, vectors);
    return packed_size<T, kGruGates, Second::kTwo>(F, H, vectors) + H * blocks * Simd<T>::kLanes;
}

// The bias is (2, 3H), of the inputs and of the states, with the reset after the product, and else (3H,).
template <class T>
static void gru_pack(View2<const T> W, View2<const T> U, View2<const T> b, Index F, Index H, bool reset_after,
                     T* packed) {
    constexpr int L = Simd<T>::kLanes;
    const Index of_U = reset_after ? 3 : 2, sums = reset_after ? 4 : 3, blocks = blocks_of<T>(H);
    const Index size = (F * 3 + H * of_U) * L;
    for (Index k = 0; k < F; ++k) pack_gate_row(W.data + k * W.stride, H, 3, size, packed + k * 3 * L);
    for (Index k = 0; k < H; ++k)
        pack_gate_row(U.data + k * U.stride, H, of_U, size, packed + (F * 3 + k * of_U) * L);
    packed += blocks * size;
    if (!reset_after || !b.data) {
        pack_gate_row(b.data, H, sums, sums * L, packed);
    } else {
        const T *of_x = b.data, *of_h = b.data + b.stride;
        Workspace workspace;
        T* row = (T*)workspace.take(sizeof(T) * 4 * H);
        for (Index i = 0; i < 2 * H; ++i) row[i] = of_x[i] + of_h[i];
        std::memcpy(row + 2 * H, of_x + 2 * H, sizeof(T) * H);
        std::memcpy(row + 3 * H, of_h + 2 * H, sizeof(T) * H);
        pack_gate_row(row, H, 4, 4 * L, packed);
    }
    if (reset_after) return;
    packed += blocks * sums * L;
    for (Index v = 0; v < blocks; v += kMostColumns)
        pack_panel(U.data + 2 * H + v * L, U.stride, H, min_of(H - v * L, kMostColumns * L),
                   min_of(kMostColumns, blocks - v), packed + v * L * H);
}

// ---- reset after the product ------------------------------------------------------------------------

// h[t] from h[t-1], the update gate and the candidate.
template <class V>
GW_INLINE V gru_state(V before, V z, V g) {
    return fma(z, before - g, g);
}

template <class T, class Q = T>
struct GruAfterCell : ForwardCell<T, GruForward<T>, kGruGates, Second::kApart, true, Q> {
    using Base = ForwardCell<T, GruForward<T>, kGruGates, Second::kApart, true, Q>;
    using Base::in, Base::L, Base::masked;
    using typename Base::V;

    GruAfterCell(const GruForward<T>& given, View3<const Q> x, const SequenceOrder& order,
                 Workspace& workspace)
        : Base(given, x, order, kGruGates * blocks_of<T>(given.sizes.H), true, workspace) {}

    void epilogue(Index t, Index n, Index rows, Index p, const Q* of_tile) {
        TileSums<T> space;
        const T* sums = this->real_sums(rows, p, of_tile, space.at);
        if (usual_activations(in)) finish_rows(t, n, rows, p, sums, Activation::tanh, Activation::sigmoid);
        else finish_rows(t, n, rows, p, sums, in.activation, in.recurrent_activation);
    }

    GW_MEMBER void finish_rows(Index t, Index n0, Index rows, Index p, const T* sums, Activation a,
                               Activation s) {
        const Index u = p * L, some = this->units_from(u);
        for (Index n = n0; n < n0 + rows; ++n, sums += 4 * L) {
            const V before = this->h_before(t, n, u);
            if (masked(n, t)) {
                this->keep_h(t, n, u, some, before);
                keep(t, n, u, some, V{}, V{}, V{}, V{}, V{}, V{}, V{});
                continue;
            }
            const V of_z = load(sums), of_r = load(sums + L), q = load(sums + 3 * L);
            const V z = activate<T>(s, of_z), r = activate<T>(s, of_r);
            const V of_g = fma(r, q, load(sums + 2 * L)), g = activate<T>(a, of_g);
            this->keep_h(t, n, u, some, gru_state(before, z, g));
            keep(t, n, u, some, z, r, g, q, of_z, of_r, of_g);
        }
    }

    void keep(Index t, Index n, Index u, Index some, V z, V r, V g, V q, V of_z, V of_r, V of_g) const {
        if (!in.gates) return;
        const V gates[] = {z, r, g}, sums[] = {of_z, of_r, of_g};
        this->keep_gates(in.gates, t, n, u, some, 3, (const T*)gates);
        this->keep_gates(in.recurrent, t, n, u, some, 1, (const T*)&q);
        if (in.sums) this->keep_gates(in.sums, t, n, u, some, 3, (const T*)sums);
    }
};

// ---- reset before the product -----------------------------------------------------------------------

// The first phase: z, x W_h + b_h and q = r h[t-1].
template <class T>
struct GruResetCell : ForwardCell<T, GruForward<T>, kGruGates, Second::kTwo> {
    using Base = ForwardCell<T, GruForward<T>, kGruGates, Second::kTwo>;
    using Base::h_state, Base::in, Base::L, Base::masked, Base::width;
    using typename Base::V;

    T *z_state, *q_state;  // (N, width)
    T* candidate;          // (N, panels of the second phase, 4, L): x W_h + b_h

    GruResetCell(const GruForward<T>& given, const SequenceOrder& order, Workspace& workspace)
        : Base(given, given.x, order, kGruGates * blocks_of<T>(given.sizes.H), true, workspace) {
        const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * count); };
        z_state = take(in.sizes.N * width);
        q_state = take(in.sizes.N * width);
        candidate = take(in.sizes.N * width);
    }

    void epilogue(Index t, Index n0, Index rows, Index p, const T* sums) {
        const Index u = p * L, some = this->units_from(u);
        const Activation s = in.recurrent_activation;
        for (Index n = n0; n < n0 + rows; ++n, sums += 3 * L) {
            const bool counts = !masked(n, t);  // else whatever x is must not get into a product
            const V of_z = counts ? load(sums) : V{}, of_r = counts ? load(sums + L) : V{};
            const V z = counts ? activate<T>(s, of_z) : V{}, r = counts ? activate<T>(s, of_r) : V{};
            const V q = r * load(h_state[t & 1] + n * width + u);
            store(z_state + n * width + u, z);
            store(q_state + n * width + u, q);
            store(candidate + n * width + u, counts ? load(sums + 2 * L) : V{});
            if (!in.gates) continue;
            const V gates[] = {z, r}, inputs[] = {of_z, of_r};
            keep_two(in.gates, t, n, u, some, gates);
            this->keep_gates(in.recurrent, t, n, u, some, 1, (const T*)&q);
            if (in.sums) keep_two(in.sums, t, n, u, some, inputs);
        }
    }

    void keep_two(T* of, Index t, Index n, Index u, Index some, const V* two) const {
        T* to = this->gates_at(of, t, n, u, 3);
        store_first(to, two[0], some);
        store_first(to + in.sizes.H, two[1], some);
    }
};

// The second phase: q U_h, the candidate and the state.
template <class T>
struct GruCandidateCell {
    static constexpr int L = Simd<T>::kLanes;
    using V = typename Simd<T>::V;

    const GruResetCell<T>& first;
    const T* packed;

    explicit GruCandidateCell(const GruResetCell<T>& phase)
        : first(phase), packed(phase.bias(phase.panels())) {}

    Index panels() const { return ceil_div(first.width, kMostColumns * L); }
    Index columns(Index p) const { return min_of(kMostColumns, first.width / L - p * kMostColumns); }
    Index depth() const { return first.in.sizes.H; }
    const T* panel(Index p) const { return packed + p * depth() * kMostColumns * L; }
    void prepare(Index, Index) {}
    bool begin_step(Index, Range) { return false; }
    Index active_rows(Index t, Range rows) const { return first.active_rows(t, rows); }

    TileWork<T> work(Index, Index n, Index p) const {
        const Index width = first.width, next = kMostColumns * L;
        const Segment<T> of_q = {first.q_state + n * width, width, 1, depth(), panel(p)};
        return {{of_q, {}}, 1, depth() * next, first.candidate + n * width + p * next, width, next};
    }

    void epilogue(Index t, Index n0, Index rows, Index p, const T* sums) {
        const GruForward<T>& in = first.in;
        const Index count = columns(p);
        for (Index n = n0; n < n0 + rows; ++n)
            for (Index c = 0; c < count; ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L, some = first.units_from(u);
                const V before = first.h_before(t, n, u);
                const bool counts = !first.masked(n, t);
                const V of_g = counts ? load(sums) : V{};
                const V g = counts ? activate<T>(in.activation, of_g) : V{};
                const V z = load(first.z_state + n * first.width + u);
                first.keep_h(t, n, u, some, counts ? gru_state(before, z, g) : before);
                if (in.gates) store_first(first.gates_at(in.gates, t, n, u, 3) + 2 * in.sizes.H, g, some);
                if (in.sums) store_first(first.gates_at(in.sums, t, n, u, 3) + 2 * in.sizes.H, of_g, some);
            }
    }
};

// `x` are the inputs as elements.
template <class T, class Q>
static void run_gru_after(const GruForward<T>& in, View3<const Q> x, Workspace& workspace) {
    const Division division = divide_forward<Q>(in, kGruGates, kGruGates);
    GruAfterCell<T, Q> cell(in, x, order_of(in, division, workspace), workspace);
    Team team(division.threads);
    cell.start();
    run_recurrence<Q>(cell, team, division.by_units, in.sizes.N, in.sizes.T, cell.panels());
}

template <class T>
static void gru_forward(const GruForward<T>& in) {
    const Index N = in.sizes.N, steps = in.sizes.T;
    if (N == 0) return;
    Workspace workspace;
    if (in.reset_after) return run_gru_after(in, in.x, workspace);
    // The second phase has the fewest panels to share.
    const Division division = divide_forward<T>(in, kGruGates * kMostColumns, kGruGates);
    GruResetCell<T> reset(in, order_of(in, division, workspace), workspace);
    GruCandidateCell<T> candidate(reset);
    Team team(division.threads);
    reset.start();
    run_phases<T>(team, division.by_units, N, steps, Phase<GruResetCell<T>>{reset, reset.panels()},
                  Phase<GruCandidateCell<T>>{candidate, candidate.panels()});
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
