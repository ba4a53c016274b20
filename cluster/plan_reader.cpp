#include "cluster/plan_reader.hpp"

#include <utility>

#include "cluster/plan.hpp"
#include "cluster/streams.hpp"

namespace evermill::cluster {
namespace {
constexpr std::size_t plan_poll_limit = 64;
}

plan_reader::plan_reader(const std::string& cluster_id, queue::broker& broker, task_loop::post_function post,
                         std::function<void()> changed, log lines)
    : broker_(broker), post_(std::move(post)), changed_(std::move(changed)), log_(std::move(lines)) {
  plan_.set_cluster_id(cluster_id);
}

queue::broker_result<void> plan_reader::start() {
  const auto last = read_last(broker_, {plan_stream_name, 0});
  if (!last) return unexpected(last.error());
  if (last->at != 0) take(*last);
  return open();
}

void plan_reader::look() {
  if (!reader_) static_cast<void>(open());
}

queue::broker_result<void> plan_reader::open() {
  const auto on_readable = [this, post = post_, alive = std::weak_ptr(alive_)] {
    post([this, alive] {
      if (!alive.expired()) read();
    });
  };
  auto opened = broker_.read({plan_stream_name, 0}, {.after = position_}, on_readable);
  if (!opened) return unexpected(opened.error());
  reader_ = std::move(*opened);
  return {};
}

/// False: it is no plan of this cluster.
bool plan_reader::take(const queue::stored_record& record) {
  position_ = record.at;
  auto plan = parse_plan(record.what, plan_.cluster_id());
  if (plan) plan_ = std::move(*plan);
  return plan.has_value();
}

void plan_reader::read() {
  std::vector<queue::stored_record> records;
  bool any = false;
  while (reader_) {
    records.clear();
    const auto count = reader_->poll(records, plan_poll_limit);
    if (!count) {
      log_.warn({}, "plans can't be read: {}", count.error().message);
      reader_.reset();
      if (count.error().code == queue::broker_errc::trimmed) position_ = 0;
      break;
    }
    for (const queue::stored_record& each : records) any = take(each) || any;
    if (*count == 0) break;
  }
  if (any) changed_();
}

}  // namespace evermill::cluster
