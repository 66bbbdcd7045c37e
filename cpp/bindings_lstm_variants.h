// What the functions of the LSTM's variants are given: weights, options, arrays of the call, the tape.
#pragma once

#include "bindings.h"

namespace gatewise {
namespace lstm_variants {

[[noreturn]] inline void refuse(const Axes& axes, const std::string& what) {
    throw nb::value_error((std::string(axes.function) + ": " + what).c_str());
}

// Item i of a tuple that was checked.
inline nb::handle item(nb::handle tuple, int i) { return PyTuple_GetItem(tuple.ptr(), i); }

inline void check_tuple(const Axes& axes, nb::handle value, int count, const char* expected) {
    if (!PyTuple_Check(value.ptr()) || PyTuple_Size(value.ptr()) != count)
        nb::raise_type_error("%s: %s", axes.function, expected);
}

// ---- weights, options, sizes --------------------------------------------------------------------------

constexpr int kWeights = 9;

struct Weights {
    Array of[kWeights];
    const Array& W() const { return of[0]; }
    const Array& U() const { return of[1]; }
    const Array& projection() const { return of[4]; }

    template <class T>
    LstmVariantWeights<T> views() const {
        const auto flat = [](const Array& a) { return a ? a.as<const T>() : nullptr; };
        return {view2<const T>(of[0]), view2<const T>(of[1]), flat(of[2]),
                view2<const T>(of[3]), view2<const T>(of[4]), flat(of[5]),
                flat(of[6]),           flat(of[7]),           flat(of[8])};
    }
};

// Units and gates, from W (F, C), U (P, C) and the projection (H, P).
inline void bind_gates(Axes& axes) {
    const Index P = *axes.find('P'), columns = *axes.find('C');
    if (!axes.find('H')) axes.set('H', P);
    const Index H = *axes.find('H');
    if (H == 0 || P == 0) refuse(axes, "the layer has no units (U has no rows)");
    if (columns != 3 * H && columns != 4 * H)
        refuse(axes, "U has " + std::to_string(columns) + " columns, expected 4H = " + std::to_string(4 * H) +
                         ", or 3H = " + std::to_string(3 * H) + " for coupled gates");
    axes.set('G', columns / H);
    axes.set('K', columns / H - 1);
    check_countable(axes.function, double(*axes.find('F')) + P + 64, columns + 256);
}

inline Weights read_weights(Axes& axes, FloatType& type, nb::handle value) {
    check_tuple(axes, value, kWeights,
                "weights must be an LSTMVariantWeights: W, U, b, peephole, projection, kernel_gain, "
                "recurrent_gain, cell_gain, cell_offset");
    Weights weights;
    const auto read = [&](int i, const char* name, const char* pattern, bool optional = true) {
        weights.of[i] = read_floats(axes, type, name, item(value, i), pattern, optional);
    };
    read(1, "U", "PC", false);
    read(0, "W", "FC", false);
    read(4, "projection", "HP");
    bind_gates(axes);
    read(2, "b", "C");
    read(3, "peephole", "KH");
    read(5, "kernel_gain", "C");
    read(6, "recurrent_gain", "C");
    read(7, "cell_gain", "H");
    read(8, "cell_offset", "H");
    int gains = 0;
    for (int i = 5; i < kWeights; ++i) gains += bool(weights.of[i]);
    if (gains != 0 && gains != 4)
        refuse(axes, "kernel_gain, recurrent_gain, cell_gain and cell_offset come together, or none of them");
    return weights;
}

inline LstmVariantSizes sizes_of(Axes& axes, const Weights& weights) {
    return {0,
            0,
            *axes.find('F'),
            *axes.find('H'),
            *axes.find('P'),
            *axes.find('G'),
            bool(weights.of[3]),
            bool(weights.projection()),
            bool(weights.of[5])};
}

inline LstmVariantOptions read_options(const Axes& axes, nb::handle value) {
    check_tuple(axes, value, 4,
                "options must be an LSTMVariantOptions: cell_clip, epsilon, zoneout_cell, zoneout_output");
    double of[4];
    for (int i = 0; i < 4; ++i) {
        of[i] = PyFloat_AsDouble(item(value, i).ptr());
        if (of[i] == -1 && PyErr_Occurred()) nb::raise_python_error();
    }
    if (!(of[0] > 0)) refuse(axes, "options.cell_clip must be above 0");
    if (!(of[1] >= 0)) refuse(axes, "options.epsilon must not be below 0");
    for (int i = 2; i < 4; ++i)
        if (!(of[i] >= 0 && of[i] <= 1)) refuse(axes, "options: zoneout must be from 0 to 1");
    return {of[0], of[1], of[2], of[3]};
}

// Reads x and completes the sizes by its.
inline Array read_x(Axes& axes, FloatType& type, nb::handle value, LstmVariantSizes& sizes) {
    const Array x = read_floats(axes, type, "x", value, "NTF");
    sizes.N = *axes.find('N');
    sizes.T = *axes.find('T');
    if (sizes.T == 0) refuse(axes, "x has no time steps (axis 1 has length 0)");
    if (sizes.F == 0) refuse(axes, "x has no features (axis 2 has length 0)");
    check_countable(axes.function, double(sizes.N + 64) * double(sizes.T),
                    4.0 * (sizes.H + 64) + double(sizes.F) + sizes.P);
    return x;
}

inline double flops_of(const LstmVariantSizes& s) {
    return 2.0 * s.N * s.T * s.H * (s.G * (s.F + s.P + 16) + (s.projection ? s.P : 0));
}

inline RecurrentWork work_of(const LstmVariantSizes& s, FloatType type) {
    return {flops_of(s), s.N, s.T, double(type.item) * s.H * (s.G * (s.F + s.P) + (s.projection ? s.P : 0))};
}

class PackedVariant {
  public:
    explicit PackedVariant(nb::handle weights_) : kernels_(&kernels()) {
        Axes axes("pack_lstm_variant");
        const Weights weights = read_weights(axes, type, weights_);
        sizes = sizes_of(axes, weights);
        if (sizes.F == 0) refuse(axes, "W (F, C) must have no axis of length 0");
        dispatch(type, [&](auto* p) {
            using T = GATEWISE_ELEMENT(p);
            const KernelsOf<T>& k = of<T>(*kernels_);
            memory_.reset(allocate(sizeof(T) * k.lstm_variant_packed_size(sizes)));
            call_kernel(4.0 * (sizes.F + sizes.P) * sizes.H, [&] {
                k.lstm_variant_pack(sizes, weights.views<T>(), static_cast<T*>(memory_.get()));
            });
        });
    }
    template <class T>
    const T* memory() const {
        return static_cast<const T*>(memory_.get());
    }
    const Kernels& made_for() const { return *kernels_; }

