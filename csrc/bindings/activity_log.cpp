// SPDX-License-Identifier: BSD-3-Clause
#include "activity_log.h"

#include <new>

#include "ref.h"
#include "ufuncs.h"

namespace fastrelu {
namespace {

PyFrameObject* as_frame(PyObject* frame) { return reinterpret_cast<PyFrameObject*>(frame); }

// All of it: two strings have the same text if they are equal.
std::string text_of(PyObject* string) {
  if (!string || !PyUnicode_Check(string)) return "?";
  const Ref bytes(PyUnicode_AsEncodedString(string, "utf-8", "surrogatepass"));
  if (!bytes.get()) {
    PyErr_Clear();
    throw std::bad_alloc();
  }
  return {PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
}

bool is_own_code(PyObject* frame) {
  const Ref globals(PyFrame_GetGlobals(as_frame(frame)));
  PyObject* const name = globals.get() ? PyDict_GetItemString(globals.get(), "__name__") : nullptr;
  const std::string module = name ? text_of(name) : "";
  return module == "fastrelu" || module.compare(0, 9, "fastrelu.") == 0;
}

std::string text_of_place(PyObject* code, PyObject* frame) {
  const Ref file(PyObject_GetAttrString(code, "co_filename"));
  if (!file.get()) PyErr_Clear();
  return text_of(file.get()) + ":" + std::to_string(PyFrame_GetLineNumber(as_frame(frame)));
}

}  // namespace

void ActivityCounts::add(const Observation& seen) {
  calls += 1;
  elements += seen.elements;
  active += seen.active;
  nans += seen.nans;
}

void ActivityCounts::add(const ActivityCounts& other) {
  calls += other.calls;
  elements += other.elements;
  active += other.active;
  nans += other.nans;
  units.add(other.units);
}

ActivityLog::~ActivityLog() {
  for (const auto& site : sites_) Py_DECREF(site.first.code);
  for (const auto& label : labels_) Py_DECREF(label.first);
}

// A place without a number, for lack of memory, is not found.
int ActivityLog::add_place(std::string text) {
  const auto found = place_numbers_.find(text);
  if (found != place_numbers_.end()) return found->second;
  const int number = static_cast<int>(places_.size());
  places_.push_back({text, {}});
  try {
    place_numbers_.emplace(std::move(text), number);
  } catch (...) {
    places_.pop_back();
    throw;
  }
  return number;
}

int ActivityLog::place_of_label(PyObject* label) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = labels_.find(label);
    if (found != labels_.end()) return found->second;
  }
  std::string text = text_of(label);
  const std::lock_guard<std::mutex> lock(mutex_);
  const int place = add_place(std::move(text));
  if (labels_.emplace(label, place).second) Py_INCREF(label);
  return place;
}

int ActivityLog::known_place(const Site& site, bool& known) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sites_.find(site);
  known = found != sites_.end();
  return known ? found->second : own_code;
}

int ActivityLog::place_of_site(const Site& site, PyObject* frame) {
  bool known;
  const int place = known_place(site, known);
  if (known) return place;
  const bool own = is_own_code(frame);
  std::string text = own ? "" : text_of_place(site.code, frame);
  const std::lock_guard<std::mutex> lock(mutex_);
  const int added = own ? own_code : add_place(std::move(text));
  if (sites_.emplace(site, added).second) Py_INCREF(site.code);
  return added;
}

int ActivityLog::place_of_caller() {
  PyObject* frame = Py_XNewRef(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  while (frame) {
    const Ref current(frame);
    const Ref code(reinterpret_cast<PyObject*>(PyFrame_GetCode(as_frame(frame))));
    const int place = place_of_site({code.get(), PyFrame_GetLasti(as_frame(frame))}, frame);
    if (place != own_code) return place;
    frame = reinterpret_cast<PyObject*>(PyFrame_GetBack(as_frame(frame)));
  }
  PyErr_Clear();  // where there is no memory for a frame
  const std::lock_guard<std::mutex> lock(mutex_);
  return add_place("?");
}

int ActivityLog::find_place(PyObject* label) {
  if (!is_open_) return own_code;
  return label ? place_of_label(label) : place_of_caller();
}

ActivityLog::Entry* ActivityLog::find_entry(int place, const char* function) {
  for (Entry* const entry : places_[static_cast<std::size_t>(place)].entries) {
    if (entry->function == function) return entry;
  }
  return nullptr;
}

ActivityLog::Entry& ActivityLog::entry_of(int place, const char* function) {
  if (Entry* const entry = find_entry(place, function)) return *entry;
  std::vector<Entry*>& entries = places_[static_cast<std::size_t>(place)].entries;
  entries.reserve(entries.size() + 1);
  entries_.push_back({place, function, {}, {}});
  entries.push_back(&entries_.back());
  return entries_.back();
}

ActivityLog::OpenCall ActivityLog::begin(int place, const char* function, const ArrayShape& array) {
  static const FiredUnits nothing_yet;
  if (!is_open_ || place == own_code) return {};
  const std::lock_guard<std::mutex> lock(mutex_);
  const Entry* const entry = find_entry(place, function);
  const FiredUnits& units = entry ? entry->now.units : nothing_yet;
  OpenCall call{place, function, era_, nullptr, {}};
  try {
    std::shared_ptr<const UnitLayout> layout = units.layout_of(array, batch_axes_);
    call.marker = units.marker(layout, active_isa().reduction(Reduce::any_bits, DType::uint8));
    call.layout = std::move(layout);
  } catch (const std::bad_alloc&) {
  }
  return call;
}

void ActivityLog::end(const OpenCall& call, const Observation& seen) {
  if (!is_open_ || call.place == own_code) return;
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    add(call, seen);
  } catch (const std::bad_alloc&) {
    miss();
  }
}

void ActivityLog::add(const OpenCall& call, const Observation& seen) {
  if (call.era < cleared_) return;
  Entry& entry = entry_of(call.place, call.function);
  // What the marker knows is of its own era.
  ActivityCounts& counts = call.era == era_ ? entry.now : entry.earlier;
  counts.add(seen);
  if (!call.layout) return counts.units.forget();
  try {
    counts.units.add(call.layout, call.marker);
  } catch (const std::bad_alloc&) {
    counts.units.forget();
  }
}

ActivityRow ActivityLog::row_of(const Entry& entry, const ActivityCounts& counts) const {
  return {places_[static_cast<std::size_t>(entry.place)].text, entry.function, counts};
}

std::vector<ActivityRow> ActivityLog::rows() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ActivityRow> rows;
  for (const Entry& entry : entries_) {
    rows.push_back(row_of(entry, entry.earlier));
    rows.back().counts.add(entry.now);
  }
  return rows;
}

std::vector<ActivityRow> ActivityLog::step() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ActivityRow> rows;
  std::vector<ActivityCounts> totals;
  for (const Entry& entry : entries_) {
    if (entry.now.calls) rows.push_back(row_of(entry, entry.now));
    totals.push_back(entry.earlier);
    totals.back().add(entry.now);
  }
  ++era_;  // from here on nothing fails
  auto total = totals.begin();
  for (Entry& entry : entries_) {
    entry.earlier = std::move(*total++);
    entry.now = {};
  }
  return rows;
}

void ActivityLog::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cleared_ = ++era_;
  missed_ = 0;
  entries_.clear();
  for (Place& place : places_) place.entries.clear();
}

}  // namespace fastrelu
