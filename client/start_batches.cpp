#include "client/start_batches.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/grpc/conversions.hpp"
#include "server/grpc/status.hpp"

namespace evermill::api {

struct start_batches::call final : server::open_call {
  batch starts;
  wire::StartWorkflowsRequest request;
  wire::StartWorkflowsResponse response;
};

void start_batches::add(wire::StartWorkflowRequest&& request, api_connection::time_point until, answer told) {
  start made;
  made.bytes = request.ByteSizeLong();
  made.request = std::move(request);
  made.until = until;
  made.told = std::move(told);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || under_way_ < most_under_way; });
  if (closed_) throw client_error(client_errc::unavailable, "the client was closed");
  ++under_way_;
  waiting_.push_back(std::move(made));
  send_out(lock);
}

std::optional<start_batches::batch> start_batches::next_batch() {
  if (closed_ || alarm_ != 0 || waiting_.empty() || batches_ == most_batches) return std::nullopt;
  batch next;
  for (std::size_t bytes = 0; !waiting_.empty() && next.size() < most_in_batch;) {
    bytes += waiting_.front().bytes;
    if (!next.empty() && bytes > most_bytes_in_batch) break;
    next.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  ++batches_;
  return next;
}

void start_batches::send_out(std::unique_lock<std::mutex>& lock) {
  while (auto next = next_batch()) {
    ++sending_;
    lock.unlock();
    send(std::move(*next));
    lock.lock();
    if (--sending_ == 0) changed_.notify_all();
  }
}

void start_batches::send(batch&& starts) {
  call& made = over_.calls.add<call>();
  made.starts = std::move(starts);
  auto last = api_connection::time_point::min();
  for (start& each : made.starts) {
    last = std::max(last, each.until);
    *made.request.add_starts() = each.request;
  }
  over_.prepare(made.context, std::min(last, api_connection::until(api_connection::longest_wait)));
  over_.workflows->async()->StartWorkflows(&made.context, &made.request, &made.response, [this, &made](const grpc::Status& status) {
    ended(made, status);
    over_.calls.end(made);
  });
}

void start_batches::settle(start&& what, const grpc::Status& status, std::vector<told_start>& over, batch& again, verdict& worst) {
  const verdict next = judge(status);
  what.may_have_happened = what.may_have_happened || next.unknown;
  if (next.again && what.until > std::chrono::system_clock::now()) {
    worst.again = true;
    if (next.after) worst.after = std::max(*next.after, worst.after.value_or(milliseconds(0)));
    again.push_back(std::move(what));
  } else {
    over.push_back({std::move(what.told), over_.error_of(status, what.may_have_happened), {}});
  }
}

void start_batches::judge_each(call& what, std::vector<told_start>& over, batch& again, verdict& worst) {
  for (std::size_t i = 0; i < what.starts.size(); ++i) {
    start& each = what.starts[i];
    if (i >= static_cast<std::size_t>(what.response.outcomes_size())) {
      settle(std::move(each), {grpc::StatusCode::INTERNAL, "no outcome came for the start"}, over, again, worst);
      continue;
    }
    const auto& outcome = what.response.outcomes(static_cast<int>(i));
    if (outcome.has_started()) {
      over.push_back({std::move(each.told), std::nullopt, server::from_wire(outcome.started())});
    } else {
      settle(std::move(each), server::status_with(outcome.error().code(), outcome.error().reason(), outcome.error().message()), over, again, worst);
    }
  }
}

void start_batches::ended(call& what, const grpc::Status& status) {
  std::vector<told_start> over;
  batch again;
  verdict worst;
  if (status.ok()) {
    judge_each(what, over, again, worst);
  } else {
    for (start& each : what.starts) settle(std::move(each), status, over, again, worst);
  }
  std::unique_lock lock(mutex_);
  if (closed_) {
    for (start& each : again) {
      over.push_back({std::move(each.told), client_error(client_errc::unavailable, "the client was closed", each.may_have_happened), {}});
    }
    again.clear();
  }
  if (again.empty()) {
    between_.reset();
  } else if (alarm_ == 0) {
    pause(worst);
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(again.begin()), std::make_move_iterator(again.end()));
  --batches_;
  send_out(lock);
  lock.unlock();
  for (told_start& each : over) each.told(std::move(each.error), std::move(each.started));
  lock.lock();
  under_way_ -= over.size();
  changed_.notify_all();
}

void start_batches::pause(const verdict& why) {
  const milliseconds pause = why.after.value_or(between_.next(over_.random()));
  alarm_ = over_.time().set_alarm(over_.time().now() + pause, [this] {
    std::unique_lock lock(mutex_);
    alarm_ = 0;
    send_out(lock);
  });
}

void start_batches::close() {
  std::deque<start> left;
  clock::alarm_id alarm = 0;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left.swap(waiting_);
    alarm = alarm_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return sending_ == 0; });
  }
  if (alarm != 0) over_.time().cancel_alarm(alarm);
  for (start& each : left) {
    each.told(client_error(client_errc::unavailable, "the client was closed", each.may_have_happened), {});
  }
}

}  // namespace evermill::api