    FloatType type;
    LstmVariantSizes sizes;

  private:
    const Kernels* kernels_;
    OwnedMemory memory_;
};

// ---- what forward and backward are both given ---------------------------------------------------------

struct Given {
    Array x, h0, c0, mask, x_dropout, h_dropout, keep_c, keep_h;
    Activation a, s;
    bool needs_z() const { return derivative_needs_input(a) || derivative_needs_input(s); }
};

struct GivenHandles {
    nb::handle x, h0, c0, mask, activation, recurrent, x_dropout, h_dropout, keep_c, keep_h;
};

inline Given read_given(Axes& axes, FloatType& type, const GivenHandles& from, LstmVariantSizes& sizes) {
    Given given;
    given.x = read_x(axes, type, from.x, sizes);
    given.h0 = read_floats(axes, type, "h0", from.h0, "NP", true);
    given.c0 = read_floats(axes, type, "c0", from.c0, "NH", true);
    given.x_dropout = read_floats(axes, type, "x_dropout", from.x_dropout, "NF", true);
    given.h_dropout = read_floats(axes, type, "h_dropout", from.h_dropout, "NP", true);
    given.keep_c = read_floats(axes, type, "keep_c", from.keep_c, "NTH", true);
    given.keep_h = read_floats(axes, type, "keep_h", from.keep_h, "NTP", true);
    given.mask = read_mask(axes, from.mask);
    given.a = read_activation(axes.function, "activation", from.activation);
    given.s = read_activation(axes.function, "recurrent_activation", from.recurrent);
    return given;
}

template <class T>
LstmVariantForward<T> forward_of(const LstmVariantSizes& sizes, const LstmVariantOptions& options,
                                 const Given& given) {
    LstmVariantForward<T> in = {};
    in.sizes = sizes;
    in.options = options;
    in.x = given.x.view3<const T>();
    in.h0 = view2<const T>(given.h0);
    in.c0 = view2<const T>(given.c0);
    in.x_dropout = view2<const T>(given.x_dropout);
    in.h_dropout = view2<const T>(given.h_dropout);
    in.mask = view3<const std::uint8_t>(given.mask);
    in.keep_c = view3<const T>(given.keep_c);
    in.keep_h = view3<const T>(given.keep_h);
    in.activation = given.a;
    in.recurrent_activation = given.s;
    return in;
}

// ---- the tape -----------------------------------------------------------------------------------------

constexpr int kTape = 9;

struct Tape {
    Array of[kTape];  // h, c, gates, z, candidate, unprojected, normal_x, normal_h, statistics

