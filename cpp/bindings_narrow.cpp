// Predictions with weights of fewer bits, for Python.
#include "bindings_recurrent.h"

namespace gatewise {
namespace {

enum class Layer { lstm, gru, simple_rnn };
constexpr const char* kLayers[] = {"lstm", "gru", "simple_rnn"};
constexpr int kGates[] = {4, 3, 1};
constexpr Index kMostDepth = 65536;  // times 255 times 127 is what 32 bits hold

// The index of a name in a list; ValueError naming the list.
template <std::size_t count>
int read_name(const char* function, const char* argument, const std::string& given,
              const char* const (&names)[count]) {
    std::string known;
    for (std::size_t i = 0; i < count; ++i) {
        if (given == names[i]) return static_cast<int>(i);
        known += (i ? ", " : "") + std::string(names[i]);
    }
    throw nb::value_error(
        (std::string(function) + ": " + argument + " must be one of " + known + "; got '" + given + "'")
            .c_str());
}

const NarrowKernelsOf::Packing& packing_of(const NarrowKernelsOf& k, Layer layer) {
    return layer == Layer::lstm ? k.lstm : layer == Layer::gru ? k.gru : k.simple_rnn;
}

// Weights of int8 or bfloat16 in the kernels' own order.
class PackedNarrow {
  public:
    PackedNarrow(const std::string& layer, const std::string& storage, nb::handle W, nb::handle U,
                 nb::handle b, nb::handle scales, nb::handle x_range, double h_range) {
        static constexpr const char* kStorages[] = {"int8", "bfloat16"};
        const char* function = "pack_narrow";
        layer_ = static_cast<Layer>(read_name(function, "layer", layer, kLayers));
        storage_ = kStorages[read_name(function, "storage", storage, kStorages)];
        const int gates = kGates[static_cast<int>(layer_)];
        Axes axes(function);
        FloatType type = {4, "a layer of fewer bits"};
        const std::string of_h = pattern_of('H', gates), of_x = pattern_of('F', gates);
        const Array u = read_floats(axes, type, "U", U, of_h.c_str()),
                    w = read_floats(axes, type, "W", W, of_x.c_str());
        F = *axes.find('F');
        H = *axes.find('H');
        if (F == 0 || H == 0) throw nb::value_error("pack_narrow: W and U must have no axis of length 0");
        const bool is_int8 = storage_ == kStorages[0];
        if (is_int8 && F + H > kMostDepth)
            throw nb::value_error(("pack_narrow: int8 weights may have at most " + std::to_string(kMostDepth) +
                                   " rows in all, or sums of 32 bits might not hold; W and U have " +
                                   std::to_string(F + H))
                                      .c_str());
        axes.set('Z', 2);
        const std::string of_b = layer_ == Layer::gru ? "Z3H" : of_h.substr(1);
        const Array bias = read_floats(axes, type, "b", b, of_b.c_str(), true);
        const Array of_sums = read_floats(axes, type, "scales", scales, of_b.c_str(), !is_int8),
                    ranges = read_floats(axes, type, "x_range", x_range, "F", !is_int8);
        check_ranges(ranges, h_range);
        kernels_ = &narrow_kernels();
        const NarrowKernelsOf& k = table();
        const NarrowKernelsOf::Packing& packing = packing_of(k, layer_);
        bytes = packing.size(F, H);
        memory_.reset(allocate(bytes));
        const NarrowWeights weights = {w.view2<const float>(), u.view2<const float>(),
                                       rows_of(bias),          rows_of(of_sums),
                                       F,                      H,
                                       ranges.as<const float>(), static_cast<float>(h_range)};
        packing.pack(weights, memory_.get());
    }

    const NarrowKernelsOf& table() const { return storage_[0] == 'i' ? kernels_->int8 : kernels_->bfloat16; }
    const float* memory() const { return static_cast<const float*>(memory_.get()); }
    Layer layer() const { return layer_; }
    const char* layer_name() const { return kLayers[static_cast<int>(layer_)]; }
    const char* storage() const { return storage_; }
    const char* made_for() const { return kernels_->name; }

    Index F = 0, H = 0, bytes = 0;

  private:
    // A bias, of one row or of two.
    static View2<const float> rows_of(const Array& b) {
        return {b.as<const float>(), b.rank == 2 ? b.strides[0] : 0};
    }
    void check_ranges(const Array& x_range, double h_range) const {
        const auto good = [](double v) { return v >= 0 && v <= 3.4028234663852886e38; };
        bool all = good(h_range);
        for (Index f = 0; x_range && f < F; ++f) all &= good(x_range.as<const float>()[f]);
        if (!all)
            throw nb::value_error("pack_narrow: x_range and h_range must be finite numbers from 0 on");
    }

