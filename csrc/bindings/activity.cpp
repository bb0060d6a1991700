// SPDX-License-Identifier: BSD-3-Clause
#include "activity.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "dense_arrays.h"

namespace py = pybind11;

namespace fastrelu {
namespace {

constexpr const char* capsule_name = "fastrelu.activity_log";

std::atomic<int> observers{0};              // open logs
PyObject* logs_variable;                    // a ContextVar: a tuple of pairs, each a log and its label or None
thread_local std::size_t observations = 0;  // so that a call inside of another is not counted twice

// New reference to the logs of the current context, or null.
PyObject* current_logs() {
  PyObject* logs = nullptr;
  if (PyContextVar_Get(logs_variable, nullptr, &logs) < 0) PyErr_Clear();
  if (logs && PyTuple_GET_SIZE(logs) == 0) Py_CLEAR(logs);
  return logs;
}

ActivityLog& log_of(PyObject* capsule) {
  return *static_cast<ActivityLog*>(PyCapsule_GetPointer(capsule, capsule_name));
}

ActivityLog& log_at(PyObject* logs, Py_ssize_t i) { return log_of(PyTuple_GET_ITEM(PyTuple_GET_ITEM(logs, i), 0)); }

// Null: none.
PyObject* label_at(PyObject* logs, Py_ssize_t i) {
  PyObject* const label = PyTuple_GET_ITEM(PyTuple_GET_ITEM(logs, i), 1);
  return label == Py_None ? nullptr : label;
}

// Runs a step of counting. If it fails, the call does not: it is missed.
template <class Run> void count(ObservedCall& observed, Run run) {
  try {
    run();
  } catch (const std::exception&) {
    observed.miss();
  }
}

// The array may have changed since it was counted: error callbacks are Python code.
bool is_countable(PyArrayObject* array) { return is_dense(reinterpret_cast<PyObject*>(array)) && dtype_of(array); }

Found count_where(MaskOp op, PyArrayObject* dense, const MaskWatch& watch = {}) {
  return count_where(op, dense, *dtype_of(dense), watch);
}

// keep and positive differ on NaN alone.
npy_intp count_nans(PyArrayObject* dense) {
  return count_where(MaskOp::keep, dense).active - count_where(MaskOp::positive, dense).active;
}

// Counts NaNs if found.nan says that there may be some. The result may be null if the call is missed.
void end(ObservedCall& observed, const Found& found, PyObject* result) {
  npy_intp nans = 0;
  count(observed, [&] {
    if (observed.is_missed() || !found.nan) return;
    if (is_countable(as_array(result))) {
      nans = count_nans(as_array(result));
    } else {
      observed.miss();
    }
  });
  observed.end(found.active, nans);
}

// Values of a plain kind, which may be converted without calling anybody's code.
bool is_plain_value(PyObject* object) {
  return PyArray_Check(object) || PyArray_CheckScalar(object) || PyFloat_Check(object) || PyLong_Check(object) ||
         PyList_Check(object) || PyTuple_Check(object);
}

// Dense, in C order and native: a copy if need be. Null, without an exception, if that is not possible. For lack of memory,
// the call is missed.
Ref new_dense(ObservedCall& observed, PyObject* object) {
  PyObject* dense = nullptr;
  if (!is_plain_value(object)) return Ref(dense);
  const Ref array(PyArray_FromAny(object, nullptr, 0, 0, NPY_ARRAY_ENSUREARRAY, nullptr));
  if (array && meet_array(array.get()) == 0 && dtype_of(array.get<PyArrayObject>())) {
    PyArray_Descr* const native = PyArray_DescrFromType(PyArray_TYPE(array.get<PyArrayObject>()));
    dense = PyArray_FromArray(array.get<PyArrayObject>(), native, NPY_ARRAY_CARRAY_RO);  // takes the dtype
  }
  if (!dense && PyErr_ExceptionMatches(PyExc_MemoryError)) observed.miss();
  if (!dense) PyErr_Clear();
  return Ref(dense);
}

struct VectorCall {
  int index;
  PyObject* ufunc;
  PyObject* const* args;
  std::size_t nargsf;
  PyObject* kwnames;

