// What a process counts and measures, and how a monitoring system reads it: Prometheus's text exposition format 0.0.4.
//
// Values live where they arise, as members of whatever counts them; a collector names them when somebody scrapes. So updating
// one costs a relaxed atomic operation and no lock, and nothing at all is done for those who do not look.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace evermill::metrics {

enum class kind : std::uint8_t { counter, gauge, histogram };

/// Names a metric: one family of series that differ in their labels.
struct description {
  std::string_view name;  ///< [a-zA-Z_:][a-zA-Z0-9_:]*, with its base unit; a counter's ends with "_total"
  kind what;
  std::string_view help;  ///< one sentence, for people
};

/// Names ([a-zA-Z_][a-zA-Z0-9_]*, none twice, "le" never) and values, which may be any text.
using labels = std::vector<std::pair<std::string_view, std::string>>;

/// Only grows, while its process lives. Thread-safe, without locks.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Thread-safe, without locks.
class gauge {
 public:
  void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Upper bounds in seconds that tell a fast disk from a slow network: 100 µs to 10 s.
inline constexpr std::array<double, 16> latency_bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                       0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};

/// The same for what programs of others do: 1 ms to 6 h.
inline constexpr std::array<double, 17> work_bounds{0.001, 0.005, 0.01, 0.05, 0.1, 0.5,  1,    2.5,  5,
                                                    10,    30,    60,   300,  900, 3600, 7200, 21600};

/// How often which values came: each is counted in the first bucket whose bound it does not exceed. Thread-safe, without locks.
class histogram {
 public:
  struct reading {
    std::vector<std::uint64_t> cumulative;  ///< per bound, then that of infinity, which is the number of all
    double sum = 0;
    /// Of one with the same bounds.
    void add(const reading& other);
  };

  /// `bounds` grow, are finite, and outlive the histogram.
  explicit histogram(std::span<const double> bounds);
  histogram() : histogram(latency_bounds) {}

  void observe(double value) noexcept;
  std::span<const double> bounds() const noexcept { return bounds_; }
  /// Each bucket is exact; what comes while it reads may be in the buckets and not yet in the sum.
  reading read() const;

 private:
  const std::span<const double> bounds_;
  const std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  ///< of each bucket alone; one more than bounds
  std::atomic<double> sum_{0};
};

/// One T for each value that a label takes, made when it is first asked for and kept. What values there are may be up to
/// others: those that come after the first `max_values`, or are no UTF-8, share one T, so that no label costs without bound.
/// Thread-safe; only the first use of a value takes a lock.
template <class T>
class by_label {
 public:
  static constexpr std::size_t max_values = 100;
  static constexpr std::string_view others = "(others)";  ///< what the value of the shared one is called

  by_label() = default;
  ~by_label() {
    for (const node* each = first_; each != nullptr;) delete std::exchange(each, each->next);
  }
  by_label(const by_label&) = delete;
  by_label& operator=(const by_label&) = delete;

  T& operator[](std::string_view value) {
    node* const found = find(value);
    return found != nullptr ? found->what : add(value);
  }

  /// Calls `visit(value, T&)` for each, the newest first.
  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (node* each = first_.load(std::memory_order_acquire); each != nullptr; each = each->next) {
      visit(each->value, each->what);
    }
    if (has_rest_.load(std::memory_order_acquire)) visit(others, rest_);
  }

 private:
  struct node {
    const std::string value;
    node* const next;
    T what{};
    node(std::string_view of, node* before) : value(of), next(before) {}
  };

  node* find(std::string_view value) const {
    node* each = first_.load(std::memory_order_acquire);
    while (each != nullptr && each->value != value) each = each->next;
    return each;
  }

  T& add(std::string_view value) {
    if (full_.load(std::memory_order_acquire)) return rest_;
    const std::lock_guard lock(adding_);
    if (node* const found = find(value)) return found->what;
    if (value == others || !is_utf8(value)) {  // two that look the same when they are shown would be one series
      has_rest_.store(true, std::memory_order_release);
      return rest_;
    }
    if (count_ == max_values) {
      has_rest_.store(true, std::memory_order_release);
      full_.store(true, std::memory_order_release);
      return rest_;
    }
    ++count_;
    auto* const made = new node(value, first_.load(std::memory_order_relaxed));
    first_.store(made, std::memory_order_release);
    return made->what;
  }

  std::atomic<node*> first_{nullptr};
  std::atomic<bool> full_{false};
  std::atomic<bool> has_rest_{false};
  std::mutex adding_;
  std::size_t count_ = 0;
  mutable T rest_{};
};

/// What one scrape gathers. Used by one thread. A metric that can't be (a bad name, another description under the same name,
/// the same labels twice) is a programmer's mistake and ends the process.
class scrape {
 public:
  /// Shows the metric even where it has no series.
  void describe(const description& of);
  void add(const description& of, const labels& which, double value);
  void add(const description& of, const labels& which, std::uint64_t value);
  void add(const description& of, const labels& which, const counter& value) { add(of, which, value.value()); }
  void add(const description& of, const labels& which, const gauge& value) {
    add(of, which, static_cast<double>(value.value()));
  }
  void add(const description& of, const labels& which, const histogram& values) { add(of, which, values.read(), values.bounds()); }
  /// The sum of several histograms with these bounds.
  void add(const description& of, const labels& which, const histogram::reading& values, std::span<const double> bounds);

  /// All of it in Prometheus's text exposition format 0.0.4: ordered by name; series in the order in which they were added.
  std::string text() const;

 private:
  struct family {
    description of;
    std::set<std::string> seen;  ///< label sets
    std::string lines;
  };
  family& family_of(const description& of, kind what);
  std::string new_series(family& in, const labels& which);

  std::map<std::string, family, std::less<>> families_;
};

/// What the answer to a scrape has as Content-Type.
inline constexpr std::string_view text_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// Those who have something to show. Thread-safe.
class registry {
 public:
  using collector = std::function<void(scrape&)>;

  /// Ends what `collect` began: after its destruction the collector does not run.
  class registration {
   public:
    registration() = default;
    ~registration() { reset(); }
    registration(registration&& other) noexcept { *this = std::move(other); }
    registration& operator=(registration&& other) noexcept;
    void reset() noexcept;

   private:
    friend class registry;
    registration(registry& in, std::uint64_t number) : in_(&in), number_(number) {}
    registry* in_ = nullptr;
    std::uint64_t number_ = 0;
  };

  /// `what` is called at each scrape, on the thread that scrapes, until the registration ends. It must not block, and must not
  /// call the registry, which outlives the registration.
  [[nodiscard]] registration collect(collector what);

  /// Asks all; see scrape::text.
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, collector> collectors_;
  std::uint64_t next_ = 1;
};

}  // namespace evermill::metrics