    Layer layer_;
    const char* storage_;
    const NarrowKernels* kernels_;
    OwnedMemory memory_;
};

struct Prediction {
    Array h, h_last, c_last;
};

// What all layers are told.
template <class In>
In common(const RecurrentArguments& read, const PackedNarrow& weights, Activation a, const Prediction& to) {
    In in = {};
    read.fill<float>(in);
    in.packed = weights.memory();
    in.activation = a;
    in.h = view3<float>(to.h);
    in.h_last = to.h_last.view2<float>();
    return in;
}

bool run(const RecurrentArguments& read, const Array& c0, const PackedNarrow& weights, Activation a,
         Activation s, const Prediction& to) {
    const NarrowKernelsOf& k = weights.table();
    if (weights.layer() == Layer::simple_rnn)
        return k.simple_rnn_forward(common<SimpleRnnForward<float>>(read, weights, a, to));
    if (weights.layer() == Layer::gru) {
        auto in = common<GruForward<float>>(read, weights, a, to);
        in.reset_after = true;
        in.recurrent_activation = s;
        return k.gru_forward(in);
    }
    auto in = common<LstmForward<float>>(read, weights, a, to);
    in.recurrent_activation = s;
    in.c0 = view2<const float>(c0);
    in.c_last = to.c_last.view2<float>();
    return k.lstm_forward(in);
}

nb::tuple narrow_predict(nb::handle x_, nb::handle h0_, nb::handle c0_, const PackedNarrow& weights,
                         nb::handle mask_, nb::handle activation_, nb::handle recurrent_, bool sequences) {
    Axes axes("narrow_predict");
    FloatType type = {4, "weights"};
    axes.set('F', weights.F);
    axes.set('H', weights.H);
    const int gates = kGates[static_cast<int>(weights.layer())];
    const RecurrentArguments read =
        read_arguments(axes, type, gates, x_, h0_, {}, {}, mask_, nb::none(), nb::none());
    const Array c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const RecurrentSizes& sizes = read.sizes;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);
    Prediction made;
    made.h_last = make_array(type, sizes.N, sizes.H);
    if (weights.layer() == Layer::lstm) made.c_last = make_array(type, sizes.N, sizes.H);
    if (sequences) made.h = make_array(type, sizes.N, sizes.T, sizes.H);
    bool finite = true;
    call_kernel(recurrent_flops(sizes, gates), [&] { finite = run(read, c0, weights, a, s, made); });
    if (!finite)
        throw nb::value_error(
            "narrow_predict: x holds numbers that are not finite, which 8 bits cannot say; clean the data, or "
            "mask these steps");
    return nb::make_tuple(result(made.h), made.h_last.keeper, result(made.c_last));
}

}  // namespace

void define_narrow(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<PackedNarrow>(m, "PackedNarrow",
                             "Weights of int8 or bfloat16 in the kernels' own order, for any number of "
                             "narrow_predict calls.")
        .def_prop_ro("layer", &PackedNarrow::layer_name, "\"lstm\", \"gru\" or \"simple_rnn\".")
        .def_prop_ro("storage", &PackedNarrow::storage, "\"int8\" or \"bfloat16\".")
        .def_prop_ro("made_for", &PackedNarrow::made_for, "The instruction set they are packed for.")
        .def_prop_ro(
            "features", [](const PackedNarrow& w) { return w.F; }, "F, the number of input features.")
        .def_prop_ro(
            "units", [](const PackedNarrow& w) { return w.H; }, "H, the number of units.")
        .def_prop_ro("bytes", [](const PackedNarrow& w) { return w.bytes; }, "The memory they take.");
    m.def(
        "pack_narrow",
        [](const std::string& layer, const std::string& storage, nb::handle W, nb::handle U, nb::handle b,
           nb::handle scales, nb::handle x_range, double h_range) {
            return new PackedNarrow(layer, storage, W, U, b, scales, x_range, h_range);
        },
        "layer"_a, "storage"_a, any("W"), any("U"), none_or("b"), none_or("scales"), none_or("x_range"),
        "h_range"_a = 1.0,
        nb::rv_policy::take_ownership,
        nb::sig("def pack_narrow(layer: str, storage: str, W: numpy.ndarray, U: numpy.ndarray, "
                "b: numpy.ndarray | None = None, scales: numpy.ndarray | None = None, "
                "x_range: numpy.ndarray | None = None, h_range: float = 1.0) -> PackedNarrow"));
    m.def("narrow_predict", &narrow_predict, any("x"), any("h0"), any("c0"), "weights"_a, none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          "sequences"_a = false,
          nb::sig("def narrow_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, "
                  "weights: PackedNarrow, mask: numpy.ndarray | None = None, activation: str = 'tanh', "
                  "recurrent_activation: str = 'sigmoid', sequences: bool = False) -> "
                  "tuple[numpy.ndarray | None, numpy.ndarray, numpy.ndarray | None]"));
    m.def("use_vnni", &use_vnni, "wanted"_a,
          "Whether int8 layers packed from now on use the machine's instruction for them, where there is "
          "one; for "
          "tests and measurements.");
}

}  // namespace gatewise
