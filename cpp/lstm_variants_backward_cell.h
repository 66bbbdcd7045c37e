// Variants of the LSTM: the gradients at one step, from the equations of lstm_variants.h.
//
//     dh~ = (1 - l) dh    dm = dh~ projection^T    do = dm a(c~)    dc~ = (1 - k) dc + dm o a'(c~) + p_o dz_o
//     dz_i = dc~ g s'    dz_f = dc~ c[t-1] s'    dz_g = dc~ i a'    coupled: dz_i = dc~ (g - c[t-1]) s'
//     dc[t-1] = k dc + dc~ f + p_i dz_i + p_f dz_f    dh[t-1] = l dh + dz U^T
//     dc~ is zero where c~ was clipped
#pragma once

#include "lstm_backward.h"
#include "lstm_variants.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T, int G>
struct LstmVariantBackwardCell {
    static constexpr int L = Simd<T>::kLanes;
    static constexpr Index kTogether = 8;
    using V = typename Simd<T>::V;

    const LstmVariantBackward<T>& in;
    Index width, out_width;
    SequenceOrder order = {};
    T *packed = nullptr, *projection = nullptr;  // U^T and projection^T in panels
    T* zeros = nullptr;
    // Sequences in order: (N, T, G H), of x W and of h U; without layer normalisation both are dz.
    T *dz_x = nullptr, *dz_h = nullptr;
    T* dz = nullptr;        // under layer normalisation only of the step at hand, (N, G H)
    T* d_out = nullptr;     // (N, T, P), sequences in order: of m projection
    T* dc_state = nullptr;  // (N, width)
    T* dh_kept = nullptr;   // (N, out_width): what of dh goes straight to the step before
    T *dm = nullptr, *y = nullptr, *e = nullptr;  // (N, width) each, under layer normalisation
    // Sums over a sequence's steps, (N, ...) each; null where not wanted.
    T *sum_peephole = nullptr, *sum_kernel_gain = nullptr, *sum_recurrent_gain = nullptr, *sum_bias = nullptr;
    T *sum_cell_gain = nullptr, *sum_cell_offset = nullptr;

    bool zones_c() const { return in.keep_c.data || in.options.zoneout_cell > 0; }
    bool zones_h() const { return in.keep_h.data || in.options.zoneout_output > 0; }
    bool usual() const {
        return in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid;
    }
    bool masked(Index n, Index t) const { return in.mask.data && is_masked(in.mask, order.sequence(n), t); }
    bool counts(Index n, Index t) const { return t >= 0 && t < in.sizes.T && !masked(n, t); }
    // Rows that count at this step of the way back, or did at the one before.
    Index active_rows(Index step, Range rows) const {
        Index end = rows.end;
        const Index t = time(step);
        while (in.mask.data && end > rows.begin && !counts(end - 1, t) && !counts(end - 1, t + 1)) --end;
        return end;
    }
    Index time(Index step) const { return in.sizes.T - 1 - step; }
    Index gates_depth() const { return G * in.sizes.H; }
    // Row (n, t) of an array (N, T, length): of the caller's, and of one kept in order.
    const T* row(const T* of, Index n, Index t, Index length) const {
        return of + (order.sequence(n) * in.sizes.T + t) * length;
    }
    T* placed(T* of, Index n, Index t, Index length) const { return of + (n * in.sizes.T + t) * length; }
    T* dz_row(Index n, Index t) const {
        return in.sizes.layer_norm ? dz + n * gates_depth() : placed(dz, n, t, gates_depth());
    }
    static V add(V sum, const T* from, Index some) { return from ? sum + load_first(from, some) : sum; }
    const T* at3(const View3<const T>& v, Index n, Index t, Index u) const {
        return v.data ? v.data + order.sequence(n) * v.outer + t * v.inner + u : nullptr;
    }
    const T* at2(const View2<const T>& v, Index n, Index u) const {
        return v.data ? v.data + order.sequence(n) * v.stride + u : nullptr;
    }
    V share_of(const View3<const T>& given, double rate, Index n, Index t, Index u, Index some) const {
        return given.data ? load_first(at3(given, n, t, u), some) : broadcast(T(rate));
    }

    // ---- the gradient of h: tiles of dz[t+1] U^T ------------------------------------------------------

