// SPDX-License-Identifier: BSD-3-Clause
//
// Observes calls for the activity logs of the current context (fastrelu.activity). While there is a log anywhere, the
// ufuncs' vectorcall entries are replaced by entries that also count. Without a log nothing is replaced, and nothing costs.
#pragma once

#include <vector>

#include "activity_log.h"
#include "mask_call.h"
#include "ref.h"

namespace fastrelu {

// A call as the logs of the current context see it, if there are any. Counting makes no call fail: for lack of memory, the
// logs count a call as missed.
class ObservedCall {
 public:
  // Finds the logs, and the place of the call. Garbage collection may run Python code here, so arrays must be read later.
  explicit ObservedCall(const char* function);
  ~ObservedCall() { give_back(logs_); }
  ObservedCall(const ObservedCall&) = delete;
  ObservedCall& operator=(const ObservedCall&) = delete;

  bool is_observed() const { return logs_ != nullptr; }

  // begin() before the watch sees the first bits of the array, end() after it has seen all. The watch is empty if no log asks
  // for units. These run no Python code.
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

// As run_forward, observed.
PyObject* run_forward_for(ObservedCall& observed, MaskedForward& call, std::uint8_t* mask);

// The module's functions for fastrelu._activity; `ufuncs` is a tuple in the order of ufunc_specs.
void define_activity(PyObject* module, PyObject* ufuncs);

}  // namespace fastrelu
