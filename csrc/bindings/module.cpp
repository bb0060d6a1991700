// SPDX-License-Identifier: BSD-3-Clause
//
// The extension module fastrelu._core.
#define FASTRELU_IMPORT_NUMPY
#include "numpy_api.h"

#include <pybind11/pybind11.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "../kernels/dispatch.h"
#include "../runtime/memory_limit.h"
#include "../runtime/parallel.h"
#include "../runtime/recycle.h"
#include "activity.h"
#include "arguments.h"
#include "checks.h"
#include "docs.h"
#include "fastcall.h"
#include "gil.h"
#include "lookup.h"
#include "mask_call.h"
#include "maxout.h"
#include "memory.h"
#include "reductions.h"
#include "ufuncs.h"

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

const Isa& chosen_isa() {
  const char* const wanted = std::getenv("FASTRELU_ISA");
  if (!wanted || !*wanted) return *available_isas().front();
  if (const Isa* const isa = find_available(wanted)) return *isa;
  throw py::import_error("FASTRELU_ISA=" + std::string(wanted) + ": this processor runs " + listed(available_isas()) +
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
  m.def("default_num_threads", default_num_threads);
}

void define_recycling(py::module_& m) {
  m.def("set_recycle_limit", set_limit, py::arg("bytes"));
  m.def("recycle_info", recycle_counts);
  m.def("trim", trim);
  m.def("cgroup_memory_limit", [](const std::string& root) { return cgroup_memory_limit(root); }, py::arg("root"));
}

void define_functions(py::module_& m) {
  for (PyMethodDef* const methods : {lookup_methods, maxout_methods, mask_methods, reduction_methods}) {
    if (PyModule_AddFunctions(m.ptr(), methods) < 0) throw py::error_already_set();
  }
}

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  import_numpy();
  use_isa(chosen_isa());
  if (make_memory_handler() < 0 || find_warn_on_write() < 0 || import_checks() < 0) throw py::error_already_set();
  const py::tuple ufuncs = make_ufuncs();
  for (const py::handle ufunc : ufuncs) m.attr(py::str(ufunc.attr("__name__"))) = ufunc;
  m.attr("ufuncs") = ufuncs;
  m.attr("compiler") = compiler;

  m.def("isa", [] { return active_isa().name; }, docs::isa);
  m.def("available_isas", [] { return names_of(available_isas()); }, docs::available_isas);
  m.def("compiled_isas", [] { return names_of(compiled_isas()); });
  m.def("use_isa", switch_isa, py::arg("name"));
  define_functions(m);
  define_activity(m, ufuncs);
  define_threads(m);
  define_recycling(m);
}