    Index columns(Index p) const { return min_of(kMostColumns, out_width / L - p * kMostColumns); }
    Index depth() const { return gates_depth(); }
    const T* panel(Index p) const { return packed + p * depth() * kMostColumns * L; }

    TileWork<T> work(Index step, Index n, Index p) const {
        const T* later = placed(dz_h, n, time(step) + 1, depth());  // not there at step 0
        const Segment<T> segment = {later, in.sizes.T * depth(), 1, depth(), panel(p)};
        return {{segment, {}}, step > 0, depth() * kMostColumns * L, zeros, 0, 0};
    }

    void epilogue(Index step, Index n0, Index rows, Index p, const T* sums) {
        for (Index n = n0; n < n0 + rows; ++n)
            for (Index c = 0; c < columns(p); ++c, sums += L)
                arrive(step, n, (p * kMostColumns + c) * L, load(sums));
    }

    // dh of a step as far as it comes from the step after it.
    V arriving(Index step, Index n, Index u, V from_tile) const {
        if (step == 0) return V{};
        if (masked(n, time(step) + 1)) return load(dh_kept + n * out_width + u);
        if (in.h_dropout.data)
            from_tile = from_tile * load_first(at2(in.h_dropout, n, u), min_of(L, in.sizes.P - u));
        return zones_h() ? from_tile + load(dh_kept + n * out_width + u) : from_tile;
    }

    void arrive(Index step, Index n, Index u, V from_tile) {
        const Index P = in.sizes.P, some = min_of(L, P - u), t = time(step);
        V dh = arriving(step, n, u, from_tile);
        if (step == in.sizes.T) return store_first(in.dh0 + order.sequence(n) * P + u, dh, some);
        dh = add(dh, at3(in.dh, n, t, u), some);
        if (step == 0) dh = add(dh, at2(in.dh_last, n, u), some);
        if (masked(n, t)) {
            store(dh_kept + n * out_width + u, dh);
            dh = V{};
        } else if (zones_h()) {
            const V share = share_of(in.keep_h, in.options.zoneout_output, n, t, u, some);
            store(dh_kept + n * out_width + u, share * dh);
            dh = (broadcast(T(1)) - share) * dh;
        }
        if (in.sizes.projection) store_first(placed(d_out, n, t, P) + u, dh, some);
        else take_unprojected(step, n, u, dh);
    }

    // ---- the gradient of the cell ---------------------------------------------------------------------

    void take_unprojected(Index step, Index n, Index u, V dm_here) {
        if (in.sizes.layer_norm) store(dm + n * width + u, dm_here);
        else if (usual()) cell_back(step, n, u, dm_here, Activation::tanh, Activation::sigmoid);
        else cell_back(step, n, u, dm_here, in.activation, in.recurrent_activation);
    }

    V arriving_c(Index step, Index n, Index u, Index some) const {
        V dc = step ? load(dc_state + n * width + u) : V{};
        dc = add(dc, at3(in.dc, n, time(step), u), some);
        return step ? dc : add(dc, at2(in.dc_last, n, u), some);
    }

    void skip(Index step, Index n, Index u, Index some) {
        store(dc_state + n * width + u, arriving_c(step, n, u, some));
        T* const all[] = {dz_x, dz_h};
        for (T* to : all)
            for (Index gate = 0; gate < G; ++gate)
                store_first(placed(to, n, time(step), gates_depth()) + gate * in.sizes.H + u, V{}, some);
    }

    V candidate(Index n, Index t, Index u, Index some) const {
        return load_first(row(in.candidate ? in.candidate : in.c, n, t, in.sizes.H) + u, some);
    }
    V gate(Index which, Index n, Index t, Index u, Index some) const {
        return load_first(row(in.gates, n, t, 4 * in.sizes.H) + which * in.sizes.H + u, some);
    }

    __attribute__((always_inline)) inline void cell_back(Index step, Index n, Index u, V dm_here,
                                                         Activation a, Activation s) {
        const Index some = min_of(L, in.sizes.H - u), t = time(step);
        if (masked(n, t)) return skip(step, n, u, some);
        const V c = candidate(n, t, u, some), out = activate<T>(a, c);
        const V dc = dm_here * gate(3, n, t, u, some) * derivative<T>(a, out, c);
        unit_back(step, n, u, dm_here, out, dc, a, s);
    }

