// SPDX-License-Identifier: BSD-3-Clause
//
// The extension module fastrelu._core.
#define FASTRELU_IMPORT_NUMPY
#include "numpy_api.h"

#include <pybind11/pybind11.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../runtime/dispatch.h"
#include "../runtime/parallel.h"
#include "../runtime/recycle.h"
#include "../runtime/system_info.h"
#include "activity.h"
#include "arguments.h"
#include "checks.h"
#include "exceptions.h"
#include "fastcall.h"
#include "gil.h"
#include "mask_object.h"
#include "memory.h"
#include "methods.h"
#include "ref.h"
#include "ufuncs.h"
#include "user_dtypes.h"

namespace py = pybind11;
using namespace fastrelu;

namespace {

#if defined(__clang__)
constexpr const char* compiler = "Clang " __clang_version__;
#elif defined(__GNUC__)
constexpr const char* compiler = "GCC " __VERSION__;
#elif defined(_MSC_VER)
constexpr const char* compiler = "MSVC";
#else
constexpr const char* compiler = "unknown";
#endif

void import_numpy() {
  if (PyArray_ImportNumPyAPI() < 0 || PyUFunc_ImportUFuncAPI() < 0) throw py::error_already_set();
}

py::tuple names_of(const std::vector<const Isa*>& isas) {
  py::tuple names(isas.size());
  for (std::size_t i = 0; i < isas.size(); ++i) names[i] = py::str(isas[i]->name);
  return names;
}

std::string listed(const std::vector<const Isa*>& isas) {
  std::string names;
  for (const Isa* isa : isas) names += (names.empty() ? "" : ", ") + std::string(isa->name);
  return names;
}

// Bytes that are not text appear as \xff.
std::string printable(const char* text) {
  const auto length = static_cast<Py_ssize_t>(std::strlen(text));
  return py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(text, length, "backslashreplace"));
}

const Isa& chosen_isa() {
  const char* const wanted = std::getenv("FASTRELU_ISA");
  if (!wanted || !*wanted) return *available_isas().front();
  if (const Isa* const isa = find_available(wanted)) return *isa;
  throw py::import_error("FASTRELU_ISA=" + printable(wanted) + ": this processor runs " + listed(available_isas()) +
                         "; this build contains " + listed(compiled_isas()));
}

std::string switch_isa(const std::string& name) {
  const std::string previous = active_isa().name;
  const Isa* const isa = find_available(name.c_str());
  if (!isa) throw py::value_error("no instruction set " + name + " here; there are " + listed(available_isas()));
  use_isa(*isa);
  return previous;
}

py::tuple make_ufuncs() {
  py::tuple ufuncs(ufunc_count);
  for (int index = 0; index < ufunc_count; ++index) {
    auto ufunc = py::reinterpret_steal<py::object>(make_ufunc(index));
    if (!ufunc || install_fastcall(ufunc.ptr(), index) < 0) throw py::error_already_set();
    ufuncs[static_cast<std::size_t>(index)] = ufunc;
  }
  return ufuncs;
}

py::tuple recycle_counts() {
  const RecycleInfo info = recycle_info();
  return py::make_tuple(info.limit, info.held, info.blocks, info.reused, info.mapped);
}

// Giving memory back takes 2.4 us per MiB.
void set_limit(std::size_t bytes) {
  without_gil([=] { set_recycle_limit(bytes); });
}

std::size_t trim() {
  std::size_t bytes = 0;
  without_gil([&] { bytes = trim_recycled(); });
  return bytes;
}

void define_threads(py::module_& m) {
  m.attr("max_threads") = max_threads;
  m.def("get_num_threads", num_threads);
  m.def("set_num_threads", set_num_threads, py::arg("n"));
}

void define_recycling(py::module_& m) {
  m.def("set_recycle_limit", set_limit, py::arg("bytes"));
  m.def("recycle_info", recycle_counts);
  m.def("trim", trim);
}

void define_functions(py::module_& m) {
  for (PyMethodDef* const methods :
       {lookup_methods, maxout_methods, softmax_methods, mask_methods, gradient_methods, count_methods}) {
    if (PyModule_AddFunctions(m.ptr(), methods) < 0) throw py::error_already_set();
  }
}

// Files are read in Python alone. How many threads there are, and what is put aside at most, Python sets as users do: until
// then it is one thread, and nothing.
void prepare_runtime() {
  const py::module_ system = py::module_::import("fastrelu._system");
  system_info = {system.attr("last_cache")().cast<std::ptrdiff_t>(), system.attr("huge_pages")().cast<bool>()};
  prepare_parallel();
  prepare_recycling();
}

void define(py::module_ m) {
  import_numpy();
  use_isa(chosen_isa());
  prepare_runtime();
  if (make_memory_handler() < 0 || find_warn_on_write() < 0 || import_checks() < 0) throw py::error_already_set();
  const py::tuple ufuncs = make_ufuncs();
  for (const py::handle ufunc : ufuncs) m.attr(py::str(ufunc.attr("__name__"))) = ufunc;
  m.attr("ufuncs") = ufuncs;
  m.attr("compiler") = compiler;

  m.def("isa", [] { return active_isa().name; });
  m.def("available_isas", [] { return names_of(available_isas()); });
  m.def("compiled_isas", [] { return names_of(compiled_isas()); });
  m.def("use_isa", switch_isa, py::arg("name"));
  define_mask_type(m.ptr());
  define_functions(m);
  define_activity(m.ptr(), ufuncs.ptr());
  define_user_dtypes(m.ptr());
  define_threads(m);
  define_recycling(m);
}

PyObject* only_module;  // of the process, when it is complete

// NumPy's types belong to the interpreter that imported NumPy, and so do our ufuncs. pybind11 must not be asked before: up
// to Python 3.11 it would wait for the GIL that its own thread holds.
PyObject* create(PyObject* spec, PyModuleDef*) {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError, "fastrelu can be imported in the main interpreter of a process only");
    return nullptr;
  }
  if (only_module) return Py_NewRef(only_module);
  const Ref name(PyObject_GetAttrString(spec, "name"));
  return name ? PyModule_NewObject(name.get()) : nullptr;
}

// An import that failed may be tried again.
int execute(PyObject* module) {
  if (only_module) return 0;
  const int status = caught(-1, [&] {
    define(py::reinterpret_borrow<py::module_>(module));
    only_module = Py_NewRef(module);
    return 0;
  });
  if (status < 0 && !PyErr_ExceptionMatches(PyExc_ImportError)) {
    py::raise_from(PyExc_ImportError, "fastrelu._core cannot be loaded");
  }
  return status;
}

template <class Function> void* slot(Function* function) { return reinterpret_cast<void*>(function); }

}  // namespace

PyMODINIT_FUNC PyInit__core() {
  static PyModuleDef_Slot slots[] = {
      {Py_mod_create, slot(create)},
      {Py_mod_exec, slot(execute)},
#ifdef Py_mod_multiple_interpreters
      {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#ifdef Py_mod_gil
      {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
      {0, nullptr},
  };
  static PyModuleDef definition{PyModuleDef_HEAD_INIT, "_core", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr};
  return PyModuleDef_Init(&definition);
}
