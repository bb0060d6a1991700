// SPDX-License-Identifier: BSD-3-Clause
#include "memory.h"

#include <cstdint>
#include <cstdlib>

#include "../runtime/recycle.h"
#include "ref.h"

// CPython's own declarations lack C linkage before 3.13, at global scope.
namespace fastrelu::c_linkage {
extern "C" {
PyAPI_FUNC(int) PyTraceMalloc_Track(unsigned int domain, std::uintptr_t ptr, std::size_t size);
PyAPI_FUNC(int) PyTraceMalloc_Untrack(unsigned int domain, std::uintptr_t ptr);
}
}  // namespace fastrelu::c_linkage

namespace fastrelu {
namespace {

unsigned int trace_domain;  // numpy.lib.tracemalloc_domain
PyObject* capsule;          // of our handler; null: NumPy allocates

void* handler_malloc(void*, std::size_t bytes) { return recycled_malloc(bytes); }
void* handler_calloc(void*, std::size_t count, std::size_t size) { return recycled_calloc(count, size); }
void* handler_realloc(void*, void* data, std::size_t bytes) { return recycled_realloc(data, bytes); }
void handler_free(void*, void* data, std::size_t) { recycled_free(data); }

PyDataMem_Handler handler = {
    "fastrelu_recycle", 1, {nullptr, handler_malloc, handler_calloc, handler_realloc, handler_free}};

bool numpy_allocates_by_default() {
  const Ref current(PyDataMem_GetHandler());
  if (!current) PyErr_Clear();
  return current.get() == PyDataMem_DefaultHandler;
}

// Tracked like NumPy's own, which untracks it on freeing. Null if that fails.
void* allocate_tracked(npy_intp bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  void* const data = recycled_malloc(size);
  if (data && c_linkage::PyTraceMalloc_Track(trace_domain, reinterpret_cast<std::uintptr_t>(data), size) == -1) {
    recycled_free(data);
    return nullptr;
  }
  return data;
}

void free_tracked(void* data) {
  c_linkage::PyTraceMalloc_Untrack(trace_domain, reinterpret_cast<std::uintptr_t>(data));
  recycled_free(data);
}

// What NumPy does for data of its own making. Going through PyDataMem_SetHandler instead would cost 0.2 us, write to
// the caller's context, and have to be undone on every path.
void hand_over(PyArrayObject* array, PyObject* to) {
  reinterpret_cast<PyArrayObject_fields*>(array)->mem_handler = Py_NewRef(to);
  PyArray_ENABLEFLAGS(array, NPY_ARRAY_OWNDATA);
}

PyObject* new_array(int type_num, const ArrayLayout& layout, void* data) {
  const int order = layout.fortran ? NPY_ARRAY_F_CONTIGUOUS : 0;
  const int flags = !data ? order : layout.fortran ? NPY_ARRAY_FARRAY : NPY_ARRAY_CARRAY;
  return PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(type_num), layout.ndim, layout.shape, layout.strides,
                              data, flags, nullptr);
}

// Null, without an exception, where NumPy is to allocate.
PyObject* new_recycled_array(int type_num, npy_intp bytes, const ArrayLayout& layout) {
  if (!capsule || !numpy_allocates_by_default() || static_cast<std::size_t>(bytes) > recycle_limit()) return nullptr;
  void* const data = allocate_tracked(bytes);
  if (!data) return nullptr;
  PyObject* const array = new_array(type_num, layout, data);
  if (!array) {
    free_tracked(data);
    PyErr_Clear();
    return nullptr;
  }
  hand_over(reinterpret_cast<PyArrayObject*>(array), capsule);
  return array;
}

bool is_recycled(PyArrayObject* array) {
  return capsule && PyArray_HANDLER(array) == capsule && PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA);
}

// False with an exception set.
bool read_trace_domain() {
  const Ref lib(PyImport_ImportModule("numpy.lib"));
  const Ref domain(lib ? PyObject_GetAttrString(lib.get(), "tracemalloc_domain") : nullptr);
  if (domain) trace_domain = static_cast<unsigned int>(PyLong_AsUnsignedLong(domain.get()));
  return !PyErr_Occurred();
}

// A handler that frees what malloc allocated, and counts.
int freed_in_trial;
void free_in_trial(void*, void* data, std::size_t) {
  std::free(data);
  ++freed_in_trial;
}
PyDataMem_Handler trial_handler = {
    "fastrelu_trial", 1, {nullptr, handler_malloc, handler_calloc, handler_realloc, free_in_trial}};

// Whether this NumPy keeps an array's handler where we write it.
bool keeps_handler_there(PyArrayObject* array) {
  const Ref current(PyDataMem_GetHandler());
  return current && PyArray_HANDLER(array) == current.get();
}

// Whether this NumPy gives memory back to the handler that an array was handed over with.
bool gives_back_to_handler(PyObject* trial) {
  constexpr npy_intp bytes = 16;
  void* const data = std::malloc(bytes);
  PyObject* const array = data ? new_array(NPY_UBYTE, {1, &bytes, nullptr, false}, data) : nullptr;
  if (!array) {
    std::free(data);
    return false;
  }
  hand_over(reinterpret_cast<PyArrayObject*>(array), trial);
  freed_in_trial = 0;
  Py_DECREF(array);
  return freed_in_trial == 1;
}

// NumPy promises neither. Costs 2 us, at import.
bool numpy_is_as_expected() {
  constexpr npy_intp bytes = 16;
  const Ref array(new_array(NPY_UBYTE, {1, &bytes, nullptr, false}, nullptr));
  const Ref trial(PyCapsule_New(&trial_handler, "mem_handler", nullptr));
  return array && trial && keeps_handler_there(array.get<PyArrayObject>()) && gives_back_to_handler(trial.get());
}

}  // namespace

int make_memory_handler() {
  if (capsule) return 0;
  if (!read_trace_domain()) return -1;
  const bool is_usable = numpy_is_as_expected();
  if (PyErr_Occurred()) return -1;
  if (is_usable) capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  return PyErr_Occurred() ? -1 : 0;
}

PyObject* new_result(int type_num, npy_intp bytes, const ArrayLayout& layout) {
  if (bytes >= recycle_from) {
    if (PyObject* const recycled = new_recycled_array(type_num, bytes, layout)) return recycled;
  }
  return new_array(type_num, layout, nullptr);
}

OutputMemory memory_of(PyArrayObject* result) {
  if (!is_recycled(result)) return OutputMemory::untouched;
  return is_warm(PyArray_DATA(result)) ? OutputMemory::used : OutputMemory::untouched_huge_pages;
}

}  // namespace fastrelu
