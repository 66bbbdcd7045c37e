// A chain of built-in layers in prediction, as one object: a call is looked at once and runs all kernels.
//
// The idea: for small models the time between kernels is most of the time. Whatever is not an ordinary case
// (an array that is not as the kernels read it, a mask, a trace, a structure that has changed) is answered
// with None, and the caller goes the general way, which computes the same numbers or says what is wrong.
//
// Two threads may call one object: a call keeps the weights it began with, and all else is its own.
#pragma once

#include <memory>
#include <vector>

#include "memory.h"
#include "pipeline.h"

namespace gatewise {

// Attributes of Python objects that say whether anything out of the ordinary holds on this thread.
class Circumstances {
  public:
    // (running, traced, masks, watches, last_tick, structure_clock): see gatewise.chains.
    explicit Circumstances(nb::tuple given)
        : running_(read_tuple("chain", "circumstances", given, 6)[0]),
          traced_(given[1]),
          masks_(given[2]),
          watches_(given[3]),
          last_tick_(given[4]),
          structure_(given[5]) {
        const auto name = [](const char* text) { return nb::steal(PyUnicode_InternFromString(text)); };
        training_name_ = name("training");
        values_name_ = name("values");
        entries_name_ = name("entries");
        stamp_name_ = name("stamp");
        structure_stamp_ = number_in(structure_, stamp_name_);
    }

    // Nothing is differentiated, no array has a mask, no layer is told to train and nobody looks on.
    bool ordinary() const {
        if (nb::object found = get(running_, training_name_); !is_false(found)) return false;
        if (nb::object found = get(traced_, values_name_); !found.is_none()) return false;
        return is_empty(watches_) && is_empty(get(masks_, entries_name_));
    }
    long long last_tick() const { return number_in(last_tick_, stamp_name_); }
    bool same_structure() const { return number_in(structure_, stamp_name_) == structure_stamp_; }

  private:
    static nb::object get(const nb::object& from, const nb::object& name) {
        nb::object found = nb::steal(PyObject_GetAttr(from.ptr(), name.ptr()));
        if (!found.is_valid()) nb::raise_python_error();
        return found;
    }
    static bool is_empty(const nb::object& value) {
        const Py_ssize_t size = PyObject_Size(value.ptr());
        if (size < 0) nb::raise_python_error();
        return size == 0;
    }
    static bool is_false(const nb::object& value) { return value.is_none() || value.ptr() == Py_False; }

    nb::object running_, traced_, masks_, watches_, last_tick_, structure_;
    nb::object training_name_, values_name_, entries_name_, stamp_name_;
    long long structure_stamp_;
};

using AllWeights = std::vector<StageWeights>;

class Chain {
  public:
    Chain(int item, int rank, Index features, nb::list stages, nb::list variables, nb::object weights,
          nb::tuple circumstances)
        : type_{item, "the chain"},
          rank_(rank),
          features_(features),
          circumstances_(std::move(circumstances)),
          watched_(std::move(variables)),
          weights_(std::move(weights)) {
        if (features < 1 || stages.size() == 0)
            throw nb::value_error("chain: there must be at least one feature and one layer");
        if (item != 4 && item != 8) throw nb::value_error("chain: an item has 4 or 8 bytes");
        if (rank != 2 && rank != 3) throw nb::value_error("chain: inputs have 2 or 3 axes");
        out_rank_ = rank;
        Index width = features;
        for (nb::handle stage : stages) {
            stages_.push_back(read_stage(stage, width));
            const Stage& last = stages_.back();
            if (is_recurrent(last.kind) && out_rank_ != 3)
                throw nb::value_error("chain: a recurrent layer needs time steps");
            if (is_recurrent(last.kind) && !last.every_step) out_rank_ = 2;
            if (stages_.size() > 1) width_between_ += width;
            width = last.width;
            flops_ += last.flops();
        }
    }

    // The output for x, or None where the general way is to be gone.
    nb::object predict(nb::handle x_) {
        if (!fresh()) return nb::none();
        const std::shared_ptr<const AllWeights> weights = loaded_;
        const Array x = read_input(x_);
        if (!x) return nb::none();
        const Extent extent = extent_of(x);
        if (double(extent.N) * extent.T * type_.item * width_between_ > kMostBytesOfAChain) return nb::none();
        const Array y = make_output(extent);
        dispatch(type_, [&](auto* p) {
            using T = GATEWISE_ELEMENT(p);
            call_kernel(flops_ * extent.N * extent.T,
                        [&] { run_stages<T>(*weights, extent, input_view<T>(x), y.as<T>()); });
        });
        return y.keeper;
    }

