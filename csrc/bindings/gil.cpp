// SPDX-License-Identifier: BSD-3-Clause
#include "gil.h"

#include <chrono>
#include <thread>

namespace fastrelu {

// CPython 3.14 and later make the thread sleep. Earlier versions end it by pthread_exit, which glibc does by unwinding the
// stack: the destructors on it would release Python objects without the GIL, and the first function that may not throw
// would abort the process. The handler stops the unwinding; this is legal as long as the handler is not left.
void take_gil(PyThreadState* thread) {
  try {
    PyEval_RestoreThread(thread);
  } catch (...) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

}  // namespace fastrelu
