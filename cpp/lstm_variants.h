// Variants of the LSTM: forward over whole sequences. The plain LSTM has a cell of its own in lstm.h.
//
//     z = x[t] W + h[t-1] U + b          layer norm: N(x[t] W) gain_x + N(h[t-1] U) gain_h + b
//     peepholes: z_i += p_i c[t-1]   z_f += p_f c[t-1]   z_o += p_o c~
//     c~ = f c[t-1] + i g, clipped       coupled: f = 1 - i
//     m = o a(c~)                        layer norm: o a(N(c~) gain_c + offset_c)
//     h~ = m, or m projection            zoneout: c[t] = k c[t-1] + (1 - k) c~    h[t] = l h[t-1] + (1 - l)
//     h~
//
// The idea: peepholes, clipping, coupled gates and zoneout are arithmetic on a unit, and so live in the
// epilogue of the plain LSTM's tile. A projection is a second product in each step. Layer normalisation needs
// whole rows of sums, so there the tiles only leave x W and h U, and the arithmetic follows row by row.
// Threads that share the units wait for each other after each of these phases; those that share the rows
// never do.
#pragma once

#include "activations.h"
#include "lstm_variant_weights.h"
#include "normal.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
struct LstmVariantUnits {
    typename Simd<T>::V i, f, g, o, c;  // c: the candidate
};

template <class T, int G>
struct LstmVariantCell {
    static constexpr int L = Simd<T>::kLanes;
    static constexpr Index kTogether = 8;
    using V = typename Simd<T>::V;

    const LstmVariantForward<T>& in;
    const LstmVariantLayout<T> at;
    const SequenceOrder order;
    StepInput<T> input;
    T* zeros;       // a panel's width of them
    T* h_state[2];  // (N, out_width) each; what the next step multiplies: h, times h_dropout where given
    T* h_plain = nullptr;      // (N, out_width), h without dropout, kept where masks or zoneout need it
    T* c_state = nullptr;      // (N, width)
    T* unprojected = nullptr;  // (N, width): m, under a projection
    // Under layer normalisation: x W and h U, (N, blocks, G, L) each; the candidate cell and o, (N, width)
    // each.
    T *sums_x = nullptr, *sums_h = nullptr, *cells = nullptr, *outs = nullptr;

    const T* part(Index offset) const { return in.packed + offset; }
    bool zones_c() const { return in.keep_c.data || in.options.zoneout_cell > 0; }
    bool zones_h() const { return in.keep_h.data || in.options.zoneout_output > 0; }
    bool usual() const {
        return in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid;
    }
    bool masked(Index n, Index t) const { return in.mask.data && is_masked(in.mask, order.sequence(n), t); }
    Index active_rows(Index t, Range rows) const {
        Index end = rows.end;
        while (in.mask.data && end > rows.begin && masked(end - 1, t)) --end;
        return end;
    }

    // ---- tiles of gates --------------------------------------------------------------------------------

    Index columns(Index) const { return G; }
    Index depth() const { return in.sizes.F + in.sizes.P; }
    const T* panel(Index p) const { return in.packed + p * depth() * G * L; }
    const T* bias(Index p) const { return in.sizes.layer_norm ? zeros : part(at.bias) + p * G * L; }

    Segment<T> of_h(Index t, Index n, Index p) const {
        return {h_state[t & 1] + n * at.out_width, at.out_width, 1, in.sizes.P,
                panel(p) + in.sizes.F * G * L};
    }

    TileWork<T> work(Index t, Index n, Index p) const {
        const Index row = at.width * G, between = depth() * G * L;
        if (input.projected)
            return {
                {of_h(t, n, p), {}}, 1,    between, input.projected + (n * in.sizes.T + t) * row + p * G * L,
                in.sizes.T * row,    G * L};
        return {{input.segment(t, n, panel(p)), of_h(t, n, p)}, 2, between, bias(p), 0, G * L};
    }

    void epilogue(Index t, Index n, Index rows, Index p, const T* sums) {
        if (usual()) finish_tile(t, n, rows, p, sums, Activation::tanh, Activation::sigmoid);
        else finish_tile(t, n, rows, p, sums, in.activation, in.recurrent_activation);
    }