    nb::tuple as_tuple() const {
        return nb::make_tuple(result(of[0]), result(of[1]), result(of[2]), result(of[3]), result(of[4]),
                              result(of[5]), result(of[6]), result(of[7]), result(of[8]));
    }
};

inline Tape make_tape(FloatType type, const LstmVariantSizes& s, bool needs_z, bool zones_c) {
    Tape tape;
    tape.of[0] = make_array(type, s.N, s.T, s.P);
    tape.of[1] = make_array(type, s.N, s.T, s.H);
    tape.of[2] = make_array(type, s.N, s.T, 4, s.H);
    if (needs_z) tape.of[3] = make_array(type, s.N, s.T, s.G, s.H);
    if (zones_c) tape.of[4] = make_array(type, s.N, s.T, s.H);
    if (s.projection) tape.of[5] = make_array(type, s.N, s.T, s.H);
    for (int i = 6; s.layer_norm && i < 8; ++i) tape.of[i] = make_array(type, s.N, s.T, s.G, s.H);
    if (s.layer_norm) tape.of[8] = make_array(type, s.N, s.T, 4);
    return tape;
}

inline Tape read_tape(Axes& axes, FloatType& type, nb::handle value, const LstmVariantSizes& s, bool needs_z,
                      bool zones_c) {
    check_tuple(axes, value, kTape, "tape must be what lstm_variant_forward returned");
    struct Entry {
        const char *name, *pattern;
        bool needed;
    };
    axes.set('A', 4);
    const Entry entries[kTape] = {{"tape.h", "NTP", true},
                                  {"tape.c", "NTH", true},
                                  {"tape.gates", "NTAH", true},
                                  {"tape.z", "NTGH", needs_z},
                                  {"tape.candidate", "NTH", zones_c},
                                  {"tape.unprojected", "NTH", s.projection},
                                  {"tape.normal_x", "NTGH", s.layer_norm},
                                  {"tape.normal_h", "NTGH", s.layer_norm},
                                  {"tape.statistics", "NTA", s.layer_norm}};
    Tape tape;
    for (int i = 0; i < kTape; ++i) {
        const Entry& entry = entries[i];
        tape.of[i] = read_floats(axes, type, entry.name, item(value, i), entry.pattern, true);
        if (entry.needed && !tape.of[i])
            refuse(axes, std::string(entry.name) + " is missing; the tape was made with other arguments");
        if (tape.of[i] && !tape.of[i].contiguous)
            refuse(axes, std::string(entry.name) + " is not contiguous");
    }
    return tape;
}

}  // namespace lstm_variants
}  // namespace gatewise
