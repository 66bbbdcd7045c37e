// Optimizer steps for Python.
#include "bindings.h"

namespace gatewise {
namespace {

// The arrays of an optimizer step: w and the states are changed in place.
struct Flat {
    const char* function;
    FloatType type;
    Array w, g, states[3];
    double more[4] = {};
    double scale = 1, limit = 0, keep = 1;

    Flat(const char* name, nb::handle w_, nb::handle g_) : function(name) {
        w = read_flat(function, type, "w", w_, -1, true);
        g = read_flat(function, type, "g", g_, w.size(), false);
    }
    // What is done to g and w before the formula.
    void first(double scale_, double limit_, double keep_) { scale = scale_, limit = limit_, keep = keep_; }
    void state(int i, const char* name, nb::handle value) {
        if (!value.is_none()) states[i] = read_flat(function, type, name, value, w.size(), true);
    }
    // A state that may not be None.
    void needed(int i, const char* name, nb::handle value) {
        if (value.is_none())
            throw nb::value_error(
                (std::string(function) + ": " + name + " must be an array, got None").c_str());
        state(i, name, value);
    }
    template <class T>
    Optimizer<T> step(double rate, double decay1, double decay2, double epsilon, bool nesterov) const {
        return {w.size(),  w.as<T>(),
                g.as<T>(), {states[0].as<T>(), states[1].as<T>(), states[2].as<T>()},
                rate,      decay1,
                decay2,    epsilon,
                nesterov,  {more[0], more[1], more[2], more[3]},
                scale,     limit,
                keep};
    }
};

// Runs the kernel that choose(table) names.
template <class Choose>
void run(const Flat& flat, Choose choose, double rate, double decay1, double decay2, double epsilon,
         bool nesterov = false) {
    dispatch(flat.type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        call_kernel(30.0 * flat.w.size(),
                    [&] { choose(of<T>(kernels()))(flat.step<T>(rate, decay1, decay2, epsilon, nesterov)); });
    });
}
// The arguments of what is done to g and w before the formula: see Optimizer in kernels.h.
#define GATEWISE_FIRST "scale"_a = 1.0, "limit"_a = 0.0, "keep"_a = 1.0
#define GATEWISE_FIRST_SIGNATURE ", scale: float = 1.0, limit: float = 0.0, keep: float = 1.0"
#define GATEWISE_KERNEL(name) [](const auto& table) { return table.name; }

void sgd_step(nb::handle w, nb::handle g, double lr, double momentum, nb::handle velocity, bool nesterov,
              double scale, double limit, double keep) {
    Flat flat("sgd_step", w, g);
    flat.first(scale, limit, keep);
    flat.state(0, "velocity", velocity);
    if (momentum != 0 && velocity.is_none())
        throw nb::value_error("sgd_step: momentum needs the array velocity");
    run(flat, GATEWISE_KERNEL(sgd), lr, momentum, 0, 0, nesterov);
}

void rmsprop_step(nb::handle w, nb::handle g, nb::handle mean_square, double lr, double rho, double epsilon,
                  double momentum, nb::handle velocity, nb::handle mean, double scale, double limit,
                  double keep) {
    Flat flat("rmsprop_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "mean_square", mean_square);
    flat.state(1, "velocity", velocity);
    flat.state(2, "mean", mean);
    if (momentum != 0 && velocity.is_none())
        throw nb::value_error("rmsprop_step: momentum needs the array velocity");
    run(flat, GATEWISE_KERNEL(rmsprop), lr, rho, momentum, epsilon);
}

void adam_step(nb::handle w, nb::handle g, nb::handle m, nb::handle v, double alpha, double beta_1,
               double beta_2, double epsilon, nb::handle v_hat, double scale, double limit, double keep) {
    Flat flat("adam_step", w, g);
    flat.first(scale, limit, keep);
    if (m.is_none() || v.is_none()) throw nb::value_error("adam_step: m and v must be arrays, got None");
    flat.state(0, "m", m);
    flat.state(1, "v", v);
    flat.state(2, "v_hat", v_hat);
    run(flat, GATEWISE_KERNEL(adam), alpha, beta_1, beta_2, epsilon);
}

void adagrad_step(nb::handle w, nb::handle g, nb::handle sum, double lr, double epsilon, double scale,
                  double limit, double keep) {
    Flat flat("adagrad_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "sum", sum);
    run(flat, GATEWISE_KERNEL(adagrad), lr, 0, 0, epsilon);
}

void adadelta_step(nb::handle w, nb::handle g, nb::handle mean_square, nb::handle mean_step, double lr,
                   double rho, double epsilon, double scale, double limit, double keep) {
    Flat flat("adadelta_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "mean_square", mean_square);
    flat.needed(1, "mean_step", mean_step);
    run(flat, GATEWISE_KERNEL(adadelta), lr, rho, 0, epsilon);
}

void adamax_step(nb::handle w, nb::handle g, nb::handle m, nb::handle u, double alpha, double beta_1,
                 double beta_2, double epsilon, double scale, double limit, double keep) {
    Flat flat("adamax_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "m", m);
    flat.needed(1, "u", u);
    run(flat, GATEWISE_KERNEL(adamax), alpha, beta_1, beta_2, epsilon);
}

void nadam_step(nb::handle w, nb::handle g, nb::handle m, nb::handle v, double of_m, double of_g,
                double grown, double beta_1, double beta_2, double epsilon, double scale, double limit,
                double keep) {
    Flat flat("nadam_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "m", m);
    flat.needed(1, "v", v);
    flat.more[0] = of_g, flat.more[1] = grown;
    run(flat, GATEWISE_KERNEL(nadam), of_m, beta_1, beta_2, epsilon);
}

void ftrl_step(nb::handle w, nb::handle g, nb::handle sum, nb::handle linear, double lr, double power,
               double l1, double l2, double shrinkage, double scale, double limit, double keep) {
    Flat flat("ftrl_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "sum", sum);
    flat.needed(1, "linear", linear);
    flat.more[0] = l1, flat.more[1] = l2, flat.more[2] = shrinkage;
    run(flat, GATEWISE_KERNEL(ftrl), lr, -power, 0, 0);
}

void lion_step(nb::handle w, nb::handle g, nb::handle m, double lr, double beta_1, double beta_2,
               double scale, double limit, double keep) {
    Flat flat("lion_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "m", m);
    run(flat, GATEWISE_KERNEL(lion), lr, beta_1, beta_2, 0);
}

void lamb_step(nb::handle w, nb::handle g, nb::handle m, nb::handle v, double lr, double grown_1,
               double grown_2, double beta_1, double beta_2, double epsilon) {
    Flat flat("lamb_step", w, g);
    flat.needed(0, "m", m);
    flat.needed(1, "v", v);
    flat.more[0] = grown_1, flat.more[1] = grown_2;
    run(flat, GATEWISE_KERNEL(lamb), lr, beta_1, beta_2, epsilon);
}

void schedule_free_adamw_step(nb::handle w, nb::handle g, nb::handle z, nb::handle v, double lr, double part,
                              double grown, double beta_1, double beta_2, double epsilon, double scale,
                              double limit, double keep) {
    Flat flat("schedule_free_adamw_step", w, g);
    flat.first(scale, limit, keep);
    flat.needed(0, "z", z);
    flat.needed(1, "v", v);
    flat.more[0] = part, flat.more[1] = grown;
    run(flat, GATEWISE_KERNEL(schedule_free_adamw), lr, beta_1, beta_2, epsilon);
}

void adafactor_step(nb::handle w, nb::handle g, nb::handle v, nb::handle r_, nb::handle c_, double rho,
                    double decay, double epsilon_1, double epsilon_2, double threshold) {
    Flat flat("adafactor_step", w, g);
    flat.needed(0, "v", v);
    if (r_.is_none() != c_.is_none())
        throw nb::value_error("adafactor_step: r and c must be given both, or neither");
    const Index size = flat.w.size();
    Index stacked = 1, rows = 1, columns = size;
    Array r, c;
    if (!r_.is_none()) {
        r = read_flat(flat.function, flat.type, "r", r_, -1, true);
        c = read_flat(flat.function, flat.type, "c", c_, -1, true);
        const Index all_rows = r.size(), all_columns = c.size();
        columns = all_rows ? size / all_rows : 0;
        rows = all_columns ? size / all_columns : 0;
        stacked = rows ? all_rows / rows : 0;
        if (size == 0) return;
        if (stacked * rows * columns != size || stacked * rows != all_rows ||
            stacked * columns != all_columns)
            throw nb::value_error("adafactor_step: r and c do not have the rows and columns of w");
    }
    dispatch(flat.type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const Adafactor<T> step = {stacked,
                                   rows,
                                   columns,
                                   flat.w.as<T>(),
                                   flat.g.as<T>(),
                                   flat.states[0].as<T>(),
                                   r ? r.as<T>() : nullptr,
                                   c ? c.as<T>() : nullptr,
                                   rho,
                                   decay,
                                   epsilon_1,
                                   epsilon_2,
                                   threshold};
        call_kernel(60.0 * size, [&] { of<T>(kernels()).adafactor(step); });
    });
}

void average_step(nb::handle average, nb::handle w, double momentum) {
    Flat flat("average_step", average, w);
    run(flat, GATEWISE_KERNEL(average), 0, momentum, 0, 0);
}

double sum_of_squares(nb::handle g_) {
    FloatType type;
    const Array g = read_flat("sum_of_squares", type, "g", g_, -1, false);
    return dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        double sum = 0;
        call_kernel(2.0 * g.size(), [&] { sum = of<T>(kernels()).sum_of_squares(g.as<T>(), g.size()); });
        return sum;
    });
}

// The steps of Keras 1 and 2's three.
void define_classic(nb::module_& m) {
    using namespace nb::literals;
    m.def("sgd_step", &sgd_step, any("w"), any("g"), "lr"_a, "momentum"_a = 0.0, none_or("velocity"),
          "nesterov"_a = false, GATEWISE_FIRST,
          nb::sig("def sgd_step(w: numpy.ndarray, g: numpy.ndarray, lr: float, momentum: float = 0.0, "
                  "velocity: numpy.ndarray | None = None, nesterov: bool = False" GATEWISE_FIRST_SIGNATURE
                  ") -> None"));
    m.def("rmsprop_step", &rmsprop_step, any("w"), any("g"), any("mean_square"), "lr"_a, "rho"_a = 0.9,
          "epsilon"_a = 1e-7, "momentum"_a = 0.0, none_or("velocity"), none_or("mean"), GATEWISE_FIRST,
          nb::sig("def rmsprop_step(w: numpy.ndarray, g: numpy.ndarray, mean_square: numpy.ndarray, lr: "
                  "float, rho: float = 0.9, "
                  "epsilon: float = 1e-7, momentum: float = 0.0, velocity: numpy.ndarray | None = None, "
                  "mean: numpy.ndarray | None = None" GATEWISE_FIRST_SIGNATURE ") -> None"));
    m.def("adam_step", &adam_step, any("w"), any("g"), any("m"), any("v"), "alpha"_a, "beta_1"_a = 0.9,
          "beta_2"_a = 0.999, "epsilon"_a = 1e-7, none_or("v_hat"), GATEWISE_FIRST,
          nb::sig("def adam_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, "
                  "alpha: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, v_hat: numpy.ndarray | "
                  "None = None" GATEWISE_FIRST_SIGNATURE ") -> None"));
}

void define_elementwise(nb::module_& m) {
    using namespace nb::literals;
    m.def("adagrad_step", &adagrad_step, any("w"), any("g"), any("sum"), "lr"_a, "epsilon"_a = 1e-7,
          GATEWISE_FIRST,
          nb::sig("def adagrad_step(w: numpy.ndarray, g: numpy.ndarray, sum: numpy.ndarray, lr: float, "
                  "epsilon: float = 1e-7" GATEWISE_FIRST_SIGNATURE ") -> None"));
    m.def("adadelta_step", &adadelta_step, any("w"), any("g"), any("mean_square"), any("mean_step"), "lr"_a,
          "rho"_a = 0.95, "epsilon"_a = 1e-7, GATEWISE_FIRST,
          nb::sig("def adadelta_step(w: numpy.ndarray, g: numpy.ndarray, mean_square: numpy.ndarray, "
                  "mean_step: numpy.ndarray, lr: float, rho: float = 0.95, epsilon: float = "
                  "1e-7" GATEWISE_FIRST_SIGNATURE ") -> None"));
    m.def("adamax_step", &adamax_step, any("w"), any("g"), any("m"), any("u"), "alpha"_a, "beta_1"_a = 0.9,
          "beta_2"_a = 0.999, "epsilon"_a = 1e-7, GATEWISE_FIRST,
          nb::sig("def adamax_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, u: numpy.ndarray, "
                  "alpha: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7" GATEWISE_FIRST_SIGNATURE
                  ") -> None"));
    m.def("nadam_step", &nadam_step, any("w"), any("g"), any("m"), any("v"), "of_m"_a, "of_g"_a, "grown"_a,
          "beta_1"_a = 0.9, "beta_2"_a = 0.999, "epsilon"_a = 1e-7, GATEWISE_FIRST,
          nb::sig("def nadam_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, "
                  "of_m: float, of_g: float, grown: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7" GATEWISE_FIRST_SIGNATURE
                  ") -> None"));
    m.def("ftrl_step", &ftrl_step, any("w"), any("g"), any("sum"), any("linear"), "lr"_a, "power"_a = -0.5,
          "l1"_a = 0.0, "l2"_a = 0.0, "shrinkage"_a = 0.0, GATEWISE_FIRST,
          nb::sig("def ftrl_step(w: numpy.ndarray, g: numpy.ndarray, sum: numpy.ndarray, linear: "
                  "numpy.ndarray, lr: float, power: float = -0.5, "
                  "l1: float = 0.0, l2: float = 0.0, shrinkage: float = 0.0" GATEWISE_FIRST_SIGNATURE
                  ") -> None"));
    m.def("lion_step", &lion_step, any("w"), any("g"), any("m"), "lr"_a, "beta_1"_a = 0.9, "beta_2"_a = 0.99,
          GATEWISE_FIRST,
          nb::sig("def lion_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, lr: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.99" GATEWISE_FIRST_SIGNATURE ") -> None"));
    m.def("schedule_free_adamw_step", &schedule_free_adamw_step, any("w"), any("g"), any("z"), any("v"),
          "lr"_a, "part"_a, "grown"_a, "beta_1"_a = 0.9, "beta_2"_a = 0.999, "epsilon"_a = 1e-8,
          GATEWISE_FIRST,
          nb::sig("def schedule_free_adamw_step(w: numpy.ndarray, g: numpy.ndarray, z: numpy.ndarray, "
                  "v: numpy.ndarray, lr: float, part: float, grown: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8" GATEWISE_FIRST_SIGNATURE
                  ") -> None"));
}

}  // namespace

void define_optimizers(nb::module_& m) {
    using namespace nb::literals;
    define_classic(m);
    define_elementwise(m);
    m.def("lamb_step", &lamb_step, any("w"), any("g"), any("m"), any("v"), "lr"_a, "grown_1"_a, "grown_2"_a,
          "beta_1"_a = 0.9, "beta_2"_a = 0.999, "epsilon"_a = 1e-7,
          nb::sig("def lamb_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, "
                  "lr: float, grown_1: float, grown_2: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None"));
    m.def("adafactor_step", &adafactor_step, any("w"), any("g"), any("v"), none_or("r"), none_or("c"),
          "rho"_a = 0.001, "decay"_a = 0.0, "epsilon_1"_a = 1e-30, "epsilon_2"_a = 1e-3, "threshold"_a = 1.0,
          nb::sig("def adafactor_step(w: numpy.ndarray, g: numpy.ndarray, v: numpy.ndarray, "
                  "r: numpy.ndarray | None = None, c: numpy.ndarray | None = None, rho: float = 0.001, "
                  "decay: float = 0.0, epsilon_1: float = 1e-30, epsilon_2: float = 1e-3, "
                  "threshold: float = 1.0) -> None"));
    m.def("average_step", &average_step, any("average"), any("w"), "momentum"_a,
          nb::sig("def average_step(average: numpy.ndarray, w: numpy.ndarray, momentum: float) -> None"));
    m.def("sum_of_squares", &sum_of_squares, any("g"),
          nb::sig("def sum_of_squares(g: numpy.ndarray) -> float"));
}

}  // namespace gatewise