    // From dm, a(...) of the cell, and the candidate's gradient as far as it comes by way of m.
    __attribute__((always_inline)) inline void unit_back(Index step, Index n, Index u, V dm_here, V out, V dc,
                                                         Activation a, Activation s) {
        const Index H = in.sizes.H, some = min_of(L, H - u), t = time(step);
        const V i = gate(0, n, t, u, some), f = gate(1, n, t, u, some), g = gate(2, n, t, u, some),
                o = gate(3, n, t, u, some), c = candidate(n, t, u, some);
        const V before = t ? load_first(row(in.c, n, t - 1, H) + u, some) : add(V{}, at2(in.c0, n, u), some);
        const T* z = in.z ? row(in.z, n, t, gates_depth()) + u : nullptr;
        const auto slope = [&](Activation of, Index which, V value) {
            return derivative<T>(of, value, z ? load_first(z + which * H, some) : V{});
        };
        V arrived = arriving_c(step, n, u, some), kept = V{};
        if (zones_c()) {
            const V share = share_of(in.keep_c, in.options.zoneout_cell, n, t, u, some);
            kept = share * arrived;
            arrived = (broadcast(T(1)) - share) * arrived;
        }
        V d[G];
        const bool peephole = in.sizes.peephole;
        const View2<const T>& peepholes = in.weights.peephole;
        const auto weight = [&](Index which) {
            return load_first(peepholes.data + which * peepholes.stride + u, some);
        };
        d[G - 1] = dm_here * out * slope(s, G - 1, o);
        dc = dc + arrived;
        if (peephole) dc = fma(weight(G - 2), d[G - 1], dc);
        dc = absolute(c) >= broadcast(T(in.options.cell_clip)) ? V{} : dc;
        d[G - 2] = dc * i * slope(a, G - 2, g);
        d[0] = dc * (G == 4 ? g : g - before) * slope(s, 0, i);
        if (G == 4) d[1] = dc * before * slope(s, 1, f);
        V dc_before = fma(dc, f, kept);
        for (int k = 0; peephole && k < G - 2; ++k) dc_before = fma(weight(k), d[k], dc_before);
        store(dc_state + n * width + u, dc_before);
        for (int k = 0; k < G; ++k) store_first(dz_row(n, t) + k * H + u, d[k], some);
        for (int k = 0; sum_peephole && k < G - 1; ++k)
            sum_up(sum_peephole + (n * (G - 1) + k) * width + u, d[k == G - 2 ? G - 1 : k],
                   k == G - 2 ? c : before);
    }

    static void sum_up(T* to, V d, V factor) { store(to, fma(d, factor, load(to))); }

    // ---- layer normalisation --------------------------------------------------------------------------

    struct Means {
        T mean, normal;  // of d, and of d times the normal values
    };

    // Rows of a step, some at a time: while one waits for the sum of its lanes, the others go on.
    void finish_rows(Index step, Range rows) {
        for (Index n = rows.begin; n < rows.end; n += kTogether) {
            const Range some = {n, min_of(n + kTogether, rows.end)};
            if (usual()) normal_back(step, some, Activation::tanh, Activation::sigmoid);
            else normal_back(step, some, in.activation, in.recurrent_activation);
        }
    }

    __attribute__((always_inline)) inline void normal_back(Index step, Range rows, Activation a,
                                                           Activation s) {
        Means means[kTogether], of_x[kTogether], of_h[kTogether];
        Index counted[kTogether], count = 0;
        const Index t = time(step);
        for (Index n = rows.begin; n < rows.end; ++n) {
            if (!masked(n, t)) counted[count++] = n;
            else
                for (Index u = 0; u < in.sizes.H; u += L) skip(step, n, u, min_of(L, in.sizes.H - u));
        }
        for (Index k = 0; k < count; ++k) means[k] = output_back(counted[k], t, a);
        for (Index k = 0; k < count; ++k) units_back(step, counted[k], means[k], a, s);
        for (Index k = 0; k < count; ++k) {
            const Index n = counted[k], length = gates_depth();
            of_x[k] = means_of(n, row(in.normal_x, n, t, length), in.weights.kernel_gain, sum_kernel_gain,
                               sum_bias);
            of_h[k] = means_of(n, row(in.normal_h, n, t, length), in.weights.recurrent_gain,
                               sum_recurrent_gain, nullptr);
        }
        for (Index k = 0; k < count; ++k) {
            const Index n = counted[k], length = gates_depth();
            const T* scales = row(in.statistics, n, t, 4);
            sums_back(n, row(in.normal_x, n, t, length), in.weights.kernel_gain, of_x[k], scales[0],
                      placed(dz_x, n, t, length));
            sums_back(n, row(in.normal_h, n, t, length), in.weights.recurrent_gain, of_h[k], scales[1],
                      placed(dz_h, n, t, length));
        }
    }

