// SPDX-License-Identifier: BSD-3-Clause
//
// Observes calls for the activity logs of the current context (fastrelu.activity). While there is a log anywhere, the
// ufuncs' vectorcall entries are others, which also count; without one they are as they were, and cost nothing.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "activity_log.h"
#include "mask_call.h"
#include "ref.h"

namespace fastrelu {

// A call, as all logs of the current context see it, if there are any. Counting makes no call fail: what there was no memory
// for, the logs count as missed.
class ObservedCall {
 public:
  // Finds out who observes, and where the call is made. Garbage collection may run Python code here, so what the call needs
  // of its arrays is to be read afterwards.
  explicit ObservedCall(const char* function);
  ~ObservedCall() { give_back(logs_); }
  ObservedCall(const ObservedCall&) = delete;
  ObservedCall& operator=(const ObservedCall&) = delete;

  bool is_observed() const { return logs_ != nullptr; }

  // Before and after all of the array has been shown to the watch. The watch is empty if no log asks for units. No Python
  // code runs in these.
  void begin(PyArrayObject* array);
  MaskWatch watch();
  void end(npy_intp active, npy_intp nans);

  void miss() { is_missed_ = true; }
  bool is_missed() const { return is_missed_; }

 private:
  struct Call {
    ActivityLog* log;
    int place;
    ActivityLog::OpenCall open;
  };

  PyObject* const logs_;
  const char* const function_;
  npy_intp elements_ = 0;
  std::vector<Call> calls_;
  bool is_missed_ = false;
};

// As run_forward, seen by that observer.
PyObject* run_forward_for(ObservedCall& observed, MaskedForward& call, std::uint8_t* mask);

// The module's functions for fastrelu._activity; the ufuncs in the order of ufunc_specs.
void define_activity(pybind11::module_& m, const pybind11::tuple& ufuncs);

}  // namespace fastrelu
