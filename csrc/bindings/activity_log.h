// SPDX-License-Identifier: BSD-3-Clause
//
// What an activity log holds: per place and function, how many elements were active, which units fired, how many results
// were NaN. Its own lock guards it; no Python code runs under that.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "fired_units.h"
#include "numpy_api.h"

namespace fastrelu {

// What was seen of one call.
struct Observation {
  npy_intp elements, active, nans;
};

struct ActivityCounts {
  npy_intp calls = 0, elements = 0, active = 0, nans = 0;
  FiredUnits units;

  void add(const Observation& seen);  // all but its units
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
  static constexpr int own_code = -1;  // a place in fastrelu: its caller is meant

  // A call that is under way. Active units are marked, if there is a marker.
  struct OpenCall {
    int place = own_code;
    const char* function = nullptr;
    ArrayShape array{};
    unsigned era = 0;
    std::optional<UnitMarker> marker;
  };

  explicit ActivityLog(std::vector<int> batch_axes) : batch_axes_(std::move(batch_axes)) {}
  ~ActivityLog();
  ActivityLog(const ActivityLog&) = delete;
  ActivityLog& operator=(const ActivityLog&) = delete;

  // A call at the label or, if that is null, where the caller's Python code is now. `function` is in static memory; the
  // shape must stay until the end. Both must be called with the interpreter's consent, and set no exception. A call that
  // fails is not ended; one that began before a step ended is of no step, but of the whole.
  OpenCall begin(PyObject* label, const char* function, const ArrayShape& array);
  void end(const OpenCall& call, const Observation& seen);

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

  int place_of(PyObject* label);
  int place_of_label(PyObject* label);
  int place_of_caller();
  int place_of_site(const Site& site, PyObject* frame);
  int known_place(const Site& site, bool& known);
  int add_place(std::string text);
  Entry* find_entry(int place, const char* function);
  Entry& entry_of(int place, const char* function);

  const std::vector<int> batch_axes_;
  std::atomic<bool> is_open_{true};
  std::mutex mutex_;
  unsigned era_ = 0;      // begins with each step
  unsigned cleared_ = 0;  // the era that began with the last clear()
  std::vector<std::string> places_;
  std::unordered_map<std::string, int> place_numbers_;
  std::unordered_map<Site, int, SiteHash> sites_;
  std::unordered_map<PyObject*, int> labels_;  // held
  std::deque<Entry> entries_;
  std::vector<std::vector<Entry*>> entries_of_place_;
};

}  // namespace fastrelu
