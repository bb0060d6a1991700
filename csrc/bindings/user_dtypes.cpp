// SPDX-License-Identifier: BSD-3-Clause
#include "user_dtypes.h"

#include <pybind11/pybind11.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../kernels/float8.h"
#include "ufuncs.h"

namespace py = pybind11;

namespace fastrelu {
namespace {

// Fills a C array from any buffer of elements of the same type.
template <class T> int copy_buffer(const py::handle& source, T* target, int capacity) {
  const auto info = py::reinterpret_borrow<py::buffer>(source).request();
  if (info.itemsize != sizeof(T) || info.size > capacity) throw py::value_error("fastrelu: unexpected float8 tables");
  std::memcpy(target, info.ptr, static_cast<std::size_t>(info.size) * sizeof(T));
  return static_cast<int>(info.size);
}

// fastrelu._float8 reads the encoding off the dtype's own casts.
std::unique_ptr<Float8> describe(py::handle scalar_type) {
  const py::object encoding = py::module_::import("fastrelu._float8").attr("describe")(scalar_type);
  auto format = std::make_unique<Float8>();
  copy_buffer(encoding.attr("values"), format->value, 256);
  copy_buffer(encoding.attr("ranks"), format->rank, 256);
  for (std::size_t sign = 0; sign < 2; ++sign) {
    const py::object rounding = encoding.attr("roundings")[py::int_(sign)];
    Float8::Rounding& target = format->rounding[sign];
    copy_buffer(rounding.attr("first"), target.first, Float8::max_pieces);
    target.pieces = copy_buffer(rounding.attr("code"), target.code, Float8::max_pieces);
    target.nan = rounding.attr("nan").cast<std::uint8_t>();
  }
  return format;
}

bool has_loops(PyArray_DTypeMeta* user_dtype) { return find_kernel(0, user_dtype->type_num) != nullptr; }

// Two threads may meet a dtype at the same time; nothing under the lock runs Python code that could wait for them.
std::mutex registering;

int add_loops_once(PyArray_DTypeMeta* user_dtype, DType dtype, std::unique_ptr<Float8> format) {
  const std::lock_guard<std::mutex> lock(registering);
  if (has_loops(user_dtype)) return 1;
  if (add_loops(user_dtype, dtype, format.get()) < 0) return -1;
  format.release();  // the loops keep it
  return 1;
}

int add_loops_for(PyArray_DTypeMeta* user_dtype) {
  const py::handle scalar_type(reinterpret_cast<PyObject*>(user_dtype->scalar_type));
  if (!scalar_type || py::str(scalar_type.attr("__module__")).cast<std::string>() != "ml_dtypes") return 0;
  const std::string name = py::str(scalar_type.attr("__name__"));
  if (name == "bfloat16") return add_loops_once(user_dtype, DType::bfloat16, nullptr);
  const bool is_float_of_a_byte = name.rfind("float", 0) == 0 && PyDataType_ELSIZE(user_dtype->singleton) == 1;
  return is_float_of_a_byte ? add_loops_once(user_dtype, DType::float8, describe(scalar_type)) : 0;
}

int ensure_loops_for_value(PyObject* value) {
  if (PyTuple_Check(value)) {  // signature=
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      if (ensure_loops_for_value(PyTuple_GET_ITEM(value, i)) < 0) return -1;
    }
    return 0;
  }
  if (!PyType_Check(value) && !PyUnicode_Check(value) && !PyArray_DescrCheck(value)) return 0;
  PyArray_Descr* descr = nullptr;
  if (!PyArray_DescrConverter(value, &descr)) {
    PyErr_Clear();  // NumPy will say what is wrong with it
    return 0;
  }
  const int status = PyTypeNum_ISUSERDEF(descr->type_num) ? ensure_loops(NPY_DTYPE(descr)) : 0;
  Py_DECREF(descr);
  return status < 0 ? -1 : 0;
}

}  // namespace

int ensure_loops(PyArray_DTypeMeta* user_dtype) {
  if (has_loops(user_dtype)) return 1;
  try {
    return add_loops_for(user_dtype);
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return -1;
}

int ensure_loops_for_keywords(PyObject* const* values, PyObject* kwnames) {
  const Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(kwnames, i);
    const bool names_dtypes = PyUnicode_CompareWithASCIIString(name, "dtype") == 0 ||
                              PyUnicode_CompareWithASCIIString(name, "signature") == 0;
    if (names_dtypes && ensure_loops_for_value(values[i]) < 0) return -1;
  }
  return 0;
}

}  // namespace fastrelu
