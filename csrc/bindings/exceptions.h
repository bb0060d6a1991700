// SPDX-License-Identifier: BSD-3-Clause
//
// C++ exceptions must not pass through Python's code, which is C. So every function that Python calls runs within `caught`.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <new>
#include <stdexcept>

namespace fastrelu {

// Returns what `run` returns. If it throws, the C++ exception becomes Python's, and `failed` is returned. std::length_error
// says that a container would have to be larger than any memory. The GIL must be held, also where `run` throws.
//
// There is no catch (...): glibc ends a thread (pthread_exit, pthread_cancel) by an exception of no C++ type, which must
// go on to the end of the stack. A program that caught it would be aborted.
template <class Result, class Run> Result caught(Result failed, Run run) {
  try {
    return run();
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const pybind11::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::length_error&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return failed;
}

}  // namespace fastrelu
