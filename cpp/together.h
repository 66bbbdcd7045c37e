// Several recurrences at the same time, a thread each.
//
// The idea: with little work in a step, threads that share a step spend their time waiting for each other;
// the two directions of a bidirectional layer share nothing and need not wait at all. The arguments of a
// kernel live on the stack of the function that Python called. So that function stops where its kernel would
// begin and makes Python's next call from there; once the last call has come as far, all kernels are at hand,
// run as one team, and the functions return one after the other. No result depends on who computes it.
//
// Only the first recurrence of each call takes part, and whatever else a call does is done on the thread that
// asked. Where running them one after the other, each with all threads, is expected to be faster, that
// happens.
#pragma once

#include <cstddef>
#include <exception>
#include <vector>

#include "arrays.h"

namespace gatewise {

// What is known about a recurrence before it runs.
struct RecurrentWork {
    double flops;
    std::ptrdiff_t rows, steps;
    double weight_bytes;

    // How many threads it is expected to use well by itself: as recurrence.h divides it.
    int threads_alone() const;
};

class Gathering {
  public:
    struct Kernel {
        RecurrentWork work;
        void (*run)(void* context);
        void* context;
    };

    // The gathering that kernels called on this thread take part in; mostly null.
    static Gathering* current();

    explicit Gathering(nb::tuple calls);
    ~Gathering();
    Gathering(const Gathering&) = delete;
    Gathering& operator=(const Gathering&) = delete;

    // The results of all calls; throws what the first of them threw.
    nb::list results();
    // Returns when the kernel has run.
    void arrive(const Kernel& kernel);

  private:
    void make_next_call();
    void run_all();
    void run_as_team();

    nb::tuple calls_;
    std::vector<nb::object> results_;
    std::size_t next_ = 0;
    std::vector<Kernel> kernels_;
    bool done_ = false;
    std::exception_ptr error_;
    Gathering* const before_;
};

}  // namespace gatewise
