// SPDX-License-Identifier: BSD-3-Clause
//
// Work without the GIL, and how a thread gets the GIL back.
#pragma once

#include <Python.h>

#include <exception>
#include <utility>

namespace fastrelu {

// Takes the GIL back for the thread that PyEval_SaveThread returned. Does not return while the interpreter finalizes: the
// thread then sleeps until the process ends.
void take_gil(PyThreadState* thread);

// Runs something while other threads may run Python code. An exception comes out after the GIL is back.
template <class Run> void without_gil(Run&& run) {
  PyThreadState* const thread = PyEval_SaveThread();
  std::exception_ptr failure;
  try {
    std::forward<Run>(run)();
  } catch (...) {
    failure = std::current_exception();
  }
  take_gil(thread);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fastrelu
