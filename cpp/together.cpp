// Several recurrences at the same time: see together.h.
#include "together.h"

#include <algorithm>

#include "bindings.h"
#include "threads.h"
#include "worth.h"

namespace gatewise {
namespace {

thread_local Gathering* the_gathering = nullptr;

// Whether kernels are expected to take no longer a thread each than one after the other with all threads.
bool is_worth_while(const std::vector<Gathering::Kernel>& kernels) {
    double alone = 0, longest = 0, total = 0;
    for (const Gathering::Kernel& kernel : kernels) {
        const RecurrentWork& work = kernel.work;
        // Weights that fill a core's cache are better halved than streamed by each thread for itself.
        if (work.weight_bytes > kCacheBytes && work.rows < 8 * kRowsForOne) return false;
        alone += work.flops / work.threads_alone();
        longest = std::max(longest, work.flops);
        total += work.flops;
    }
    return total >= 2 * kFlopsWorthAThread && longest <= alone;
}

}  // namespace

int RecurrentWork::threads_alone() const {
    const double most = std::min<double>(get_threads(), flops / kFlopsWorthAThread);
    if (most < 2) return 1;
    const double worth_barriers =
        flops / double(std::max<std::ptrdiff_t>(steps, 1)) / kStepFlopsWorthABarrier;
    const double sharing = rows < kRowsForOne ? worth_barriers : double(rows) / kFewRows;
    return std::max(1, static_cast<int>(std::min(most, sharing)));
}

Gathering* Gathering::current() { return the_gathering && !the_gathering->done_ ? the_gathering : nullptr; }

Gathering::Gathering(nb::tuple calls)
    : calls_(std::move(calls)), results_(calls_.size()), before_(the_gathering) {
    the_gathering = get_threads() > 1 ? this : nullptr;
}

Gathering::~Gathering() { the_gathering = before_; }

void Gathering::make_next_call() {
    const std::size_t mine = next_++;
    try {
        results_[mine] = calls_[mine]();
    } catch (...) {  // thrown on by results(): it is none of the business of the call that waits here
        if (!error_) error_ = std::current_exception();
    }
}

nb::list Gathering::results() {
    while (next_ < calls_.size() && !error_) make_next_call();
    if (error_) std::rethrow_exception(error_);
    nb::list found;
    for (const nb::object& result : results_) found.append(result);
    return found;
}

void Gathering::arrive(const Kernel& kernel) {
    kernels_.push_back(kernel);
    while (next_ < calls_.size() && !done_ && !error_) make_next_call();
    if (!done_) run_all();
}

void Gathering::run_all() {
    done_ = true;  // what else is called runs by itself
    if (kernels_.size() > 1 && is_worth_while(kernels_)) return run_as_team();
    for (const Kernel& kernel : kernels_) call_kernel(kernel.work.flops, [&] { kernel.run(kernel.context); });
}

void Gathering::run_as_team() {
    std::vector<std::exception_ptr> errors(kernels_.size());
    double flops = 0;
    for (const Kernel& kernel : kernels_) flops += kernel.work.flops;
    call_kernel(flops, [&] {
        Team team(static_cast<int>(kernels_.size()));
        auto part = [&](int member) {
            for (std::size_t k = member; k < kernels_.size(); k += team.size()) try {
                    kernels_[k].run(kernels_[k].context);
                } catch (...) {
                    errors[k] = std::current_exception();
                }
        };
        using Part = decltype(part);
        team.run([](void* f, int member) { (*static_cast<Part*>(f))(member); }, &part);
    });
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

}  // namespace gatewise
