// The packed weights of the LSTM's variants.
#pragma once

#include "gated.h"

namespace gatewise {
namespace GATEWISE_ISA {

// Where the parts of the packed weights begin, and the sizes of a row.
template <class T>
struct LstmVariantLayout {
    Index width, out_width;  // H and P rounded up to whole vectors
    Index bias, kernel_gain, recurrent_gain, peephole, cell_gain, cell_offset, projection, total;

    explicit LstmVariantLayout(const LstmVariantSizes& s) {
        constexpr int L = Simd<T>::kLanes;
        width = blocks_of<T>(s.H) * L;
        out_width = blocks_of<T>(s.P) * L;
        kernel_gain = packed_gates_size<T>(s.F, s.P, s.H, s.G);
        bias = kernel_gain - s.G * width;
        recurrent_gain = kernel_gain + (s.layer_norm ? s.G * width : 0);
        peephole = recurrent_gain + (s.layer_norm ? s.G * width : 0);
        cell_gain = peephole + (s.peephole ? (s.G - 1) * width : 0);
        cell_offset = cell_gain + (s.layer_norm ? width : 0);
        projection = cell_offset + (s.layer_norm ? width : 0);
        total = projection + (s.projection ? s.H * out_width : 0);
    }
};

template <class T>
static Index lstm_variant_packed_size(const LstmVariantSizes& sizes) {
    return LstmVariantLayout<T>(sizes).total;
}

// The gates as in gated.h, then the parts in the layout's order; the projection in panels
// [H][vectors][lanes].
template <class T>
static void lstm_variant_pack(const LstmVariantSizes& s, const LstmVariantWeights<T>& weights, T* packed) {
    constexpr int L = Simd<T>::kLanes;
    const LstmVariantLayout<T> at(s);
    pack_gates(weights.W, weights.U, weights.b, s.F, s.P, s.H, s.G, packed);
    if (s.layer_norm) {
        pack_gate_row(weights.kernel_gain, s.H, s.G, s.G * L, packed + at.kernel_gain);
        pack_gate_row(weights.recurrent_gain, s.H, s.G, s.G * L, packed + at.recurrent_gain);
        pack_gate_row(weights.cell_gain, s.H, 1, L, packed + at.cell_gain);
        pack_gate_row(weights.cell_offset, s.H, 1, L, packed + at.cell_offset);
    }
    for (Index gate = 0; s.peephole && gate + 1 < s.G; ++gate)
        pack_gate_row(weights.peephole.data + gate * weights.peephole.stride, s.H, 1, L,
                      packed + at.peephole + gate * at.width);
    for (Index v = 0; s.projection && v < at.out_width; v += kMostColumns * L)
        pack_panel(weights.projection.data + v, weights.projection.stride, s.H,
                   min_of(s.P - v, kMostColumns * L), min_of(kMostColumns, (at.out_width - v) / L),
                   packed + at.projection + v * s.H);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
