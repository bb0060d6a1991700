// SPDX-License-Identifier: BSD-3-Clause
#include "exceptions.h"

#include <pybind11/pybind11.h>

#include <new>
#include <stdexcept>

namespace fastrelu {

// std::length_error says that a container would have to be larger than any memory.
void set_python_exception() {
  try {
    throw;
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
}

}  // namespace fastrelu
