// Memory for the kernels.
//
// The idea: large blocks come aligned to huge pages and ask for them, since weights are streamed again and
// again and would otherwise miss in the address translation. What one call needs only while it runs comes
// from a stack that the calling thread keeps between calls, so that small kernels never allocate.
#pragma once

#include <cstddef>

namespace gatewise {

void* allocate(std::size_t bytes);  // aligned to 64 bytes at least; throws std::bad_alloc
void release(void* memory);

// Memory for one kernel call, in the calling thread: a stack that is kept between calls while it is small.
class Workspace {
  public:
    Workspace();
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    void* take(std::size_t bytes);  // aligned to 64 bytes; lives as long as this object

  private:
    std::size_t chunk_before_, used_before_, in_use_before_;
};

}  // namespace gatewise
