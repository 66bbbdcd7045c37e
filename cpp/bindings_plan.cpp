// For Python: what a recurrent kernel would do, and what this machine's multiply-add units can do.
#include <chrono>
#include <vector>

#include "bindings.h"
#include "threads.h"

namespace gatewise {
namespace {

constexpr double kBlockSeconds = 1e-3;

PlannedLayer read_layer(const std::string& name) {
    const char* const names[] = {"lstm", "gru", "gru_reset_before", "simple_rnn"};
    for (int k = 0; k < 4; ++k)
        if (name == names[k]) return static_cast<PlannedLayer>(k);
    throw nb::value_error(("plan_recurrence: there is no layer '" + name +
                           "'; there are lstm, gru, gru_reset_before and simple_rnn")
                              .c_str());
}

nb::dict plan_recurrence(const std::string& layer, Index N, Index T, Index F, Index H, int item,
                         bool backward, bool masked, bool dropout) {
    if (N < 1 || T < 1 || F < 1 || H < 1)
        throw nb::value_error("plan_recurrence: N, T, F and H must be at least 1");
    if (item != 4 && item != 8) throw nb::value_error("plan_recurrence: an item has 4 or 8 bytes");
    check_countable("plan_recurrence", double(N) * double(T), 4 * (H + 64.0) + F);
    const PlanQuestion question = {read_layer(layer), {N, T, F, H}, backward, masked, dropout};
    const Plan plan =
        item == 4 ? kernels().f32.plan_recurrence(question) : kernels().f64.plan_recurrence(question);
    nb::dict told;
    told["threads"] = plan.threads;
    told["most_threads"] = get_threads();
    told["by_units"] = plan.by_units;
    told["projected"] = plan.projected;
    told["sorted"] = plan.sorted;
    told["lanes"] = plan.lanes;
    told["step_flops"] = plan.step_flops;
    told["weight_bytes"] = plan.weight_bytes;
    told["rows_for_one"] = plan.rows_for_one;
    told["few_rows"] = plan.few_rows;
    told["cache_bytes"] = plan.cache_bytes;
    told["flops_for_a_thread"] = plan.flops_for_a_thread;
    told["flops_for_a_barrier"] = plan.flops_for_a_barrier;
    return told;
}

// Operations a second of all threads together, in the best of many short blocks.
template <class T>
double best_rate(double seconds, int threads, double (*multiply_adds)(std::ptrdiff_t, T*)) {
    using Clock = std::chrono::steady_clock;
    struct Block {
        double (*multiply_adds)(std::ptrdiff_t, T*);
        std::ptrdiff_t rounds;
        std::vector<double> flops;
        std::vector<T> out;
        static void run(void* context, int member) {
            Block& block = *static_cast<Block*>(context);
            block.flops[member] = block.multiply_adds(block.rounds, &block.out[member]);
        }
    };
    Team team(threads);
    Block block = {multiply_adds, 1000, std::vector<double>(team.size()), std::vector<T>(team.size())};
    const auto begin = Clock::now();
    const auto since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    double best = 0;
    do {
        const auto start = Clock::now();
        team.run(&Block::run, &block);
        const double taken = since(start);
        double flops = 0;
        for (double own : block.flops) flops += own;
        if (flops / taken > best) best = flops / taken;
        if (taken < kBlockSeconds / 2) block.rounds *= 2;
    } while (since(begin) < seconds);
    return best;
}

double measure_fma_peak(double seconds, int threads, int item) {
    if (!(seconds > 0 && seconds <= 60))
        throw nb::value_error("measure_fma_peak: seconds must be more than 0 and at most 60");
    if (threads < 0 || threads > 1024)
        throw nb::value_error("measure_fma_peak: threads must be 0 (all that kernels may use) to 1024");
    if (item != 4 && item != 8) throw nb::value_error("measure_fma_peak: an item has 4 or 8 bytes");
    const int wanted = threads ? threads : get_threads();
    const Kernels& k = kernels();
    const WithoutLock released;
    return item == 4 ? best_rate<float>(seconds, wanted, k.f32.multiply_adds)
                     : best_rate<double>(seconds, wanted, k.f64.multiply_adds);
}

}  // namespace

void define_plan(nb::module_& m) {
    using namespace nb::literals;
    m.def("plan_recurrence", &plan_recurrence, "layer"_a, "N"_a, "T"_a, "F"_a, "H"_a, "item"_a = 4,
          "backward"_a = false, "masked"_a = false, "dropout"_a = false,
          nb::sig("def plan_recurrence(layer: str, N: int, T: int, F: int, H: int, item: int = 4, backward: "
                  "bool = False, masked: bool = False, dropout: bool = False) -> dict[str, typing.Any]"),
          "How a recurrent kernel would divide its work, and the limits that it goes by: see plan.h.");
    m.def("measure_fma_peak", &measure_fma_peak, "seconds"_a = 0.1, "threads"_a = 0, "item"_a = 4,
          "Operations a second (a multiply-add is two) from registers alone, the best of short blocks; "
          "threads=0: as many as kernels may use.  item: 4 for float32, 8 for float64.");
    m.def(
        "narrow_instruction_set", [] { return narrow_kernels().name; },
        "The instruction set in use for weights of int8.");
}

}  // namespace gatewise
