// A chain of built-in layers in training: one call computes a batch's loss and all gradients and counts the
// metrics.
//
// The idea: as in chain.h; the gradients go to where the optimizer reads them, and the running means are
// added to where the metrics keep them, so that nothing has to pass through Python.
#pragma once

#include <vector>

#include "chain.h"
#include "scores.h"
#include "tapes.h"

namespace gatewise {

// A running mean: a sum and a count, numbers in NumPy arrays that a metric owns.
struct RunningMean {
    Array total, count;

    RunningMean(nb::handle total_, nb::handle count_)
        : total(read_array("chain", "total", total_)), count(read_array("chain", "count", count_)) {
        for (const Array* a : {&total, &count})
            if (a->kind != 'f' || a->item != 8 || a->rank != 0 || !a->writeable)
                throw nb::value_error("chain: a running mean is two numbers of float64");
    }
    void add(double sum, double many) const {
        *total.as<double>() += sum;
        *count.as<double>() += many;
    }
    void reset() const { *total.as<double>() = *count.as<double>() = 0; }
    double result() const {
        const double many = *count.as<double>();
        return many != 0 ? *total.as<double>() / many : 0.0;
    }
};

class TrainingChain {
  public:
    // weights: for each stage None, or (W, U, b, dW, dU, db), None where there is none or it is not wanted.
    // held: (variable, its array) for all weights. loss: (name, option, epsilon, total, count); metrics:
    // such.
    TrainingChain(nb::object chain, nb::list weights, nb::list held, nb::tuple loss, nb::list metrics)
        : keeper_(chain), chain_(nb::cast<Chain&>(chain)), loss_(read_measure(loss)) {
        array_name_ = nb::steal(PyUnicode_InternFromString("array"));
        for (nb::handle pair : held) {
            const nb::tuple two = read_tuple("chain", "held", pair, 2);
            held_.push_back({nb::object(two[0]), nb::object(two[1])});
        }
        if (weights.size() != chain_.stages().size())
            throw nb::value_error("chain: there must be weights for each stage");
        bool trained = false;
        for (std::size_t k = 0; k < weights.size(); ++k) {
            StageParameters p = read_parameters(chain_.stages()[k], weights[k]);
            p.wants_dx = trained;
            if (p.trained && !trained) first_ = k;
            trained |= p.trained;
            kept_ += numbers_kept(chain_.stages()[k]);
            parameters_.push_back(p);
        }
        if (!trained) throw nb::value_error("chain: there is nothing to train");
        for (nb::handle metric : metrics) metrics_.push_back(read_measure(metric));
    }

    // The loss of a batch, its gradients where the optimizer reads them, and all means kept; with
    // wants_output (loss, output). None where the general way is to be gone.
    nb::object step(nb::handle x_, nb::handle y_, bool wants_output) {
        if (!chain_.fits_training() || !holds_its_weights()) return nb::none();
        const Array x = chain_.read_input(x_);
        if (!x || !is_numpy_array(y_)) return nb::none();
        const Array y = read_in_place(y_);
        const Extent extent = chain_.extent_of(x);
        if (double(extent.N) * extent.T * chain_.type().item * kept_ > kMostBytesOfAChain) return nb::none();
        const int rank = chain_.out_rank();
        const Index width = chain_.stages().back().width, steps = rank == 3 ? extent.T : 1;
        const Index shape[] = {extent.N, rank == 3 ? steps : width, width};
        const Predictions p = {extent.N * steps, width, shape, rank};
        const int item = chain_.type().item;
        if (!targets_fit(loss_.kind, p, item, y)) return nb::none();
        for (const Measure& metric : metrics_)
            if (!targets_fit(metric.kind, p, item, y)) return nb::none();
        Array output;
        if (wants_output) output = chain_.make_output(extent);
        double loss = 0;
        bool fits = true;
        std::vector<double> sums(metrics_.size());
        dispatch(chain_.type(), [&](auto* t) {
            using T = GATEWISE_ELEMENT(t);
            call_kernel(3 * chain_.flops() * extent.N * extent.T,
                        [&] { fits = there_and_back<T>(extent, x, y, p, output, loss, sums); });
        });
        if (!fits) return nb::none();
        const double batch = double(extent.N);
        loss_.mean.add(loss * batch, batch);
        for (std::size_t k = 0; k < metrics_.size(); ++k)
            metrics_[k].mean.add(sums[k] / (count_of(metrics_[k].kind, p) / batch), batch);
        if (!wants_output) return nb::float_(loss);
        return nb::make_tuple(loss, output.keeper);
    }

    // Whether the model is still the one that this was made for.
    bool is_current() const { return chain_.is_same() && holds_its_weights(); }

    void reset() const {
        loss_.mean.reset();
        for (const Measure& metric : metrics_) metric.mean.reset();
    }

    // The running means: the loss, then each metric.
    nb::list results() const {
        nb::list found;
        found.append(loss_.mean.result());
        for (const Measure& metric : metrics_) found.append(metric.mean.result());
        return found;
    }

  private:
    struct Measure {
        ScoreKind kind;
        RunningMean mean;
    };
    struct Held {
        nb::object variable, array;
    };

