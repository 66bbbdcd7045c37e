// The LSTM kernels for Python.
#include "bindings_recurrent.h"

namespace gatewise {
namespace {

class PackedWeights : public PackedRecurrent {
  public:
    PackedWeights(nb::handle W, nb::handle U, nb::handle b) : PackedRecurrent("pack_lstm", W, U, 4) {
        const Array bias = read_floats(axes_, type, "b", b, "4H", true);
        pack([&](const auto& kernels) { return kernels.lstm_packed_size(F, H); },
             [&](const auto& kernels, auto W, auto U, auto* to) {
                 kernels.lstm_pack(W, U, flat(bias, to), F, H, to);
             });
    }
};

// ---- LSTM -------------------------------------------------------------------------------------------

nb::tuple lstm_forward(nb::handle x_, nb::handle h0_, nb::handle c0_, nb::handle W_, nb::handle U_,
                       nb::handle b_, nb::handle mask_, nb::handle activation_, nb::handle recurrent_,
                       nb::handle x_dropout_, nb::handle h_dropout_, bool keep_sums) {
    Axes axes("lstm_forward");
    FloatType type;
    const Array x = read_floats(axes, type, "x", x_, "NTF");
    const Array U = read_floats(axes, type, "U", U_, "H4H"), W = read_floats(axes, type, "W", W_, "F4H");
    const Array b = read_floats(axes, type, "b", b_, "4H", true);
    const Array h0 = read_floats(axes, type, "h0", h0_, "NH", true),
                c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const Array x_dropout = read_floats(axes, type, "x_dropout", x_dropout_, "NF", true);
    const Array h_dropout = read_floats(axes, type, "h_dropout", h_dropout_, "NH", true);
    const Array mask = read_mask(axes, mask_);
    const RecurrentSizes sizes = read_sizes(axes, 4);
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);

    const Array h = make_array(type, sizes.N, sizes.T, sizes.H),
                c = make_array(type, sizes.N, sizes.T, sizes.H);
    const Array gates = make_array(type, sizes.N, sizes.T, 4, sizes.H);
    Array z;
    if (keep_sums || derivative_needs_input(a) || derivative_needs_input(s))
        z = make_array(type, sizes.N, sizes.T, 4, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const KernelsOf<T>& k = of<T>(kernels());
        LstmForward<T> in = {sizes,
                             x.view3<const T>(),
                             view2<const T>(h0),
                             view2<const T>(c0),
                             view2<const T>(x_dropout),
                             view2<const T>(h_dropout),
                             view3<const std::uint8_t>(mask),
                             nullptr,
                             a,
                             s,
                             h.view3<T>(),
                             c.view3<T>(),
                             gates.as<T>(),
                             z ? z.as<T>() : nullptr,
                             {},
                             {}};
        call_recurrence(recurrent_work(sizes, 4, type), [&] {
            Workspace workspace;
            T* packed = static_cast<T*>(workspace.take(sizeof(T) * k.lstm_packed_size(sizes.F, sizes.H)));
            k.lstm_pack(W.view2<const T>(), U.view2<const T>(), b ? b.as<T>() : nullptr, sizes.F, sizes.H,
                        packed);
            in.packed = packed;
            k.lstm_forward(in);
        });
    });
    return nb::make_tuple(h.keeper, c.keeper, gates.keeper, result(z));
}

