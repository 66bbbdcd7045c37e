// Chains of layers for Python, one time step at a time.
//
// The idea: a step of a small model takes less time than Python needs to pass from one layer to the next, so
// a whole chain is one object and a step is one call. The states are arrays that Python owns too and may
// change between calls; weights are asked for again when a variable's stamp has changed. Every layer runs the
// kernel that prediction runs on whole sequences, so a step's numbers are those.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "bindings.h"
#include "memory.h"

namespace gatewise {
namespace {

enum class Kind { lstm, gru, simple_rnn, dense, masking };

// What the kinds are called, and how many states and gates they have.
struct KindFacts {
    const char* name;
    std::size_t states;
    int gates;
};
constexpr KindFacts kFacts[] = {
    {"lstm", 2, 4}, {"gru", 1, 3}, {"simple_rnn", 1, 1}, {"dense", 0, 0}, {"masking", 0, 0}};
const KindFacts& facts(Kind kind) { return kFacts[static_cast<int>(kind)]; }
bool is_recurrent(Kind kind) { return facts(kind).states > 0; }

// One layer of the chain, of `width_in` numbers to `width` numbers at each step.
struct Stage {
    Kind kind;
    Index width_in = 0, width = 0;
    Activation activation = Activation::linear, recurrent_activation = Activation::linear;
    double mask_value = 0;
    bool zero_masked = false;   // masked steps put out zeros
    std::vector<Array> states;  // (N, H) each
    PackedCell cell;            // recurrent layers
    Array W, b;                 // dense layers
    nb::object keeper;          // what owns the weights
};

// The steps of a chunk: (N, T).
struct Extent {
    Index N, T;
};

// What all recurrent layers are given; the states are read at the beginning and overwritten at the end.
template <class T, class In>
In recurrent_call(const Stage& s, Extent extent, View3<const T> x, View3<const std::uint8_t> mask,
                  View3<T> h) {
    const View2<T> state = s.states[0].view2<T>();
    In in = {};
    in.sizes = {extent.N, extent.T, s.cell.F, s.cell.H};
    in.x = x;
    in.h0 = {state.data, state.stride};
    in.mask = mask;
    in.packed = static_cast<const T*>(s.cell.memory);
    in.activation = s.activation;
    in.h = h;
    in.h_last = state;
    return in;
}

template <class T>
void run_recurrent(const Stage& s, Extent extent, View3<const T> x, View3<const std::uint8_t> mask,
                   View3<T> h) {
    const KernelsOf<T>& k = of<T>(*s.cell.made_for);
    if (s.kind == Kind::simple_rnn)
        return k.simple_rnn_forward(recurrent_call<T, SimpleRnnForward<T>>(s, extent, x, mask, h));
    if (s.kind == Kind::gru) {
        auto in = recurrent_call<T, GruForward<T>>(s, extent, x, mask, h);
        in.reset_after = s.cell.reset_after;
        in.recurrent_activation = s.recurrent_activation;
        return k.gru_forward(in);
    }
    auto in = recurrent_call<T, LstmForward<T>>(s, extent, x, mask, h);
    in.recurrent_activation = s.recurrent_activation;
    in.c_last = s.states[1].view2<T>();
    in.c0 = {in.c_last.data, in.c_last.stride};
    k.lstm_forward(in);
}

// x and y hold one row for each step of each sequence, `row` elements apart in x.
template <class T>
void run_dense(const Stage& s, Index rows, const T* x, Index row, T* y) {
    const KernelsOf<T>& k = of<T>(kernels());
    k.matmul({rows, s.width, s.width_in, x, row, 1, s.W.as<const T>(), s.W.strides[0], s.W.strides[1], y,
              s.width, 1, s.b ? s.b.as<const T>() : nullptr, false});
    if (s.activation != Activation::linear) k.activation_forward(s.activation, y, y, rows * s.width);
}

// Zeros in place of the rows of y that do not count.
template <class T>
void zero_masked(Extent extent, Index width, View3<const std::uint8_t> mask, T* y) {
    for (Index n = 0; n < extent.N; ++n)
        for (Index t = 0; t < extent.T; ++t, y += width)
            if (!mask.data[n * mask.outer + t * mask.inner]) std::fill(y, y + width, T(0));
}

// Rows that are all `value` do not count and become zeros.
template <class T>
void run_masking(const Stage& s, Index rows, const T* x, Index row, T* y, std::uint8_t* mask) {
    const T value = static_cast<T>(s.mask_value);
    for (Index r = 0; r < rows; ++r, x += row, y += s.width) {
        bool counts = false;
        for (Index k = 0; k < s.width; ++k) counts |= value == value ? x[k] != value : x[k] == x[k];
        for (Index k = 0; k < s.width; ++k) y[k] = counts ? x[k] : T(0);
        mask[r] = counts;
    }
}

double flops_of(const Stage& s) {
    if (is_recurrent(s.kind)) return 2.0 * facts(s.kind).gates * s.width * (s.width_in + s.width + 16);
    return 2.0 * s.width * s.width_in;
}

class StreamSteps {
  public:
    StreamSteps(Index batch, Index features, int item, nb::list stages, nb::list variables,
                nb::object weights, nb::object prepare, nb::object prepare_mask)
        : batch_(batch),
          features_(features),
          type_{item, "the stream"},
          weights_(std::move(weights)),
          prepare_(std::move(prepare)),
          prepare_mask_(std::move(prepare_mask)),
          clock_name_(nb::steal(PyUnicode_InternFromString("_clock"))),
          stamp_name_(nb::steal(PyUnicode_InternFromString("stamp"))) {
        if (batch < 1 || features < 1 || stages.size() == 0)
            throw nb::value_error("stream: there must be at least one row, one feature and one layer");
        if (item != 4 && item != 8) throw nb::value_error("stream: an item has 4 or 8 bytes");
        Index width = features;
        for (nb::handle stage : stages) {
            stages_.push_back(read_stage(nb::cast<nb::tuple>(stage), width));
            width = stages_.back().width;
            widest_ = width > widest_ ? width : widest_;
            flops_ += batch * flops_of(stages_.back());
        }
        for (nb::handle variable : variables) variables_.push_back({nb::borrow(variable), -1});
    }