    RowStatistics<T> statistics_of_c(Index n, Index t) const {
        const T* found = row(in.statistics, n, t, 4);
        return {found[2], found[3]};
    }

    // Leaves a(...) of the normalised cell in y and what comes back to that cell in e.
    __attribute__((always_inline)) inline Means output_back(Index n, Index t, Activation a) {
        const Index H = in.sizes.H;
        const RowStatistics<T> of_c = statistics_of_c(n, t);
        V sum = {}, sum_normal = {};
        for (Index u = 0; u < H; u += L) {
            const Index some = min_of(L, H - u), k = n * width + u;
            const V normal = of_c.normal(candidate(n, t, u, some));
            const V gain = load_first(in.weights.cell_gain + u, some);
            const V scaled = fma(normal, gain, load_first(in.weights.cell_offset + u, some));
            const V out = activate<T>(a, scaled);
            const V d = load(dm + k) * gate(3, n, t, u, some) * derivative<T>(a, out, scaled);
            store(y + k, out);
            store(e + k, d * gain);
            sum += d * gain;
            sum_normal = fma(d * gain, normal, sum_normal);
            if (sum_cell_gain) sum_up(sum_cell_gain + k, d, normal);
            if (sum_cell_offset) sum_up(sum_cell_offset + k, d, broadcast(T(1)));
        }
        return {sum_of_lanes<T>(sum) / H, sum_of_lanes<T>(sum_normal) / H};
    }

    __attribute__((always_inline)) inline void units_back(Index step, Index n, const Means& means,
                                                          Activation a, Activation s) {
        const Index H = in.sizes.H, t = time(step);
        const RowStatistics<T> of_c = statistics_of_c(n, t);
        for (Index u = 0; u < H; u += L) {
            const Index k = n * width + u;
            const V normal = of_c.normal(candidate(n, t, u, min_of(L, H - u)));
            const V dc = through_normal(load(e + k), normal, means, of_c.scale);
            unit_back(step, n, u, load(dm + k), load(y + k), dc, a, s);
        }
    }

    static V through_normal(V d, V normal, const Means& means, T scale) {
        return broadcast(scale) * (d - broadcast(means.mean) - normal * broadcast(means.normal));
    }

    // Of dz times a gain; adds up the gain's own gradient, and the bias's, where they are wanted.
    Means means_of(Index n, const T* normal, const T* gain, T* sum_gain, T* sum_dz) const {
        const Index count = gates_depth();
        const T* d = dz + n * count;
        T* to_bias = sum_dz ? sum_dz + n * width * G : nullptr;
        T* to_gain = sum_gain ? sum_gain + n * width * G : nullptr;
        V sums[2] = {}, sums_normal[2] = {};
        for (Index k = 0; k < count; k += L) {
            const Index some = min_of(L, count - k), way = k / L % 2;
            const V part = load_first(d + k, some), value = load_first(normal + k, some);
            const V scaled = part * load_first(gain + k, some);
            sums[way] += scaled;
            sums_normal[way] = fma(scaled, value, sums_normal[way]);
            if (to_gain) sum_up(to_gain + k, part, value);
            if (to_bias) sum_up(to_bias + k, part, broadcast(T(1)));
        }
        return {sum_of_lanes<T>(sums[0] + sums[1]) / count,
                sum_of_lanes<T>(sums_normal[0] + sums_normal[1]) / count};
    }

    // From dz to the gradient of x W or of h U.
    void sums_back(Index n, const T* normal, const T* gain, const Means& means, T scale, T* to) const {
        const Index count = gates_depth();
        const T* d = dz + n * count;
        for (Index k = 0; k < count; k += L) {
            const Index some = min_of(L, count - k);
            const V scaled = load_first(d + k, some) * load_first(gain + k, some);
            store_first(to + k, through_normal(scaled, load_first(normal + k, some), means, scale), some);
        }
    }