    __attribute__((always_inline)) inline void finish_tile(Index t, Index n0, Index rows, Index p,
                                                           const T* sums, Activation a, Activation s) {
        const Index u = p * L, some = min_of(L, in.sizes.H - u);
        for (Index n = n0; n < n0 + rows; ++n, sums += G * L) {
            if (masked(n, t)) {
                skip_cell(t, n, u, some);
                if (!in.sizes.projection) skip_output(t, n, u, some);
                continue;
            }
            V z[G];
            for (int gate = 0; gate < G; ++gate) z[gate] = load(sums + gate * L);
            const LstmVariantUnits<T> units = units_of(z, load(c_state + n * at.width + u), u, a, s);
            keep_cell(t, n, u, some, units, z);
            put_unprojected(t, n, u, some, units.o * activate<T>(a, units.c));
        }
    }

    // ---- arithmetic on units ---------------------------------------------------------------------------

    // The gates and the candidate cell; adds the peepholes to z.
    __attribute__((always_inline)) inline LstmVariantUnits<T> units_of(V* z, V before, Index u, Activation a,
                                                                       Activation s) const {
        const T* peephole = in.sizes.peephole ? part(at.peephole) + u : nullptr;
        LstmVariantUnits<T> units;
        for (int gate = 0; peephole && gate < G - 2; ++gate)
            z[gate] = fma(load(peephole + gate * at.width), before, z[gate]);
        units.i = activate<T>(s, z[0]);
        units.f = G == 4 ? activate<T>(s, z[1]) : broadcast(T(1)) - units.i;
        units.g = activate<T>(a, z[G - 2]);
        const T most = T(in.options.cell_clip);
        units.c = clip<T>(fma(units.f, before, units.i * units.g), -most, most);
        if (peephole) z[G - 1] = fma(load(peephole + (G - 2) * at.width), units.c, z[G - 1]);
        units.o = activate<T>(s, z[G - 1]);
        return units;
    }

    // A state after zoneout: `share` of it is what it was before.
    static V mixed(V share, V before, V now) { return fma(share, before, (broadcast(T(1)) - share) * now); }
    V share_of(const View3<const T>& given, double rate, Index n, Index t, Index u, Index some) const {
        if (!given.data) return broadcast(T(rate));
        return load_first(given.data + order.sequence(n) * given.outer + t * given.inner + u, some);
    }

    V of_row(const View2<const T>& rows, Index n, Index u, Index some) const {
        return rows.data ? load_first(rows.data + order.sequence(n) * rows.stride + u, some) : V{};
    }
    V dropped(Index n, Index u, Index some, V h) const {
        return in.h_dropout.data ? h * of_row(in.h_dropout, n, u, some) : h;
    }

    void keep_cell(Index t, Index n, Index u, Index some, const LstmVariantUnits<T>& units, const V* z) {
        T* c_row = c_state + n * at.width + u;
        V c = units.c;
        if (zones_c()) c = mixed(share_of(in.keep_c, in.options.zoneout_cell, n, t, u, some), load(c_row), c);
        store(c_row, c);
        put_cell(t, n, u, some, c);
        const V gates[4] = {units.i, units.f, units.g, units.o};
        keep(in.gates, 4, t, n, u, some, gates);
        keep(in.z, G, t, n, u, some, z);
        keep(in.candidate, 1, t, n, u, some, &units.c);
    }

    // To `to` (N, T, count, H), if it is there.
    void keep(T* to, Index count, Index t, Index n, Index u, Index some, const V* values) const {
        if (!to) return;
        to += (order.sequence(n) * in.sizes.T + t) * count * in.sizes.H + u;
        for (Index k = 0; k < count; ++k) store_first(to + k * in.sizes.H, values[k], some);
    }

    void put_cell(Index t, Index n, Index u, Index some, V c) const {
        n = order.sequence(n);
        if (in.c.data) store_first(in.c.data + n * in.c.outer + t * in.c.inner + u, c, some);
        if (in.c_last.data && t + 1 == in.sizes.T)
            store_first(in.c_last.data + n * in.c_last.stride + u, c, some);
    }