    // What a training step asks of its chain.
    bool is_same() const { return circumstances_.same_structure(); }
    bool fits_training() const { return is_same() && circumstances_.ordinary(); }
    Array read_input(nb::handle x_) const {
        if (!is_numpy_array(x_)) return {};
        Array x = read_in_place(x_);
        if (!x || x.kind != 'f' || x.item != type_.item || x.rank != rank_) return {};
        for (int k = 0; k < rank_; ++k)
            if (x.shape[k] < 1) return {};
        if (x.shape[rank_ - 1] != features_ || (features_ > 1 && x.strides[rank_ - 1] != 1)) return {};
        // A dense layer reads rows that lie evenly.
        const bool even = rank_ == 2 || x.shape[1] == 1 || x.strides[0] == x.shape[1] * x.strides[1];
        return even || is_recurrent(stages_[0].kind) ? x : Array{};
    }
    Extent extent_of(const Array& x) const { return {x.shape[0], rank_ == 3 ? x.shape[1] : 1}; }
    template <class T>
    View3<const T> input_view(const Array& x) const {
        return {x.as<const T>(), x.strides[0], rank_ == 3 ? x.strides[1] : x.strides[0]};
    }
    Array make_output(Extent extent) const {
        const Index width = stages_.back().width;
        return out_rank_ == 3 ? make_array(type_, extent.N, extent.T, width)
                              : make_array(type_, extent.N, width);
    }
    const std::vector<Stage>& stages() const { return stages_; }
    FloatType type() const { return type_; }
    int out_rank() const { return out_rank_; }
    double flops() const { return flops_; }

  private:
    // (kind, units, activation, softmax) of dense and activation stages;
    // (kind, units, activation, recurrent_activation, every_step, backwards, reset_after) of recurrent ones.
    static Stage read_stage(nb::handle given_, Index width) {
        const nb::tuple given = read_tuple("chain", "stage", given_, 4);
        Stage stage;
        stage.kind = read_kind("chain", nb::cast<std::string>(given[0]));
        if (stage.kind == Kind::masking) throw nb::value_error("chain: a masking layer is no stage here");
        stage.width_in = width;
        stage.width = stage.kind == Kind::activation ? width : nb::cast<Index>(given[1]);
        if (stage.width < 1) throw nb::value_error("chain: a layer must have at least one unit");
        stage.activation = read_activation("chain", "activation", given[2]);
        if (!is_recurrent(stage.kind)) {
            stage.softmax = nb::cast<bool>(given[3]);
            return stage;
        }
        read_tuple("chain", "stage", given, 7);
        stage.recurrent_activation = read_activation("chain", "recurrent_activation", given[3]);
        stage.every_step = nb::cast<bool>(given[4]);
        stage.backwards = nb::cast<bool>(given[5]);
        stage.reset_after = nb::cast<bool>(given[6]);
        return stage;
    }

    // Whether the chain still says what the model computes, with weights as they are now.
    bool fresh() {
        if (!circumstances_.ordinary()) return false;
        const long long tick = circumstances_.last_tick();
        if (tick == seen_tick_ && loaded_) return true;
        if (!circumstances_.same_structure()) return false;
        if (watched_.changed() || !loaded_) {
            loaded_ = nullptr;
            const nb::list found = nb::cast<nb::list>(weights_());
            if (found.size() != stages_.size())
                throw nb::value_error("chain: there must be weights for each stage");
            auto read = std::make_shared<AllWeights>();
            for (std::size_t k = 0; k < stages_.size(); ++k)
                read->push_back(read_weights("chain", stages_[k], type_.item, found[k]));
            loaded_ = read;
        }
        seen_tick_ = tick;
        return true;
    }