    // ---- before and after -----------------------------------------------------------------------------

    void take(Workspace& workspace) {
        const LstmVariantSizes& s = in.sizes;
        const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * count); };
        const auto zeroed = [&](bool wanted, Index length) {
            if (!wanted) return (T*)nullptr;
            T* made = take(s.N * length);
            std::memset(made, 0, sizeof(T) * s.N * length);
            return made;
        };
        zeros = take(kMostColumns * L);
        std::memset(zeros, 0, sizeof(T) * kMostColumns * L);
        packed = take(out_width * depth());
        pack_transposed(in.weights.U, s.P, depth(), packed);
        if (s.projection) {
            projection = take(width * s.P);
            pack_transposed(in.weights.projection, s.H, s.P, projection);
        }
        dc_state = take(s.N * width);
        if (in.mask.data || zones_h()) dh_kept = take(s.N * out_width);
        sum_peephole = zeroed(in.dpeephole, (G - 1) * width);
        if (!s.layer_norm) return;
        dm = take(s.N * width);
        y = take(s.N * width);
        e = take(s.N * width);
        sum_kernel_gain = zeroed(in.dkernel_gain, G * width);
        sum_recurrent_gain = zeroed(in.drecurrent_gain, G * width);
        sum_bias = zeroed(in.db, G * width);
        sum_cell_gain = zeroed(in.dcell_gain, width);
        sum_cell_offset = zeroed(in.dcell_offset, width);
    }

    // The sequences' sums (N, stride), added up: `count` of them.
    void add_up(const T* sums, Index stride, Index count, T* to) const {
        if (!to) return;
        for (Index u = 0; u < count; u += L) {
            V total = {};
            for (Index n = 0; n < in.sizes.N; ++n)
                total += load_first(sums + order.place(n) * stride + u, count - u);
            store_first(to + u, total, count - u);
        }
    }

    void finish() const {
        const Index H = in.sizes.H;
        for (Index k = 0; k < G - 1; ++k)
            add_up(sum_peephole + k * width, (G - 1) * width, H,
                   in.dpeephole ? in.dpeephole + k * H : nullptr);
        add_up(sum_kernel_gain, G * width, G * H, in.dkernel_gain);
        add_up(sum_recurrent_gain, G * width, G * H, in.drecurrent_gain);
        if (in.sizes.layer_norm) add_up(sum_bias, G * width, G * H, in.db);
        add_up(sum_cell_gain, width, H, in.dcell_gain);
        add_up(sum_cell_offset, width, H, in.dcell_offset);
        for (Index n = 0; in.dc0 && n < in.sizes.N; ++n)
            copy_row(in.dc0 + order.sequence(n) * H, dc_state + n * width, H);
    }
};

// The gradient of m: tiles of d_out projection^T.
template <class T, int G>
struct LstmVariantProjectionBack {
    static constexpr int L = Simd<T>::kLanes;
    LstmVariantBackwardCell<T, G>& cell;

    Index columns(Index p) const { return min_of(kMostColumns, cell.width / L - p * kMostColumns); }
    Index depth() const { return cell.in.sizes.P; }
    Index active_rows(Index step, Range rows) const { return cell.active_rows(step, rows); }
    const T* panel(Index p) const { return cell.projection + p * depth() * kMostColumns * L; }
    TileWork<T> work(Index step, Index n, Index p) const {
        const Segment<T> segment = {cell.placed(cell.d_out, n, cell.time(step), depth()),
                                    cell.in.sizes.T * depth(), 1, depth(), panel(p)};
        return {{segment, {}}, 1, depth() * kMostColumns * L, cell.zeros, 0, 0};
    }
    void epilogue(Index step, Index n0, Index rows, Index p, const T* sums) const {
        for (Index n = n0; n < n0 + rows; ++n)
            for (Index c = 0; c < columns(p); ++c, sums += L)
                cell.take_unprojected(step, n, (p * kMostColumns + c) * L, load(sums));
    }
};

}  // namespace GATEWISE_ISA
}  // namespace gatewise