    void put_unprojected(Index t, Index n, Index u, Index some, V m) {
        if (!in.sizes.projection) return put_output(t, n, u, some, m);
        store(unprojected + n * at.width + u, m);
        keep(in.unprojected, 1, t, n, u, some, &m);
    }

    void put_output(Index t, Index n, Index u, Index some, V h) {
        const Index i = n * at.out_width + u;
        if (zones_h())
            h = mixed(share_of(in.keep_h, in.options.zoneout_output, n, t, u, some),
                      load(h_plain ? h_plain + i : h_state[t & 1] + i), h);
        store(h_state[(t + 1) & 1] + i, dropped(n, u, some, h));
        if (h_plain) store(h_plain + i, h);
        show_output(t, n, u, some, h);
    }

    void show_output(Index t, Index n, Index u, Index some, V h) const {
        n = order.sequence(n);
        if (in.h.data) store_first(in.h.data + n * in.h.outer + t * in.h.inner + u, h, some);
        if (in.h_last.data && t + 1 == in.sizes.T)
            store_first(in.h_last.data + n * in.h_last.stride + u, h, some);
    }

    // A masked step copies the states; all else is zero.
    void skip_cell(Index t, Index n, Index u, Index some) const {
        const V none[4] = {};
        put_cell(t, n, u, some, load(c_state + n * at.width + u));
        keep(in.gates, 4, t, n, u, some, none);
        T* const by_gate[] = {in.z, in.normal_x, in.normal_h};
        for (T* to : by_gate) keep(to, G, t, n, u, some, none);
        keep(in.candidate, 1, t, n, u, some, none);
        keep(in.unprojected, 1, t, n, u, some, none);
    }
    void skip_output(Index t, Index n, Index u, Index some) {
        const Index i = n * at.out_width + u;
        const V stepped = load(h_state[t & 1] + i);
        store(h_state[(t + 1) & 1] + i, stepped);
        show_output(t, n, u, some, h_plain ? load(h_plain + i) : stepped);
    }

    // ---- layer normalisation ---------------------------------------------------------------------------

    // Rows of a step, some at a time: while one waits for the sum of its lanes, the others go on.
    void finish_rows(Index t, Range rows) {
        for (Index n = rows.begin; n < rows.end; n += kTogether) {
            const Range some = {n, min_of(n + kTogether, rows.end)};
            if (usual()) finish_normal(t, some, Activation::tanh, Activation::sigmoid);
            else finish_normal(t, some, in.activation, in.recurrent_activation);
        }
    }

    const T* row_of_x(Index t, Index n) const {
        const Index row = at.width * G;
        return input.projected ? input.projected + (n * in.sizes.T + t) * row : sums_x + n * row;
    }

    __attribute__((always_inline)) inline void finish_normal(Index t, Range rows, Activation a,
                                                             Activation s) {
        const T epsilon = T(in.options.epsilon);
        const Index H = in.sizes.H;
        RowStatistics<T> of_x[kTogether], of_h[kTogether], of_c[kTogether];
        Index counted[kTogether], count = 0;
        for (Index n = rows.begin; n < rows.end; ++n) {
            if (masked(n, t)) skip_row(t, n);
            else counted[count++] = n;
        }
        for (Index k = 0; k < count; ++k) {
            of_x[k] = statistics_of<T, G>(row_of_x(t, counted[k]), H, epsilon);
            of_h[k] = statistics_of<T, G>(sums_h + counted[k] * at.width * G, H, epsilon);
        }
        for (Index k = 0; k < count; ++k) gates_of_row(t, counted[k], of_x[k], of_h[k], a, s);
        for (Index k = 0; k < count; ++k)
            of_c[k] = statistics_of<T, 1>(cells + counted[k] * at.width, H, epsilon);
        for (Index k = 0; k < count; ++k) {
            outputs_of_row(t, counted[k], of_c[k], a);
            if (!in.statistics) continue;
            const T found[4] = {of_x[k].scale, of_h[k].scale, of_c[k].mean, of_c[k].scale};
            std::memcpy(statistics_at(t, counted[k]), found, sizeof found);
        }
    }