nb::tuple lstm_predict(nb::handle x_, nb::handle h0_, nb::handle c0_, const PackedWeights& weights,
                       nb::handle mask_, nb::handle activation_, nb::handle recurrent_, bool sequences) {
    Axes axes("lstm_predict");
    FloatType type = {weights.type.item, "weights"};
    axes.set('F', weights.F);
    axes.set('H', weights.H);
    const Array x = read_floats(axes, type, "x", x_, "NTF");
    const Array h0 = read_floats(axes, type, "h0", h0_, "NH", true),
                c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const Array mask = read_mask(axes, mask_);
    const RecurrentSizes sizes = read_sizes(axes, 4);
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);

    const Array h_last = make_array(type, sizes.N, sizes.H), c_last = make_array(type, sizes.N, sizes.H);
    Array h;
    if (sequences) h = make_array(type, sizes.N, sizes.T, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const LstmForward<T> in = {sizes,
                                   x.view3<const T>(),
                                   view2<const T>(h0),
                                   view2<const T>(c0),
                                   {},
                                   {},
                                   view3<const std::uint8_t>(mask),
                                   weights.memory<T>(),
                                   a,
                                   s,
                                   view3<T>(h),
                                   {},
                                   nullptr,
                                   nullptr,
                                   h_last.view2<T>(),
                                   c_last.view2<T>()};
        call_recurrence(recurrent_work(sizes, 4, type), [&] { of<T>(weights.made_for()).lstm_forward(in); });
    });
    return nb::make_tuple(result(h), h_last.keeper, c_last.keeper);
}

struct Tape {
    Array h, c, gates, z;
};

Tape read_tape(Axes& axes, FloatType& type, nb::handle value, bool needs_z) {
    check_tape(axes, value, 4, "lstm_forward");
    const Tape tape = {read_of_tape(axes, type, value, 0, "tape.h", "NTH"),
                       read_of_tape(axes, type, value, 1, "tape.c", "NTH"),
                       read_of_tape(axes, type, value, 2, "tape.gates", "NTGH"),
                       read_of_tape(axes, type, value, 3, "tape.z", "NTGH", true)};
    if (*axes.find('G') != 4) throw nb::value_error("lstm_backward: tape.gates must have 4 gates on axis 2");
    if (needs_z && !tape.z)
        throw nb::value_error("lstm_backward: these activations need tape.z; the tape was made with others");
    return tape;
}

nb::tuple lstm_backward(nb::handle tape_, nb::handle x_, nb::handle h0_, nb::handle c0_, nb::handle W_,
                        nb::handle U_, nb::handle dh_, nb::handle dh_T_, nb::handle dc_T_, nb::handle mask_,
                        nb::handle activation_, nb::handle recurrent_, nb::handle x_dropout_,
                        nb::handle h_dropout_, nb::handle dc_, nb::handle wants_) {
    Axes axes("lstm_backward");
    FloatType type;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);
    const Wants wants(axes.function, "five booleans (dx, dstates, dW, dU, db)", wants_);
    const Array x = read_floats(axes, type, "x", x_, "NTF");
    const Array U = read_floats(axes, type, "U", U_, "H4H"), W = read_floats(axes, type, "W", W_, "F4H");
    const Tape tape = read_tape(axes, type, tape_, derivative_needs_input(a) || derivative_needs_input(s));
    const Array h0 = read_floats(axes, type, "h0", h0_, "NH", true),
                c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const Array dh = read_floats(axes, type, "dh", dh_, "NTH", true),
                dc = read_floats(axes, type, "dc", dc_, "NTH", true);
    const Array dh_T = read_floats(axes, type, "dh_T", dh_T_, "NH", true);
    const Array dc_T = read_floats(axes, type, "dc_T", dc_T_, "NH", true);
    const Array x_dropout = read_floats(axes, type, "x_dropout", x_dropout_, "NF", true);
    const Array h_dropout = read_floats(axes, type, "h_dropout", h_dropout_, "NH", true);
    const Array mask = read_mask(axes, mask_);
    const RecurrentSizes sizes = read_sizes(axes, 4);

    Array dx, dh0, dc0, dW, dU, db;
    if (wants.dx) dx = make_array(type, sizes.N, sizes.T, sizes.F);
    if (wants.dstates) dh0 = make_array(type, sizes.N, sizes.H);
    if (wants.dstates) dc0 = make_array(type, sizes.N, sizes.H);
    if (wants.dW) dW = make_array(type, sizes.F, 4 * sizes.H);
    if (wants.dU) dU = make_array(type, sizes.H, 4 * sizes.H);
    const Index bias_shape[] = {4 * sizes.H};
    if (wants.db) db = make_array(type, bias_shape, 1);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const LstmBackward<T> in = {sizes,
                                    x.view3<const T>(),
                                    view2<const T>(h0),
                                    view2<const T>(c0),
                                    W.view2<const T>(),
                                    U.view2<const T>(),
                                    view2<const T>(x_dropout),
                                    view2<const T>(h_dropout),
                                    view3<const std::uint8_t>(mask),
                                    a,
                                    s,
                                    tape.h.view3<const T>(),
                                    tape.c.view3<const T>(),
                                    tape.gates.as<const T>(),
                                    tape.z ? tape.z.as<const T>() : nullptr,
                                    view3<const T>(dh),
                                    view3<const T>(dc),
                                    view2<const T>(dh_T),
                                    view2<const T>(dc_T),
                                    dx.as<T>(),
                                    dh0.as<T>(),
                                    dc0.as<T>(),
                                    dW.as<T>(),
                                    dU.as<T>(),
                                    db.as<T>()};
        call_recurrence(recurrent_work(sizes, 4, type), [&] { of<T>(kernels()).lstm_backward(in); });
    });
    return nb::make_tuple(result(dx), result(dh0), result(dc0), result(dW), result(dU), result(db));
}

}  // namespace

