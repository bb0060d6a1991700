// SPDX-License-Identifier: BSD-3-Clause
//
// What an activity log holds: per place and function, how many elements were active, which units fired, how many results
// were NaN. Its own lock guards it; no Python code runs under that.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

#include "fired_units.h"
#include "numpy_api.h"

namespace fastrelu {

// One call, as a log takes it. The mask is 1 where an element is active.
struct Observation {
  const char* function;  // in static memory
  MaskedArray array;
  npy_intp elements, active, nans;
};

struct ActivityCounts {
  npy_intp calls = 0, elements = 0, active = 0, nans = 0;
  FiredUnits units;

  void add(const Observation& seen, const std::vector<int>& batch_axes);
  void add(const ActivityCounts& other);
};

// The text says where: a label, or file:line.
struct ActivityRow {
  std::string place;
  const char* function;
  ActivityCounts counts;
};

class ActivityLog {
 public:
  explicit ActivityLog(std::vector<int> batch_axes) : batch_axes_(std::move(batch_axes)) {}
  ~ActivityLog();
  ActivityLog(const ActivityLog&) = delete;
  ActivityLog& operator=(const ActivityLog&) = delete;

  // Where the caller's Python code is now. Must be called with the interpreter's consent; sets no exception.
  void record(PyObject* label, const Observation& seen);

  std::vector<ActivityRow> rows();  // since the beginning
  std::vector<ActivityRow> step();  // since the last step; begins the next
  void clear();
  void close() { is_open_ = false; }

 private:
  // An instruction of some code, which is held.
  struct Site {
    PyObject* code;
    int instruction;
    bool operator==(const Site& other) const { return code == other.code && instruction == other.instruction; }
  };
  struct SiteHash {
    std::size_t operator()(const Site& site) const {
      return std::hash<PyObject*>()(site.code) ^ static_cast<std::size_t>(site.instruction) * 0x9e3779b97f4a7c15;
    }
  };
  struct Entry {
    std::string place;
    const char* function;
    ActivityCounts earlier, now;
  };

  static constexpr int own_code = -1;  // of fastrelu: its caller is meant

  int place_of_label(PyObject* label);
  int place_of_caller();
  int place_of_site(const Site& site, PyObject* frame);
  int known_place(const Site& site, bool& known);
  int add_place(std::string text);
  Entry& entry_of(int place, const char* function);

  const std::vector<int> batch_axes_;
  std::atomic<bool> is_open_{true};
  std::mutex mutex_;
  std::vector<std::string> places_;
  std::unordered_map<std::string, int> place_numbers_;
  std::unordered_map<Site, int, SiteHash> sites_;
  std::unordered_map<PyObject*, int> labels_;  // held
  std::deque<Entry> entries_;
  std::vector<std::vector<Entry*>> entries_of_place_;
};

}  // namespace fastrelu
