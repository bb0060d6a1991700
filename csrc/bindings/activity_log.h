// SPDX-License-Identifier: BSD-3-Clause
//
// What an activity log holds: per place and function, how many elements were active, which units fired, how many results
// were NaN. Its own lock guards it; no Python code runs under that.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "../runtime/units.h"
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

// The text says where: a label, or file:line, in UTF-8 with any surrogates that it has.
struct ActivityRow {
  std::string place;
  const char* function;
  ActivityCounts counts;
};

class ActivityLog {
 public:
  static constexpr int own_code = -1;  // a place in fastrelu: its caller is meant

  // A call that is under way. Active units are marked, if there is a marker; without a layout there was no memory for it.
  struct OpenCall {
    int place = own_code;
    const char* function = nullptr;
    unsigned era = 0;
    std::shared_ptr<const UnitLayout> layout;
    std::optional<UnitMarker> marker;
  };

  explicit ActivityLog(std::vector<int> batch_axes) : batch_axes_(std::move(batch_axes)) {}
  ~ActivityLog();
  ActivityLog(const ActivityLog&) = delete;
  ActivityLog& operator=(const ActivityLog&) = delete;

  // The label or, if that is null, where the caller's Python code is now. Must be called with the interpreter's consent, and
  // sets no exception; garbage collection may run Python code. Throws std::bad_alloc.
  int find_place(PyObject* label);

  // A call there. `function` is in static memory. A call that fails is not ended; one that began before a step ended is of
  // no step, but of the whole. No Python code runs in these, and nothing is thrown: without memory for units the row's are
  // unknown, without any the call is missed.
  OpenCall begin(int place, const char* function, const ArrayShape& array);
  void end(const OpenCall& call, const Observation& seen);
  void miss() {
    if (is_open_) ++missed_;
  }

  npy_intp missed() const { return missed_; }  // since the beginning
  std::vector<ActivityRow> rows();             // since the beginning
  std::vector<ActivityRow> step();             // since the last step; begins the next
  void clear();
  void close() { is_open_ = false; }

 private:
  // An instruction of some code object, to which a reference is held.
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
    int place;
    const char* function;
    ActivityCounts earlier, now;
  };
  struct Place {
    std::string text;
    std::vector<Entry*> entries;
  };

  int place_of_label(PyObject* label);
  int place_of_caller();
  int place_of_site(const Site& site, PyObject* frame);
  int known_place(const Site& site, bool& known);
  int add_place(std::string text);
  Entry* find_entry(int place, const char* function);
  Entry& entry_of(int place, const char* function);
  void add(const OpenCall& call, const Observation& seen);
  ActivityRow row_of(const Entry& entry, const ActivityCounts& counts) const;

  const std::vector<int> batch_axes_;
  std::atomic<bool> is_open_{true};
  std::atomic<npy_intp> missed_{0};
  std::mutex mutex_;
  unsigned era_ = 0;      // begins with each step
  unsigned cleared_ = 0;  // the era that began with the last clear()
  std::deque<Place> places_;
  std::unordered_map<std::string, int> place_numbers_;
  std::unordered_map<Site, int, SiteHash> sites_;
  std::unordered_map<PyObject*, int> labels_;  // held
  std::deque<Entry> entries_;
};

}  // namespace fastrelu
