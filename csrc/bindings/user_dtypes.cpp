// SPDX-License-Identifier: BSD-3-Clause
#include "user_dtypes.h"

#include <pybind11/pybind11.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "../contract/float8.h"
#include "arguments.h"
#include "exceptions.h"
#include "ref.h"

namespace py = pybind11;

namespace fastrelu {
namespace {

// Fills a C array from any contiguous buffer of elements of the same type, and says how many there are. Not by py::buffer,
// which would keep the buffer where there is no memory to describe it.
template <class T> int copy_buffer(PyObject* source, T* target, int capacity) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(source, &buffer, PyBUF_C_CONTIGUOUS) < 0) throw py::error_already_set();
  const auto size = static_cast<std::size_t>(buffer.len) / sizeof(T);
  const bool fits = buffer.itemsize == sizeof(T) && size <= static_cast<std::size_t>(capacity);
  if (fits) std::memcpy(target, buffer.buf, size * sizeof(T));
  PyBuffer_Release(&buffer);
  if (!fits) throw py::value_error("fastrelu: unexpected float8 tables");
  return static_cast<int>(size);
}

// fastrelu._float8 reads the encoding off the dtype's own casts.
PyObject* float8_describer;

std::unique_ptr<Float8> describe(PyTypeObject* scalar_type) {
  if (!float8_describer) throw py::import_error("fastrelu is still being imported");
  const Ref encoding(PyObject_CallOneArg(float8_describer, reinterpret_cast<PyObject*>(scalar_type)));
  auto format = std::make_unique<Float8>();
  auto& [positive, negative] = format->rounding;
  PyObject *values, *ranks, *first[2], *code[2];
  if (!encoding || !PyArg_ParseTuple(encoding.get(), "OO((OOb)(OOb))", &values, &ranks, &first[0], &code[0],
                                     &positive.nan, &first[1], &code[1], &negative.nan)) {
    throw py::error_already_set();
  }
  copy_buffer(values, format->value, 256);
  copy_buffer(ranks, format->rank, 256);
  for (int sign = 0; sign < 2; ++sign) {
    Float8::Rounding& rounding = format->rounding[sign];
    copy_buffer(first[sign], rounding.first, Float8::max_pieces);
    rounding.pieces = copy_buffer(code[sign], rounding.code, Float8::max_pieces);
  }
  return format;
}

bool is_of_ml_dtypes(PyObject* scalar_type) {
  const Ref module(PyObject_GetAttrString(scalar_type, "__module__"));
  if (!module) throw py::error_already_set();
  return PyUnicode_Check(module.get()) && PyUnicode_CompareWithASCIIString(module.get(), "ml_dtypes") == 0;
}

int list_dtypes_of_ml_dtypes(PyArray_DTypeMeta* user_dtype) {
  PyTypeObject* const scalar_type = user_dtype->scalar_type;
  if (!scalar_type || !is_of_ml_dtypes(reinterpret_cast<PyObject*>(scalar_type))) return 0;
  std::string_view name = scalar_type->tp_name;  // with the module before it in some versions
  name.remove_prefix(name.rfind('.') + 1);
  if (name == "bfloat16") {
    list_user_type(user_dtype->type_num, DType::bfloat16, nullptr);
  } else if (name.rfind("float", 0) == 0 && PyDataType_ELSIZE(user_dtype->singleton) == 1) {
    list_user_type(user_dtype->type_num, DType::float8, describe(scalar_type));
  } else {
    return 0;
  }
  return 1;
}

// Makes NumPy dispatch on arrays of this dtype, which calls the promoter. What it refuses, it refuses in the call itself.
int let_numpy_dispatch(int index, PyObject* ufunc, PyArray_Descr* descr) {
  const int nin = ufunc_specs[index].nin();
  const Ref operands(PyTuple_New(nin + 1));
  for (int i = 0; operands && i <= nin; ++i) {
    PyTuple_SET_ITEM(operands.get(), i, i < nin ? Py_NewRef(descr) : Py_NewRef(Py_None));
  }
  const Ref resolved(operands ? PyObject_CallMethod(ufunc, "resolve_dtypes", "(O)", operands.get()) : nullptr);
  if (resolved || PyErr_ExceptionMatches(PyExc_MemoryError)) return resolved ? 0 : -1;
  PyErr_Clear();
  return 0;
}

int meet_keyword(int index, PyObject* ufunc, PyObject* value) {
  if (PyTuple_Check(value)) {  // signature=
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      if (meet_keyword(index, ufunc, PyTuple_GET_ITEM(value, i)) < 0) return -1;
    }
    return 0;
  }
  if (!PyType_Check(value) && !PyUnicode_Check(value) && !PyArray_DescrCheck(value)) return 0;
  PyArray_Descr* descr = nullptr;
  if (!PyArray_DescrConverter(value, &descr)) {
    PyErr_Clear();  // NumPy will say what is wrong with it
    return 0;
  }
  const Ref owner(descr);
  const int status = PyTypeNum_ISUSERDEF(descr->type_num) ? ensure_kernels(NPY_DTYPE(descr)) : 0;
  if (status <= 0 || has_loop(index, descr->type_num)) return status < 0 ? -1 : 0;
  return let_numpy_dispatch(index, ufunc, descr);
}

}  // namespace

int ensure_kernels(PyArray_DTypeMeta* user_dtype) {
  if (find_dtype(user_dtype->type_num)) return 1;
  return caught(-1, [&] { return list_dtypes_of_ml_dtypes(user_dtype); });
}

int ensure_loop(int index, PyArray_DTypeMeta* user_dtype) {
  const int status = ensure_kernels(user_dtype);
  return status == 1 && add_loop(index, user_dtype) < 0 ? -1 : status;
}

int meet_dtypes(int index, PyObject* ufunc, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  for (Py_ssize_t i = 0; i < nargs; ++i) {
    if (PyArray_Check(args[i]) && meet_array(args[i]) < 0) return -1;
  }
  for (const char* const name : {"dtype", "signature"}) {
    const Py_ssize_t keyword = find_keyword(kwnames, name);
    if (keyword >= 0 && meet_keyword(index, ufunc, args[nargs + keyword]) < 0) return -1;
  }
  return 0;
}

void define_user_dtypes(PyObject* module) {
  py::reinterpret_borrow<py::module_>(module).def("set_float8_describer", [](const py::object& describer) {
    Py_XSETREF(float8_describer, Py_NewRef(describer.ptr()));
  });
}

}  // namespace fastrelu
