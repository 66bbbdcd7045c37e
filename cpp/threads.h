// One pool of threads for every kernel.
//
// The idea: a Team is a share of the pool for the length of one kernel call. `Team::run` gives the same
// function to each member and returns when all are done; `barrier` lets members wait for each other in
// between. Workers spin for some microseconds after a job, so that the next kernel finds them awake, and
// then sleep. If another Python thread holds the pool, the team is just the caller: no kernel's result
// depends on the size of its team, so nobody needs to wait. A forked child starts a pool of its own.
//
// Within a team a kernel has one thread: get_threads() is 1 there, and a Team just the caller.
//
// Only declarations: code inlined into kernels of several instruction sets must not be shared.
#pragma once

#include <atomic>

namespace gatewise {

// The number of threads kernels may use; at first $GATEWISE_THREADS, else the CPUs this process may use.
int get_threads();
void set_threads(int count);

class Team {
  public:
    explicit Team(int wanted);
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    int size() const { return size_; }
    // Calls function(context, member) for member = 0 ... size - 1, member 0 on the calling thread.
    void run(void (*function)(void* context, int member), void* context);
    // To be called by every member, inside run.
    void barrier();

  private:
    int size_;
    bool holds_pool_;
};

// Waits, inside Team::run, until another member has brought `value` to `least`.
void wait_for(const std::atomic<long>& value, long least);

}  // namespace gatewise