  Py_ssize_t nargs() const { return PyVectorcall_NARGS(nargsf); }
};

// The entry of a ufunc's calls while there is a log, and the one that it replaces: that of fastcall.cpp, or of another package.
struct Entry {
  PyUFuncObject* ufunc;  // null: it is not observed
  vectorcallfunc original, observed;
  std::atomic<vectorcallfunc> plain;
  bool is_installed;  // perhaps below one of another package
};

Entry entries[ufunc_count];

PyObject* call_plainly(const VectorCall& call) {
  const vectorcallfunc plain = entries[call.index].plain.load(std::memory_order_acquire);
  return plain(call.ufunc, call.args, call.nargsf, call.kwnames);
}

// Runs the call as usual, then a pass over its result: for all arguments that run_forward_for does not take.
PyObject* observe_result(ObservedCall& observed, const VectorCall& call) {
  const std::size_t before = observations;
  PyObject* const result = call_plainly(call);
  if (!result || observations != before) return result;
  const Ref dense = new_dense(observed, result);
  Found found{};
  if (dense) {
    auto* const array = dense.get<PyArrayObject>();
    observed.begin(array);
    count(observed, [&] { found = count_where(MaskOp::keep, array, observed.watch()); });
  }
  if (dense || observed.is_missed()) end(observed, found, dense.get());
  return result;
}

// The same for a function that asks x, with a pass over x before the call, which may overwrite it.
PyObject* observe_x(ObservedCall& observed, const VectorCall& call) {
  const Ref x = call.nargs() > 0 ? new_dense(observed, call.args[0]) : Ref();
  Found found{};
  if (x) {
    auto* const array = x.get<PyArrayObject>();
    observed.begin(array);
    count(observed, [&] { found = count_where(MaskOp::positive, array, observed.watch()); });
  }
  const std::size_t before = observations;
  PyObject* const result = call_plainly(call);
  const bool is_counted = result && observations == before;
  const Ref dense = is_counted && x ? new_dense(observed, result) : Ref();
  found.nan = true;  // the product of x and the slope may be one
  if (dense || (is_counted && observed.is_missed())) end(observed, found, dense.get());
  return result;
}

// Whether the arguments are x, perhaps a slope and out=, and nothing else.
bool read_forward(const UfuncSpec& spec, const VectorCall& vectorcall, MaskedForward& call) {
  const bool is_leaky = traits_of(spec.op).watched == Watched::by_positive;
  const Py_ssize_t nargs = vectorcall.nargs();
  if (nargs < 1 || nargs > 1 + is_leaky) return false;
  PyObject *slope = nargs == 2 ? vectorcall.args[1] : nullptr, *out = nullptr;
  const Py_ssize_t keywords = vectorcall.kwnames ? PyTuple_GET_SIZE(vectorcall.kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(vectorcall.kwnames, i);
    if (!out && PyUnicode_CompareWithASCIIString(name, "out") == 0) {
      out = vectorcall.args[nargs + i];
    } else if (is_leaky && !slope && PyUnicode_CompareWithASCIIString(name, "negative_slope") == 0) {
      slope = vectorcall.args[nargs + i];
    } else {
      return false;
    }
  }
  const MaskOp op = is_leaky ? MaskOp::leaky_relu : MaskOp::relu;
  if (prepare_forward(spec.name, op, vectorcall.args[0], slope, out == Py_None ? nullptr : out, call)) return true;
  PyErr_Clear();
  return false;
}

// May be called when there is no log any more: by a package that found this entry in the ufunc and put its own above.
template <int index>
PyObject* observed_call(PyObject* ufunc, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  const VectorCall vectorcall{index, ufunc, args, nargsf, kwnames};
  ObservedCall observed(spec.name);
  // With where=, results that are not selected are undefined, so nothing is counted.
  if (!observed.is_observed() || find_keyword(kwnames, "where") >= 0) return call_plainly(vectorcall);
  return caught<PyObject*>(nullptr, [&] {
    MaskedForward call;
    if (traits_of(spec.op).watched != Watched::by_result && read_forward(spec, vectorcall, call)) {
      return run_forward_for(observed, call, nullptr);
    }
    return traits_of(spec.op).watched == Watched::by_positive ? observe_x(observed, vectorcall)
                                                              : observe_result(observed, vectorcall);
  });
}

bool has_vectorcall(PyUFuncObject* ufunc) {
  return Py_TYPE(reinterpret_cast<PyObject*>(ufunc))->tp_vectorcall_offset == offsetof(PyUFuncObject, vectorcall);
}

// Other threads call the ufunc meanwhile. Without a GIL, Python reads the field as it is.
vectorcallfunc load(const vectorcallfunc& entry) {
#if defined(__GNUC__)
  return __atomic_load_n(&entry, __ATOMIC_ACQUIRE);
#else
  return entry;
#endif
}

void store(vectorcallfunc& entry, vectorcallfunc value) {
#if defined(__GNUC__)
  __atomic_store_n(&entry, value, __ATOMIC_RELEASE);
#else
  entry = value;
#endif
}

// Another package may replace entries, too. It calls the one that it has found, so an entry of its own above ours is left
// alone, and ours is not installed again above that, where the two would call each other for ever.
bool is_below_another(const Entry& entry, vectorcallfunc found) {
  return entry.is_installed && found != entry.observed && found != entry.plain && found != entry.original;
}

void install(Entry& entry) {
  const vectorcallfunc found = load(entry.ufunc->vectorcall);
  if (is_below_another(entry, found)) return;
  entry.is_installed = true;
  if (found == entry.observed) return;
  entry.plain.store(found, std::memory_order_release);
  store(entry.ufunc->vectorcall, entry.observed);
}

void remove(Entry& entry) {
  const vectorcallfunc found = load(entry.ufunc->vectorcall);
  entry.is_installed = is_below_another(entry, found);
  if (found == entry.observed) store(entry.ufunc->vectorcall, entry.plain.load(std::memory_order_acquire));
}

std::mutex swapping;

template <class Swap> void swap_entries(Swap swap) {
  for (Entry& entry : entries) {
    if (entry.ufunc) swap(entry);
  }
}

void start_observing() {
  const std::lock_guard<std::mutex> lock(swapping);
  if (observers++ == 0) swap_entries(install);
}

void stop_observing() {
  const std::lock_guard<std::mutex> lock(swapping);
  if (--observers == 0) swap_entries(remove);
}

void define_entries(const py::tuple& ufuncs) {
  for (int index = 0; index < ufunc_count; ++index) {
    auto* const ufunc = reinterpret_cast<PyUFuncObject*>(PyTuple_GET_ITEM(ufuncs.ptr(), index));
    if (traits_of(ufunc_specs[index].op).watched == Watched::no || !has_vectorcall(ufunc)) continue;
    Entry& entry = entries[index];
    entry.ufunc = ufunc;
    entry.original = ufunc->vectorcall;
    entry.observed = instance_for(index, [](auto i) -> vectorcallfunc { return observed_call<i>; });
    entry.plain = entry.original;
  }
}

py::capsule new_log(std::vector<int> batch_axes) {
  return py::capsule(new ActivityLog(std::move(batch_axes)), capsule_name,
                     [](PyObject* capsule) { delete &log_of(capsule); });
}

py::list listed(const std::vector<ActivityRow>& rows) {
  py::list list;
  for (const ActivityRow& row : rows) {
    const ActivityCounts& counts = row.counts;
    const auto size = static_cast<Py_ssize_t>(row.place.size());
    const auto place = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(row.place.data(), size, "surrogatepass"));
    if (!place) throw py::error_already_set();
    list.append(py::make_tuple(place, row.function, counts.calls, counts.elements, counts.active, counts.nans,
                               counts.units.units(), counts.units.dead()));
  }
  return list;
}

}  // namespace