    static Measure read_measure(nb::handle given_) {
        const nb::tuple given = read_tuple("chain", "measure", given_, 5);
        return {read_score("chain", nb::cast<std::string>(given[0]), nb::cast<double>(given[1]),
                           nb::cast<double>(given[2])),
                RunningMean(given[3], given[4])};
    }

    StageParameters read_parameters(const Stage& s, nb::handle given) const {
        StageParameters p;
        if (s.kind == Kind::activation) return p;
        const nb::tuple six = read_tuple("chain", "weights", given, 6);
        const Index columns = s.width * (is_recurrent(s.kind) ? facts(s.kind).gates : 1);
        const bool two_biases = s.kind == Kind::gru && s.reset_after;
        p.W = read_weight(six[0], s.width_in, columns);
        p.U = read_weight(six[1], s.width, columns);
        p.b = read_weight(six[2], two_biases ? 2 : 0, columns);
        p.dW = read_weight(six[3], s.width_in, columns, true);
        p.dU = read_weight(six[4], s.width, columns, true);
        p.db = read_weight(six[5], two_biases ? 2 : 0, columns, true);
        if (!p.W || (is_recurrent(s.kind) && !p.U)) throw nb::value_error("chain: a stage lacks its weights");
        p.trained = p.dW || p.dU || p.db;
        return p;
    }

    // A contiguous array (rows, columns), (columns,) where rows is 0; absent for None.
    Array read_weight(nb::handle given, Index rows, Index columns, bool writeable = false) const {
        if (given.is_none()) return {};
        const Array a = read_array("chain", "weight", given);
        const bool shaped = rows ? a.rank == 2 && a.shape[0] == rows && a.shape[1] == columns
                                 : a.rank == 1 && a.shape[0] == columns;
        if (!shaped || a.kind != 'f' || a.item != chain_.type().item || !a.contiguous ||
            (writeable && !a.writeable))
            throw nb::value_error("chain: a weight does not have the stage's shape and type");
        return a;
    }

    // Whether every variable still lives where it did.
    bool holds_its_weights() const {
        for (const Held& one : held_) {
            const nb::object now = nb::steal(PyObject_GetAttr(one.variable.ptr(), array_name_.ptr()));
            if (!now.is_valid()) nb::raise_python_error();
            if (now.ptr() != one.array.ptr()) return false;
        }
        return true;
    }

    template <class T>
    bool there_and_back(Extent extent, const Array& x, const Array& y, const Predictions& p,
                        const Array& output, double& loss, std::vector<double>& sums) const {
        Workspace workspace;
        const auto& stages = chain_.stages();
        std::vector<Tape<T>> tapes(stages.size());
        View3<const T> value = chain_.input_view<T>(x);
        for (std::size_t k = 0; k < stages.size(); ++k) {
            tapes[k] = {extent, value, {}, 0, nullptr, nullptr, nullptr, nullptr};
            forward_stage(stages[k], parameters_[k], tapes[k], workspace);
            extent.T = tapes[k].y_steps;
            value = tapes[k].y;
        }
        const T* predicted = value.data;
        const Index size = p.rows * p.columns;
        if (extent.T == 1 && value.outer != p.columns) predicted = together(value, p, workspace);
        if (output) std::copy(predicted, predicted + size, output.as<T>());
        T* slope = static_cast<T*>(workspace.take(sizeof(T) * size));
        const double count = count_of(loss_.kind, p);
        if (!loss_sum(loss_.kind, p, predicted, y, slope, count, loss)) return false;
        loss = double(T(loss / count));
        for (std::size_t k = 0; k < metrics_.size(); ++k)
            if (!metric_sum(metrics_[k].kind, p, predicted, y, sums[k])) return false;
        View3<const T> dy = {slope, extent.T * p.columns, p.columns};
        for (std::size_t k = stages.size(); k-- > first_;)
            dy = backward_stage(stages[k], parameters_[k], tapes[k], dy, workspace);
        return true;
    }

    template <class T>
    static bool metric_sum(const ScoreKind& kind, const Predictions& p, const T* predicted, const Array& y,
                           double& sum) {
        if (!kind.facts().is_accuracy)
            return loss_sum<T>(kind, p, predicted, y, nullptr, count_of(kind, p), sum);
        sum = hits(kind, p, predicted, y);
        return true;
    }

    // The rows of a view, one after the other.
    template <class T>
    static const T* together(View3<const T> value, const Predictions& p, Workspace& workspace) {
        T* to = static_cast<T*>(workspace.take(sizeof(T) * p.rows * p.columns));
        for (Index r = 0; r < p.rows; ++r)
            std::copy(value.data + r * value.outer, value.data + r * value.outer + p.columns,
                      to + r * p.columns);
        return to;
    }

    nb::object keeper_;
    Chain& chain_;
    Measure loss_;
    std::vector<Measure> metrics_;
    std::vector<StageParameters> parameters_;
    std::vector<Held> held_;
    nb::object array_name_;
    std::size_t first_ = 0;  // the first stage that is trained
    double kept_ = 0;        // numbers of each step
};

}  // namespace gatewise
