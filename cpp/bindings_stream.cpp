// Chains of layers for Python, one time step at a time.
//
// The idea: a step of a small model takes less time than Python needs to pass from one layer to the next, so
// a whole chain is one object and a step is one call. The states are arrays that Python owns too and may
// change between calls; weights are asked for again when a variable's stamp has changed. Every layer runs the
// kernel that prediction runs on whole sequences, so a step's numbers are those.
#include <string>
#include <vector>

#include "memory.h"
#include "stages.h"

namespace gatewise {
namespace {

// A layer of the stream: the states (N, H) are read at the beginning of a call and overwritten at the end.
struct StreamStage : Stage {
    std::vector<Array> states;
    StageWeights weights;

    template <class T>
    States<T> kept() const {
        States<T> found;
        found.h_last = states[0].view2<T>();
        found.h0 = {found.h_last.data, found.h_last.stride};
        if (states.size() > 1) found.c_last = states[1].view2<T>();
        found.c0 = {found.c_last.data, found.c_last.stride};
        return found;
    }
};

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
          watched_(std::move(variables)) {
        if (batch < 1 || features < 1 || stages.size() == 0)
            throw nb::value_error("stream: there must be at least one row, one feature and one layer");
        if (item != 4 && item != 8) throw nb::value_error("stream: an item has 4 or 8 bytes");
        Index width = features;
        for (nb::handle stage : stages) {
            stages_.push_back(read_stage(stage, width));
            width = stages_.back().width;
            widest_ = width > widest_ ? width : widest_;
            flops_ += batch * stages_.back().flops();
        }
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

    // ("masking", value), ("dense", units, activation) or (a recurrent layer's kind, units, activation,
    // recurrent_activation, states, zero_masked).
    StreamStage read_stage(nb::handle given_, Index width) const {
        const nb::tuple given = read_tuple("stream", "stage", given_, 2);
        StreamStage stage;
        stage.kind = read_kind("stream", nb::cast<std::string>(given[0]));
        stage.width_in = stage.width = width;
        if (stage.kind == Kind::activation) throw nb::value_error("stream: an activation is no stage here");
        if (stage.kind == Kind::masking) {
            stage.mask_value = nb::cast<double>(given[1]);
            return stage;
        }
        stage.width = nb::cast<Index>(given[1]);
        if (stage.width < 1) throw nb::value_error("stream: a layer must have at least one unit");
        read_tuple("stream", "stage", given, stage.kind == Kind::dense ? 3 : 6);
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

    bool is_step(const Array& x) const {
        if (x.kind != 'f' || x.item != type_.item) return false;
        if (x.rank < 1 || x.shape[x.rank - 1] != features_) return false;
        if (features_ != 1 && x.strides[x.rank - 1] != 1) return false;
        if (x.rank == 1) return batch_ == 1;
        return x.shape[0] == batch_ && (x.rank == 2 || (x.rank == 3 && x.shape[1] == 1));
    }

    // Asks for the weights again if one was written to since.
    void load_weights() {
        const bool changed = watched_.changed();
        if (!changed && loaded_) return;
        loaded_ = false;
        const nb::list found = nb::cast<nb::list>(weights_());
        if (found.size() != stages_.size())
            throw nb::value_error("stream: there must be weights for each stage");
        for (std::size_t k = 0; k < stages_.size(); ++k)
            stages_[k].weights = read_weights("stream", stages_[k], type_.item, found[k]);
        loaded_ = true;
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
            const StreamStage& stage = stages_[k];
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
                run_recurrent<T>(stage, stage.weights.cell, extent, x, mask, stage.kept<T>(), into);
                if (stage.zero_masked && mask.data) zero_masked<T>(extent, stage.width, mask, out);
            } else if (stage.kind == Kind::dense) {
                run_dense<T>(stage, stage.weights, rows, x.data, row, out);
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
    std::vector<StreamStage> stages_;
    nb::object weights_, prepare_, prepare_mask_;
    Watched watched_;
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