ObservedCall::ObservedCall(const char* function)
    : logs_(observers.load(std::memory_order_relaxed) ? current_logs() : nullptr), function_(function) {
  if (!logs_) return;
  count(*this, [&] {
    const Py_ssize_t logs = PyTuple_GET_SIZE(logs_);
    calls_.reserve(static_cast<std::size_t>(logs));
    for (Py_ssize_t i = 0; i < logs; ++i) {
      ActivityLog& log = log_at(logs_, i);
      calls_.push_back({&log, log.find_place(label_at(logs_, i)), {}});
    }
  });
}

void ObservedCall::begin(PyArrayObject* array) {
  elements_ = PyArray_SIZE(array);
  for (Call& call : calls_) {
    call.open = call.log->begin(call.place, function_, {PyArray_NDIM(array), PyArray_DIMS(array)});
  }
}

MaskWatch ObservedCall::watch() {
  if (std::none_of(calls_.begin(), calls_.end(), [](const Call& call) { return call.open.marker.has_value(); })) {
    return {};
  }
  return [this](npy_intp begin, npy_intp end, const std::uint8_t* bits) {
    for (Call& call : calls_) {
      if (call.open.marker) call.open.marker->mark(begin, end, bits);
    }
  };
}

void ObservedCall::end(npy_intp active, npy_intp nans) {
  ++observations;
  if (!is_missed_) {
    for (const Call& call : calls_) call.log->end(call.open, {elements_, active, nans});
    return;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(logs_); ++i) log_at(logs_, i).miss();
}

PyObject* run_forward_for(ObservedCall& observed, MaskedForward& call, std::uint8_t* mask) {
  Found found;
  if (!observed.is_observed()) return run_forward(call, mask, found);
  observed.begin(call.x);
  PyObject* const result = run_forward(call, mask, found, observed.watch());
  if (result) end(observed, found, result);
  return result;
}

void define_activity(PyObject* module, PyObject* ufuncs) {
  auto m = py::reinterpret_borrow<py::module_>(module);
  define_entries(py::reinterpret_borrow<py::tuple>(ufuncs));
  logs_variable = PyContextVar_New("fastrelu.activity", nullptr);
  if (!logs_variable) throw py::error_already_set();
  m.attr("activity_logs") = py::reinterpret_borrow<py::object>(logs_variable);
  m.def("start_observing", start_observing);
  m.def("stop_observing", stop_observing);
  m.def("new_activity_log", new_log, py::arg("batch_axes"));
  m.def("activity_rows", [](const py::capsule& log) { return listed(log_of(log.ptr()).rows()); });
  m.def("step_activity", [](const py::capsule& log) { return listed(log_of(log.ptr()).step()); });
  m.def("missed_activity", [](const py::capsule& log) { return log_of(log.ptr()).missed(); });
  m.def("clear_activity", [](const py::capsule& log) { log_of(log.ptr()).clear(); });
  m.def("close_activity", [](const py::capsule& log) { log_of(log.ptr()).close(); });
}

}  // namespace fastrelu
