// SPDX-License-Identifier: BSD-3-Clause
//
// C++ exceptions must not pass through Python's code, which is C. So every function that Python calls runs within `caught`.
#pragma once

#include <exception>

namespace fastrelu {

// Sets the Python exception for the C++ exception that is being handled.
void set_python_exception();

// Returns what `run` returns. If it throws, the C++ exception becomes Python's, and `failed` is returned. The GIL must be
// held, also where `run` throws.
//
// There is no catch (...): glibc ends a thread (pthread_exit, pthread_cancel) by an exception of no C++ type, which must
// go on to the end of the stack. A program that caught it would be aborted.
template <class Result, class Run> Result caught(Result failed, Run run) {
  try {
    return run();
  } catch (const std::exception&) {
    set_python_exception();
  }
  return failed;
}

}  // namespace fastrelu