    // The chain's output (N, U) after one more step x: (N, F), (N, 1, F), or (F,) where N is 1.
    nb::object step(nb::handle x_, nb::handle mask_) {
        const InUse in_use(busy_);
        load_weights();
        Array x;
        if (is_numpy_array(x_)) x = read_in_place(x_);
        if (!is_step(x)) x = read_array("step", "x", prepare_(x_));
        if (!is_step(x)) throw nb::value_error("step: x does not have the stream's shape and type");
        Axes axes("step");
        axes.set('N', batch_);
        axes.set('T', 1);
        const Array mask = read_mask(axes, mask_.is_none() ? nb::object(nb::none()) : prepare_mask_(mask_));
        const Array y = make_array(type_, batch_, stages_.back().width);
        const Index row = x.rank > 1 ? x.strides[0] : 0;
        advance({batch_, 1}, x, row, row, mask, y);
        return y.keeper;
    }

    // The outputs (N, T, U) of the steps x (N, T, F), contiguous, under a mask (N, T) or None.
    nb::object run(nb::handle x_, nb::handle mask_) {
        const InUse in_use(busy_);
        load_weights();
        Axes axes("run");
        axes.set('N', batch_);
        axes.set('F', features_);
        FloatType type = type_;
        const Array x = read_floats(axes, type, "x", x_, "NTF");
        if (!x.contiguous) throw nb::value_error("run: x is not contiguous");
        const Array mask = read_mask(axes, mask_);
        const Index steps = x.shape[1];
        const Array y = make_array(type_, batch_, steps, stages_.back().width);
        advance({batch_, steps}, x, steps * features_, features_, mask, y);
        return y.keeper;
    }