    T* statistics_at(Index t, Index n) const {
        return in.statistics + (order.sequence(n) * in.sizes.T + t) * 4;
    }

    void skip_row(Index t, Index n) {
        for (Index u = 0; u < in.sizes.H; u += L) {
            skip_cell(t, n, u, min_of(L, in.sizes.H - u));
            if (!in.sizes.projection) skip_output(t, n, u, min_of(L, in.sizes.H - u));
        }
        if (in.statistics) std::memset(statistics_at(t, n), 0, sizeof(T) * 4);
    }

    __attribute__((always_inline)) inline void gates_of_row(Index t, Index n, const RowStatistics<T>& of_x,
                                                            const RowStatistics<T>& of_h, Activation a,
                                                            Activation s) {
        const Index H = in.sizes.H;
        const T *x = row_of_x(t, n), *h = sums_h + n * at.width * G;
        T *cell = cells + n * at.width, *out = outs + n * at.width;
        for (Index u = 0; u < H; u += L) {
            const Index i = u * G, some = min_of(L, H - u);
            V z[G], normal_x[G], normal_h[G];
            for (int gate = 0; gate < G; ++gate) {
                const Index k = i + gate * L;
                normal_x[gate] = of_x.normal(load(x + k));
                normal_h[gate] = of_h.normal(load(h + k));
                z[gate] = fma(normal_x[gate], load(part(at.kernel_gain) + k), load(part(at.bias) + k));
                z[gate] = fma(normal_h[gate], load(part(at.recurrent_gain) + k), z[gate]);
            }
            const LstmVariantUnits<T> units = units_of(z, load(c_state + n * at.width + u), u, a, s);
            keep_cell(t, n, u, some, units, z);
            keep(in.normal_x, G, t, n, u, some, normal_x);
            keep(in.normal_h, G, t, n, u, some, normal_h);
            store(cell + u, first_lanes<T>(units.c, some));
            store(out + u, units.o);
        }
    }

    __attribute__((always_inline)) inline void outputs_of_row(Index t, Index n, const RowStatistics<T>& of_c,
                                                              Activation a) {
        const Index H = in.sizes.H;
        const T *cell = cells + n * at.width, *out = outs + n * at.width;
        for (Index u = 0; u < H; u += L) {
            const V scaled = fma(of_c.normal(load(cell + u)), load(part(at.cell_gain) + u),
                                 load(part(at.cell_offset) + u));
            put_unprojected(t, n, u, min_of(L, H - u), load(out + u) * activate<T>(a, scaled));
        }
    }

    // ---- before and between steps ----------------------------------------------------------------------

    void take(Workspace& workspace) {
        const Index N = in.sizes.N;
        const auto rows = [&](Index length) { return (T*)workspace.take(sizeof(T) * N * length); };
        zeros = (T*)workspace.take(sizeof(T) * kMostColumns * L);
        std::memset(zeros, 0, sizeof(T) * kMostColumns * L);
        h_state[0] = rows(at.out_width);
        h_state[1] = rows(at.out_width);
        c_state = rows(at.width);
        if (in.h_dropout.data && (in.mask.data || zones_h())) h_plain = rows(at.out_width);
        if (in.sizes.projection) unprojected = rows(at.width);
        input.take(workspace, at.width * G);
        if (!in.sizes.layer_norm) return;
        if (!input.projected) sums_x = rows(at.width * G);
        sums_h = rows(at.width * G);
        cells = rows(at.width);
        outs = rows(at.width);
    }

    // The initial states.
    void start() {
        for (Index n = 0; n < in.sizes.N; ++n) {
            for (Index u = 0; u < at.out_width; u += L) {
                const Index some = min_of(L, in.sizes.P - u), i = n * at.out_width + u;
                const V h = of_row(in.h0, n, u, some);
                store(h_state[0] + i, dropped(n, u, some, h));
                if (h_plain) store(h_plain + i, h);
            }
            for (Index u = 0; u < at.width; u += L)
                store(c_state + n * at.width + u, of_row(in.c0, n, u, min_of(L, in.sizes.H - u)));
        }
    }
};

}  // namespace GATEWISE_ISA
}  // namespace gatewise
