// Recurrent stages one behind the other, a thread each.
//
// The idea: a layer may take a step as soon as the layer before it has; so where one layer alone cannot keep
// two threads busy, the second layer can run on the second thread, some steps behind. The steps are cut into
// parts; a member of the team runs its stages part by part and waits, before each, until the stage before has
// done that part. States are carried from part to part, as a stream carries them, and so no number depends on
// the parts. Only where it wins: with so little work a step that threads sharing it would wait more than
// work, and with enough parts that filling and emptying the pipeline costs little.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <vector>

#include "stages.h"
#include "threads.h"
#include "worth.h"

namespace gatewise {

// A recurrent stage over whole sequences, in the order in which it takes the steps.
template <class T>
struct PipelineStage {
    const Stage* stage;
    const PackedCell* cell;
    View3<const T> x;
    View3<T> h;               // null where only the last output is wanted
    View2<T> h_last, c_last;  // begin as anything; c_last null but for an LSTM
};

constexpr Index kStepsOfAPart = 24;  // at least; a whole number of tiles where rows are projected first
constexpr Index kMostParts = 16;

struct Pipeline {
    int members = 1;
    Index parts = 1;
    std::vector<int> member_of;  // of each stage
};

// How stages of these works are best run: with one member where a pipeline is not expected to win.
inline Pipeline plan_pipeline(const std::vector<RecurrentWork>& works) {
    Pipeline plan;
    const int stages = static_cast<int>(works.size()), threads = get_threads();
    if (stages < 2 || threads < 2) return plan;
    double alone = 0, total = 0;
    for (const RecurrentWork& work : works) {
        if (work.weight_bytes > kCacheBytes) return plan;
        alone += work.flops / work.threads_alone();
        total += work.flops;
    }
    plan.parts = std::min(kMostParts, works[0].steps / kStepsOfAPart);
    if (plan.parts < 3 || total < 2 * kFlopsWorthAThread) return {};
    plan.members = std::min(stages, threads);
    std::vector<double> loads(plan.members);
    double before = 0;
    for (const RecurrentWork& work : works) {  // a stage goes where its middle falls
        const int member = static_cast<int>((before + work.flops / 2) / total * plan.members);
        plan.member_of.push_back(member);
        loads[member] += work.flops;
        before += work.flops;
    }
    const double longest = *std::max_element(loads.begin(), loads.end());
    const double expected = longest * (1 + (plan.members - 1) / double(plan.parts));
    return expected < 0.85 * alone ? plan : Pipeline{};
}

// Steps [begin, end) of a stage.
template <class T>
void run_part(const PipelineStage<T>& of, Index rows, Index begin, Index end) {
    States<T> states;
    states.h_last = of.h_last;
    states.c_last = of.c_last;
    if (begin > 0) {
        states.h0 = {of.h_last.data, of.h_last.stride};
        states.c0 = {of.c_last.data, of.c_last.stride};
    }
    View3<const T> x = of.x;
    View3<T> h = of.h;
    x.data += begin * x.inner;
    if (h.data) h.data += begin * h.inner;
    run_recurrent<T>(*of.stage, *of.cell, {rows, end - begin}, x, {}, states, h);
}

template <class T>
void run_pipeline(const Pipeline& plan, const std::vector<PipelineStage<T>>& stages, Extent extent) {
    const std::unique_ptr<std::atomic<long>[]> done(new std::atomic<long>[stages.size()]());
    std::vector<std::exception_ptr> errors(stages.size());
    Team team(plan.members);
    const auto begin_of = [&](Index part) { return extent.T * part / plan.parts; };
    const auto run_stage = [&](std::size_t k, Index part) {
        if (k > 0) wait_for(done[k - 1], static_cast<long>(part + 1));
        try {
            if (!errors[k]) run_part(stages[k], extent.N, begin_of(part), begin_of(part + 1));
        } catch (...) {
            errors[k] = std::current_exception();  // the others go on, and what they find is thrown away
        }
        done[k].store(static_cast<long>(part + 1), std::memory_order_release);
    };
    auto member = [&](int me) {
        for (Index part = 0; part < plan.parts; ++part)
            for (std::size_t k = 0; k < stages.size(); ++k)
                if (team.size() == 1 || plan.member_of[k] == me) run_stage(k, part);
    };
    using Member = decltype(member);
    team.run([](void* f, int me) { (*static_cast<Member*>(f))(me); }, &member);
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

}  // namespace gatewise