  private:
    // Marks the stream as in use: kernels and callbacks let other threads run, and states and weights must
    // stay.
    class InUse {
      public:
        explicit InUse(bool& busy) : busy_(busy) {
            if (busy)
                nb::raise(
                    "This stream is in use on another thread; give each thread a stream.fork() of its own.");
            busy = true;
        }
        ~InUse() { busy_ = false; }
        InUse(const InUse&) = delete;
        InUse& operator=(const InUse&) = delete;

      private:
        bool& busy_;
    };

    struct Watched {
        nb::object variable;
        long long stamp;
    };

    // ("masking", value), ("dense", units, activation) or (a recurrent layer's kind, units, activation,
    // recurrent_activation, states, zero_masked).
    Stage read_stage(nb::tuple given, Index width) const {
        Stage stage;
        stage.kind = read_kind(nb::cast<std::string>(given[0]));
        stage.width_in = stage.width = width;
        if (stage.kind == Kind::masking) {
            stage.mask_value = nb::cast<double>(given[1]);
            return stage;
        }
        stage.width = nb::cast<Index>(given[1]);
        if (stage.width < 1) throw nb::value_error("stream: a layer must have at least one unit");
        stage.activation = read_activation("stream", "activation", given[2]);
        if (stage.kind == Kind::dense) return stage;
        stage.recurrent_activation = read_activation("stream", "recurrent_activation", given[3]);
        stage.zero_masked = nb::cast<bool>(given[5]);
        for (nb::handle state : nb::cast<nb::list>(given[4])) {
            const Array array = read_array("stream", "state", state);
            const bool fits = array.kind == 'f' && array.item == type_.item && array.rank == 2 &&
                              array.contiguous && array.writeable && array.shape[0] == batch_ &&
                              array.shape[1] == stage.width;
            if (!fits) throw nb::value_error("stream: a state does not have the stream's shape and type");
            stage.states.push_back(array);
        }
        if (stage.states.size() != facts(stage.kind).states)
            throw nb::value_error("stream: a layer has another number of states");
        return stage;
    }

    static Kind read_kind(const std::string& name) {
        for (std::size_t k = 0; k < std::size(kFacts); ++k)
            if (name == kFacts[k].name) return static_cast<Kind>(k);
        throw nb::value_error(("stream: there is no stage '" + name + "'").c_str());
    }

    bool is_step(const Array& x) const {
        if (x.kind != 'f' || x.item != type_.item) return false;
        if (x.rank < 1 || x.shape[x.rank - 1] != features_) return false;
        if (features_ != 1 && x.strides[x.rank - 1] != 1) return false;
        if (x.rank == 1) return batch_ == 1;
        return x.shape[0] == batch_ && (x.rank == 2 || (x.rank == 3 && x.shape[1] == 1));
    }

    // Asks for the weights again if one was written to since.
    void load_weights() {
        bool changed = false;
        for (Watched& watched : variables_) {
            const nb::object clock = nb::steal(PyObject_GetAttr(watched.variable.ptr(), clock_name_.ptr()));
            if (!clock.is_valid()) nb::raise_python_error();
            const nb::object stamp = nb::steal(PyObject_GetAttr(clock.ptr(), stamp_name_.ptr()));
            if (!stamp.is_valid()) nb::raise_python_error();
            const long long now = PyLong_AsLongLong(stamp.ptr());
            changed |= now != watched.stamp;
            watched.stamp = now;
        }
        if (!changed && loaded_) return;
        loaded_ = false;
        const nb::list found = nb::cast<nb::list>(weights_());
        if (found.size() != stages_.size())
            throw nb::value_error("stream: there must be weights for each stage");
        for (std::size_t k = 0; k < stages_.size(); ++k) load(stages_[k], found[k]);
        loaded_ = true;
    }

