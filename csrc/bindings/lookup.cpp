// SPDX-License-Identifier: BSD-3-Clause
//
// apply_table(x, table, out): a table's entry for each byte of an array.
#include "../runtime/line.h"
#include "dense_arrays.h"

namespace fastrelu {
namespace {

constexpr npy_intp entries = 256;

// Types that their number alone describes, and that own nothing. NumPy's macros take -1 for a number.
bool holds_plain_values(PyArrayObject* array) {
  const int type_num = PyArray_TYPE(array);
  const bool is_value = PyTypeNum_ISBOOL(type_num) || PyTypeNum_ISNUMBER(type_num) || PyTypeNum_ISUSERDEF(type_num);
  return type_num >= 0 && is_value && !PyDataType_REFCHK(PyArray_DESCR(array));
}

// By the logarithm of the size, as Isa::look_up is; -1 for sizes that it does not have.
int size_class(npy_intp itemsize) {
  switch (itemsize) {
    case 1: return 0;
    case 2: return 1;
    case 4: return 2;
    case 8: return 3;
    default: return -1;
  }
}

bool is_table(PyArrayObject* table) {
  return holds_plain_values(table) && PyArray_NDIM(table) == 1 && PyArray_SIZE(table) == entries &&
         size_class(PyArray_ITEMSIZE(table)) >= 0;
}

bool holds_indices(PyArrayObject* x) {
  return holds_plain_values(x) && PyArray_ITEMSIZE(x) == 1 && !PyTypeNum_ISBOOL(PyArray_TYPE(x));
}

// As measured with 2^20 bytes on AVX-512 and AVX2: shuffles for entries of one byte, loads for wider ones.
int weight_of_index(npy_intp itemsize) { return itemsize == 1 ? 6 : 16; }

void look_up(PyArrayObject* x, PyArrayObject* table, PyArrayObject* result, OutputMemory memory) {
  const npy_intp n = PyArray_SIZE(x), itemsize = PyArray_ITEMSIZE(table);
  LookUp* const run = active_isa().look_up[size_class(itemsize)];
  const char* const index = PyArray_BYTES(x);
  char* const out = PyArray_BYTES(result);
  run_without_gil(n * itemsize, [&] {
    run_line({n, n, weight_of_index(itemsize), cache_line, out, itemsize, memory},
             [&](npy_intp begin, npy_intp end, char*) {
               run(index + begin, PyArray_DATA(table), out + begin * itemsize, end - begin);
             });
  });
}

PyObject* apply_table(PyObject* const* arguments) {
  PyArrayObject *const x = as_dense(arguments[0]), *const table = as_dense(arguments[1]);
  if (!x || !table || !holds_indices(x) || !is_table(table)) return not_implemented();
  PyArrayObject* const result =
      take_result(arguments[2], PyArray_TYPE(table), PyArray_ITEMSIZE(table), PyArray_NDIM(x), PyArray_DIMS(x));
  if (!result) return not_implemented();
  if (!may_overwrite(result, x) || !are_apart(result, table)) {
    Py_DECREF(result);
    return not_implemented();
  }
  look_up(x, table, result, arguments[2] == Py_None ? memory_of(result) : OutputMemory::used);
  return reinterpret_cast<PyObject*>(result);
}

}  // namespace

PyMethodDef lookup_methods[] = {
    method<apply_table, 3>("apply_table"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
