// What the Python functions of LSTM, GRU and SimpleRNN share: sizes, packed weights, wanted gradients, tapes.
#pragma once

#include "bindings.h"

namespace gatewise {

// The sizes that the arguments turned out to have, for a layer of so many gates.
inline RecurrentSizes read_sizes(Axes& axes, int gates) {
    const RecurrentSizes sizes = {*axes.find('N'), *axes.find('T'), *axes.find('F'), *axes.find('H')};
    const auto refuse = [&](const char* what) {
        throw nb::value_error((std::string(axes.function) + ": " + what).c_str());
    };
    if (sizes.T == 0) refuse("x has no time steps (axis 1 has length 0)");
    if (sizes.F == 0) refuse("x has no features (axis 2 has length 0)");
    if (sizes.H == 0) refuse("the layer has no units (U has no rows)");
    const double width = gates * (sizes.H + 64.0), depth = double(sizes.F) + sizes.H + 64;
    check_countable(axes.function, double(sizes.N + 64) * double(sizes.T), width + depth);
    check_countable(axes.function, depth, width);
    return sizes;
}

inline double recurrent_flops(const RecurrentSizes& s, int gates) {
    return 2.0 * gates * s.N * s.T * s.H * (s.F + s.H + 16);
}

inline RecurrentWork recurrent_work(const RecurrentSizes& s, int gates, FloatType type) {
    return {recurrent_flops(s, gates), s.N, s.T, double(type.item) * gates * s.H * (s.F + s.H)};
}

// "F4H" for four gates, "FH" for one.
inline std::string pattern_of(char rows, int gates) {
    return rows + (gates > 1 ? std::to_string(gates) : "") + "H";
}

// Weights in the kernels' own order, for any number of predictions.
class PackedRecurrent {
  public:
    template <class T>
    const T* memory() const {
        return static_cast<const T*>(memory_.get());
    }
    const Kernels& made_for() const { return *kernels_; }

    FloatType type;
    Index F = 0, H = 0;

  protected:
    PackedRecurrent(const char* function, nb::handle W, nb::handle U, int gates)
        : axes_(function), kernels_(&kernels()), gates_(gates) {
        const std::string rows_h = pattern_of('H', gates), rows_f = pattern_of('F', gates);
        U_ = read_floats(axes_, type, "U", U, rows_h.c_str());
        W_ = read_floats(axes_, type, "W", W, rows_f.c_str());
        F = *axes_.find('F');
        H = *axes_.find('H');
        const std::string columns = (gates > 1 ? std::to_string(gates) : "") + "H)";
        if (F == 0 || H == 0)
            throw nb::value_error((std::string(function) + ": W (F, " + columns + " and U (H, " + columns +
                                   " must have no axis of length 0")
                                      .c_str());
        check_countable(function, double(F) + H + 64, gates * (H + 64.0));
    }

    // `size(kernels)` elements are allocated, `fill(kernels, W, U, to)` writes them.
    template <class Size, class Fill>
    void pack(Size size, Fill fill) {
        dispatch(type, [&](auto* p) {
            using T = GATEWISE_ELEMENT(p);
            const KernelsOf<T>& k = of<T>(*kernels_);
            memory_.reset(allocate(sizeof(T) * size(k)));
            call_kernel(double(gates_) * (F + H) * H, [&] {
                fill(k, W_.view2<const T>(), U_.view2<const T>(), static_cast<T*>(memory_.get()));
            });
        });
        W_ = U_ = {};
    }

    // A bias as the kernels take it: of the type of `to`, null where absent.
    template <class T>
    static const T* flat(const Array& bias, T*) {
        return bias ? bias.as<const T>() : nullptr;
    }

    Axes axes_;

  private:
    const Kernels* kernels_;
    OwnedMemory memory_;
    Array W_, U_;
    int gates_;
};

inline PackedCell cell_of(const PackedRecurrent& packed) {
    const void* memory =
        dispatch(packed.type, [&](auto* p) -> const void* { return packed.memory<GATEWISE_ELEMENT(p)>(); });
    return {&packed.made_for(), packed.type.item, packed.F, packed.H, memory};
}

struct Wants {
    bool dx, dstates, dW, dU, db;