    void load(Stage& stage, nb::handle given) const {
        if (stage.kind == Kind::masking) return;
        bool fits = true;
        if (stage.kind == Kind::dense) {
            const nb::tuple pair = nb::cast<nb::tuple>(given);
            stage.W = read_array("stream", "W", pair[0]);
            stage.b = pair[1].is_none() ? Array{} : read_array("stream", "b", pair[1]);
            const Array &W = stage.W, &b = stage.b;
            fits = W.kind == 'f' && W.item == type_.item && W.rank == 2 && W.shape[0] == stage.width_in &&
                   W.shape[1] == stage.width;
            if (b) fits &= b.kind == 'f' && b.item == type_.item && b.contiguous && b.size() == stage.width;
        } else {
            stage.cell = stage.kind == Kind::lstm  ? packed_lstm(given)
                         : stage.kind == Kind::gru ? packed_gru(given)
                                                   : packed_simple_rnn(given);
            fits = stage.cell.item == type_.item && stage.cell.F == stage.width_in &&
                   stage.cell.H == stage.width;
        }
        if (!fits) throw nb::value_error("stream: weights do not have the stage's shape and type");
        stage.keeper = nb::borrow(given);
    }

    void advance(Extent extent, const Array& x, Index outer, Index inner, const Array& mask, const Array& y) {
        dispatch(type_, [&](auto* p) {
            using T = GATEWISE_ELEMENT(p);
            View3<const std::uint8_t> steps;
            if (mask) steps = {mask.as<const std::uint8_t>(), mask.strides[0], mask.strides[1]};
            call_kernel(flops_ * extent.T,
                        [&] { run_stages<T>(extent, {x.as<const T>(), outer, inner}, steps, y.as<T>()); });
        });
    }

    template <class T>
    void run_stages(Extent extent, View3<const T> x, View3<const std::uint8_t> mask, T* y) const {
        const Index rows = extent.N * extent.T;
        Workspace workspace;
        T* buffers[2] = {nullptr, nullptr};
        for (std::size_t k = 0; k < stages_.size(); ++k) {
            const Stage& stage = stages_[k];
            T* out = y;
            if (k + 1 < stages_.size()) {
                T*& buffer = buffers[k % 2];
                if (!buffer) buffer = static_cast<T*>(workspace.take(sizeof(T) * rows * widest_));
                out = buffer;
            }
            // Rows lie evenly: x of one step by its own stride, all else without gaps.
            const Index row = extent.T == 1 ? x.outer : x.inner;
            const View3<T> into = {out, extent.T * stage.width, stage.width};
            if (is_recurrent(stage.kind)) {
                run_recurrent<T>(stage, extent, x, mask, into);
                if (stage.zero_masked && mask.data) zero_masked<T>(extent, stage.width, mask, out);
            } else if (stage.kind == Kind::dense) {
                run_dense<T>(stage, rows, x.data, row, out);
            } else {
                auto* counts = static_cast<std::uint8_t*>(workspace.take(rows));
                run_masking<T>(stage, rows, x.data, row, out, counts);
                mask = {counts, extent.T, 1};
            }
            x = {into.data, into.outer, into.inner};
        }
    }

    const Index batch_, features_;
    const FloatType type_;
    std::vector<Stage> stages_;
    std::vector<Watched> variables_;
    nb::object weights_, prepare_, prepare_mask_, clock_name_, stamp_name_;
    Index widest_ = 1;
    double flops_ = 0;
    bool loaded_ = false, busy_ = false;
};

}  // namespace

void define_stream(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<StreamSteps>(
        m, "StreamSteps",
        "A chain of layers that runs one time step at a time: see gatewise.streaming.native.")
        .def(nb::init<Index, Index, int, nb::list, nb::list, nb::object, nb::object, nb::object>(), "batch"_a,
             "features"_a, "item"_a, "stages"_a, "variables"_a, "weights"_a, "prepare"_a, "prepare_mask"_a)
        .def("step", &StreamSteps::step, any("x"), none_or("mask"),
             nb::sig("def step(self, x: object, mask: object = None) -> numpy.ndarray"),
             "The output after one more time step; see gatewise.streaming.Stream.step.")
        .def("run", &StreamSteps::run, any("x"), none_or("mask"),
             nb::sig("def run(self, x: numpy.ndarray, mask: numpy.ndarray | None = None) -> numpy.ndarray"),
             "The outputs of the steps of x (N, T, F), contiguous.");
}

}  // namespace gatewise