PackedCell packed_lstm(nb::handle weights) { return cell_of(nb::cast<const PackedWeights&>(weights)); }

void define_lstm(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<PackedWeights>(m, "PackedLSTM",
                              "LSTM weights in the kernels' own order, for any number of lstm_predict calls.")
        .def_prop_ro(
            "features", [](const PackedWeights& w) { return w.F; }, "F, the number of input features.")
        .def_prop_ro("units", [](const PackedWeights& w) { return w.H; }, "H, the number of units.");
    m.def(
        "pack_lstm", [](nb::handle W, nb::handle U, nb::handle b) { return new PackedWeights(W, U, b); },
        any("W"), any("U"), none_or("b"), nb::rv_policy::take_ownership,
        nb::sig("def pack_lstm(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None) -> "
                "PackedLSTM"));

    m.def("lstm_forward", &lstm_forward, any("x"), any("h0"), any("c0"), any("W"), any("U"), any("b"),
          none_or("mask"), nb::arg("activation").none() = "tanh",
          nb::arg("recurrent_activation").none() = "sigmoid", none_or("x_dropout"), none_or("h_dropout"),
          "keep_sums"_a = false,
          nb::sig("def lstm_forward(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, W: "
                  "numpy.ndarray, "
                  "U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, activation: "
                  "str = 'tanh', "
                  "recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, "
                  "h_dropout: numpy.ndarray | None = None, keep_sums: bool = False) -> "
                  "tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None]"));
    m.def("lstm_predict", &lstm_predict, any("x"), any("h0"), any("c0"), "weights"_a, none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          "sequences"_a = false,
          nb::sig("def lstm_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, "
                  "weights: PackedLSTM, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = "
                  "'sigmoid', "
                  "sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray, numpy.ndarray]"));
    m.def("lstm_backward", &lstm_backward, any("tape"), any("x"), any("h0"), any("c0"), any("W"), any("U"),
          none_or("dh"), none_or("dh_T"), none_or("dc_T"), none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          none_or("x_dropout"), none_or("h_dropout"), none_or("dc"),
          nb::arg("wants").none() = nb::make_tuple(true, true, true, true, true),
          nb::sig("def lstm_backward(tape: tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray "
                  "| None], "
                  "x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, W: numpy.ndarray, "
                  "U: numpy.ndarray, "
                  "dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, dc_T: numpy.ndarray | "
                  "None = None, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = "
                  "'sigmoid', "
                  "x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, "
                  "dc: numpy.ndarray | None = None, wants: tuple[bool, bool, bool, bool, bool] = (True, "
                  "True, True, True, True)) "
                  "-> tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray "
                  "| None, "
                  "numpy.ndarray | None, numpy.ndarray | None]"));
}

}  // namespace gatewise
