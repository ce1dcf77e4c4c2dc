// Metrics: every name, its type and its help text stand in one table (obs/metrics.cc). Handles are resolved when a
// component is built and bumped per batch, never per event. Handles are cheap to copy, safe from any thread and never
// dangle: a forgotten series lives on, unseen, until its last handle goes. One that was never resolved counts nothing.
// prometheus-cpp does the counting and the text format; only metrics.cc sees it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace deltaforge::obs {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  void add(double amount = 1);
  double value() const;

 private:
  friend class Metrics;
  std::shared_ptr<void> series_;
};

class Gauge {
 public:
  void set(double);
  double value() const;

 private:
  friend class Metrics;
  std::shared_ptr<void> series_;
};

class Histogram {
 public:
  void observe(double);

 private:
  friend class Metrics;
  std::shared_ptr<void> series_;
};

class Metrics {
 public:
  static Metrics& instance();
  // The same name and labels give the same series. An unknown name, or one without the labels that the table demands,
  // is a bug of ours (DF_CHECK).
  Counter counter(std::string_view name, const Labels&);
  Gauge gauge(std::string_view name, const Labels&);
  Histogram histogram(std::string_view name, const Labels&);
  // Removes every series that carries this label value, when a pipeline is deleted.
  void forget(const std::string& label, const std::string& value);
  // Only its gauges, when it is stopped or made anew: what they last said is no longer so.
  void forget_gauges(const std::string& label, const std::string& value);
  // One series.
  void forget_series(std::string_view name, const Labels&);
  // The exposition format of GET /metrics.
  std::string text();

 private:
  Metrics();
  struct Impl;
  Impl* impl_;  // lives as long as the process
};

// An exception that is nobody's Error ended a thread or a request: a bug of ours.
void count_panic();

}  // namespace deltaforge::obs