    template <class T>
    void run_stages(const AllWeights& weights, Extent extent, View3<const T> x, T* y) const {
        Workspace workspace;
        for (std::size_t k = 0; k < stages_.size(); ++k) {
            const Stage& s = stages_[k];
            const std::size_t last = last_of_pipeline(k);
            const Pipeline plan = last > k ? plan_pipeline(works(k, last, extent)) : Pipeline{};
            if (plan.members > 1) {
                run_together(plan, weights, k, last, extent, x, y, workspace);
                k = last;
                continue;
            }
            const Index rows = extent.N * extent.T;
            const Index out_rows = is_recurrent(s.kind) && !s.every_step ? extent.N : rows;
            T* out =
                k + 1 == stages_.size() ? y : static_cast<T*>(workspace.take(sizeof(T) * out_rows * s.width));
            if (s.kind == Kind::dense) run_dense(s, weights[k], rows, x.data, row_of(extent, x), out);
            else if (s.kind == Kind::activation) run_activation(s, rows, x.data, row_of(extent, x), out);
            else run_whole(s, weights[k], extent, x, out, workspace);
            if (is_recurrent(s.kind) && !s.every_step) extent.T = 1;
            x = {out, extent.T * s.width, s.width};
        }
    }

    // The last of the recurrent stages from k on of which each can take a step once the one before has: one
    // that goes backwards begins with the last step.
    std::size_t last_of_pipeline(std::size_t k) const {
        if (!is_recurrent(stages_[k].kind)) return k;
        while (k + 1 < stages_.size() && stages_[k].every_step && is_recurrent(stages_[k + 1].kind) &&
               !stages_[k + 1].backwards)
            ++k;
        return k;
    }

    std::vector<RecurrentWork> works(std::size_t first, std::size_t last, Extent extent) const {
        std::vector<RecurrentWork> found;
        for (std::size_t k = first; k <= last; ++k) {
            const Stage& s = stages_[k];
            const double numbers = double(facts(s.kind).gates) * s.width * (s.width_in + s.width);
            found.push_back({s.flops() * extent.N * extent.T, extent.N, extent.T, type_.item * numbers});
        }
        return found;
    }

    // Stages [first, last] as a pipeline; x and extent become those of what follows.
    template <class T>
    void run_together(const Pipeline& plan, const AllWeights& weights, std::size_t first, std::size_t last,
                      Extent& extent, View3<const T>& x, T* y, Workspace& workspace) const {
        std::vector<PipelineStage<T>> stages;
        for (std::size_t k = first; k <= last; ++k) {
            const Stage& s = stages_[k];
            const Index rows = s.every_step ? extent.N * extent.T : extent.N;
            T* out =
                k + 1 == stages_.size() ? y : static_cast<T*>(workspace.take(sizeof(T) * rows * s.width));
            stages.push_back(prepared(s, weights[k], extent, x, out, workspace));
            x = {out, (s.every_step ? extent.T : 1) * s.width, s.width};
        }
        run_pipeline(plan, stages, extent);
        if (!stages_[last].every_step) extent.T = 1;
    }

    // A recurrent layer over whole sequences, from states of zero.
    template <class T>
    static PipelineStage<T> prepared(const Stage& s, const StageWeights& weights, Extent extent,
                                     View3<const T> x, T* y, Workspace& workspace) {
        const auto state = [&] {
            return View2<T>{static_cast<T*>(workspace.take(sizeof(T) * extent.N * s.width)), s.width};
        };
        PipelineStage<T> made = {&s, &weights.cell, x, {}, {}, {}};
        if (s.backwards) {
            made.x.data += (extent.T - 1) * x.inner;
            made.x.inner = -x.inner;
        }
        if (s.every_step) made.h = {y, extent.T * s.width, s.width};
        made.h_last = s.every_step ? state() : View2<T>{y, s.width};
        if (s.kind == Kind::lstm) made.c_last = state();
        return made;
    }
    template <class T>
    static void run_whole(const Stage& s, const StageWeights& weights, Extent extent, View3<const T> x, T* y,
                          Workspace& workspace) {
        run_part(prepared(s, weights, extent, x, y, workspace), extent.N, 0, extent.T);
    }

    const FloatType type_;
    const int rank_;
    const Index features_;
    int out_rank_ = 0;
    std::vector<Stage> stages_;
    Circumstances circumstances_;
    Watched watched_;
    nb::object weights_;
    std::shared_ptr<const AllWeights> loaded_;
    long long seen_tick_ = -1;
    double flops_ = 0, width_between_ = 0;
};

}  // namespace gatewise