    Wants(const char* function, const char* expected, nb::handle value) {
        bool flags[5];
        read_wants(function, expected, value, 5, flags);
        dx = flags[0], dstates = flags[1], dW = flags[2], dU = flags[3], db = flags[4];
    }
};

// What forward and backward passes of layers with one state read; W and U are absent in prediction.
struct RecurrentArguments {
    Array x, h0, W, U, x_dropout, h_dropout, mask;
    RecurrentSizes sizes;

    template <class T, class In>
    void fill(In& in) const {
        in.sizes = sizes;
        in.x = x.view3<const T>();
        in.h0 = view2<const T>(h0);
        in.x_dropout = view2<const T>(x_dropout);
        in.h_dropout = view2<const T>(h_dropout);
        in.mask = view3<const std::uint8_t>(mask);
    }
};

inline RecurrentArguments read_arguments(Axes& axes, FloatType& type, int gates, nb::handle x, nb::handle h0,
                                         nb::handle W, nb::handle U, nb::handle mask, nb::handle x_dropout,
                                         nb::handle h_dropout) {
    RecurrentArguments read;
    read.x = read_floats(axes, type, "x", x, "NTF");
    if (U.is_valid()) {
        read.U = read_floats(axes, type, "U", U, pattern_of('H', gates).c_str());
        read.W = read_floats(axes, type, "W", W, pattern_of('F', gates).c_str());
    }
    read.h0 = read_floats(axes, type, "h0", h0, "NH", true);
    read.x_dropout = read_floats(axes, type, "x_dropout", x_dropout, "NF", true);
    read.h_dropout = read_floats(axes, type, "h_dropout", h_dropout, "NH", true);
    read.mask = read_mask(axes, mask);
    read.sizes = read_sizes(axes, gates);
    return read;
}

// The gradients (dx, dh0, dW, dU, db) of layers with one state.
struct RecurrentGradients {
    Array dx, dh0, dW, dU, db;

    // The bias has `rows` rows, or one axis where that is 0.
    RecurrentGradients(FloatType type, const RecurrentSizes& sizes, int gates, int rows, const Wants& wants) {
        const Index columns = gates * sizes.H, bias_shape[] = {rows, columns};
        if (wants.dx) dx = make_array(type, sizes.N, sizes.T, sizes.F);
        if (wants.dstates) dh0 = make_array(type, sizes.N, sizes.H);
        if (wants.dW) dW = make_array(type, sizes.F, columns);
        if (wants.dU) dU = make_array(type, sizes.H, columns);
        if (wants.db) db = make_array(type, bias_shape + (rows == 0), rows ? 2 : 1);
    }

    template <class T, class In>
    void fill(In& in) const {
        in.dx = dx.as<T>();
        in.dh0 = dh0.as<T>();
        in.dW = dW.as<T>();
        in.dU = dU.as<T>();
        in.db = db.as<T>();
    }
    nb::tuple results() const {
        return nb::make_tuple(result(dx), result(dh0), result(dW), result(dU), result(db));
    }
};

// A tape is a tuple of `count` contiguous arrays.
inline void check_tape(const Axes& axes, nb::handle value, int count, const char* forward) {
    if (!PyTuple_Check(value.ptr()) || PyTuple_Size(value.ptr()) != count)
        nb::raise_type_error("%s: tape must be what %s returned", axes.function, forward);
}
inline Array read_of_tape(Axes& axes, FloatType& type, nb::handle tape, int i, const char* name,
                          const char* pattern, bool optional = false) {
    const Array a =
        read_floats(axes, type, name, nb::handle(PyTuple_GetItem(tape.ptr(), i)), pattern, optional);
    if (a && !a.contiguous)
        throw nb::value_error((std::string(axes.function) + ": " + name + " is not contiguous").c_str());
    return a;
}

}  // namespace gatewise
