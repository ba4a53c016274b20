#include "server/grpc/decide_stream.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "deciders/connected_deciders.hpp"
#include "server/grpc/calls_of_stream.hpp"
#include "server/grpc/decider_conversions.hpp"
#include "server/grpc/stream_writer.hpp"

namespace evermill::server {
namespace {

using decide_reactor = grpc::ServerBidiReactor<wire::DecideRequest, wire::DecideResponse>;

deciders::decider_description describe(const wire::DeciderHello& hello) {
  deciders::decider_description who;
  who.name_space = hello.namespace_();
  who.id = hello.worker_id();
  who.identity = hello.identity();
  for (const wire::DecidedWorkflow& each : hello.workflows()) who.workflows.emplace(each.workflow_type(), each.version());
  for (const wire::LiveRun& each : hello.live()) who.live.insert_or_assign(each.run_id(), each.token());
  return who;
}

/// What is to be written, in order. Of a long journal each message has a part: what is not written is held as it is stored.
class decider_link final : public deciders::decider_connection, public stream_writer<wire::DecideRequest, wire::DecideResponse> {
 public:
  using stream_writer::stream_writer;

  void ask(const std::string& token, std::shared_ptr<const deciders::question> what) override {
    const std::lock_guard lock(mutex_);
    items_.push_back({token, std::move(what)});
    write();
  }
  void drop(const std::string& run_id) override {
    const std::lock_guard lock(mutex_);
    items_.push_back({run_id, nullptr});
    write();
  }
  void close(const std::string& why) override { end(to_status({control_errc::stopped, why})); }

  void welcome(std::chrono::microseconds turn_timeout) {
    const std::lock_guard lock(mutex_);
    next_.mutable_welcome()->set_server_version(std::string(version()));
    if (turn_timeout.count() > 0) to_wire(turn_timeout, *next_.mutable_welcome()->mutable_turn_timeout());
    write();
  }

 private:
  struct item {
    std::string name;                                // a token, or the id of a run that is dropped
    std::shared_ptr<const deciders::question> what;  // null: of a run that is dropped
    std::size_t told = 0;                            // turns of its history
    std::uint64_t next_seq = 1;
  };

  bool take(wire::DecideResponse& into) override {
    stream_writer::take(into);
    std::size_t bytes = 0;
    while (!items_.empty() && bytes < max_page_bytes) {
      item& first = items_.front();
      if (first.what) {
        if (!add_part(first, *into.add_tasks(), bytes)) break;
      } else {
        if (into.tasks_size() > 0) break;  // of one message, what is dropped comes before the tasks
        into.add_dropped(first.name);
        bytes += first.name.size();
      }
      items_.pop_front();
    }
    return into.ByteSizeLong() > 0;
  }

  /// Is that all of it?
  static bool add_part(item& of, wire::DecisionTask& to, std::size_t& bytes) {
    const deciders::question& what = *of.what;
    to.set_token(of.name);
    const bool begins = of.told == 0;
    while (of.told < what.history.size()) {
      const messages::TurnRecord& turn = what.history[of.told];
      const std::size_t size = turn.ByteSizeLong();
      if (bytes > 0 && bytes + size > max_page_bytes) break;
      bytes += size;
      ++of.told;
      wire::JournaledTurn& told = *to.add_history();
      to_wire(from_micros(turn.time_us()), *told.mutable_time());
      for (const messages::Event& event : turn.events()) to_wire(event, of.next_seq++, *told.add_events());
    }
    const bool ends = of.told == what.history.size();
    if (ends) {
      to_wire(what, to);
      bytes += to.event().ByteSizeLong() + 1;
    } else {
      to.set_run_id(what.run_id);
      to.set_workflow_id(what.workflow_id);
      to.set_workflow_type(what.workflow_type);
      to.set_version(what.version);
      to.set_more_history(true);
    }
    to.set_from_start(what.from_start && begins);
    return ends;
  }

  std::deque<item> items_;
};

class decide_stream final : public decide_reactor {
 public:
  decide_stream(deciders::connected_deciders& hub, open_calls& open, decider_admission admit)
      : hub_(hub), open_(open), admit_(std::move(admit)), link_(std::make_shared<decider_link>(*this)) {
    ticket_ = open_.entered([to = link_](const grpc::Status& why) { to->end(why); }, callers_);
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return link_->end(grpc::Status::OK);
    const grpc::Status refused = answered([&] { take(); });
    if (!refused.ok()) return link_->end(refused);
    StartRead(&request_);
  }
  void OnWriteDone(bool ok) override { link_->written(ok); }
  void OnCancel() override { link_->end(grpc::Status::CANCELLED); }
  void OnDone() override {
    link_->detach();
    open_.left(ticket_);
    if (session_ != 0) hub_.disconnect(session_);
    delete this;
  }

 private:
  void take() {
    if (session_ == 0) greet();
    for (const wire::Decision& each : request_.decided()) hub_.answer(session_, each.token(), verdict_of(each));
    for (const std::string& run_id : request_.evicted()) hub_.evicted(session_, run_id);
    if (request_.leaving()) {
      hub_.withdraw(session_);
    } else if (request_.credit() > 0) {
      hub_.grant(session_, request_.credit());
    }
  }

  void greet() {
    if (!request_.has_hello()) throw control_error(control_errc::invalid_argument, "the first message of a decider is its hello");
    callers_->set(admit_(request_.hello()));
    link_->welcome(hub_.turn_timeout());
    try {
      session_ = hub_.connect(describe(request_.hello()), link_);
    } catch (const std::invalid_argument& error) {
      throw control_error(control_errc::invalid_argument, error.what());
    }
  }

  /// An answer that can't be read is the run's trouble, not that of all that the decider has.
  static deciders::verdict verdict_of(const wire::Decision& from) {
    try {
      return from_wire(from);
    } catch (const control_error& error) {
      deciders::verdict how;
      how.what = deciders::verdict::kind::failed;
      how.message = "its worker's answer can't be read: " + std::string(error.what());
      return how;
    }
  }

  deciders::connected_deciders& hub_;
  open_calls& open_;
  const decider_admission admit_;
  const std::shared_ptr<calls_of_stream> callers_ = std::make_shared<calls_of_stream>();
  const std::shared_ptr<decider_link> link_;
  std::uint64_t ticket_ = 0;
  deciders::connected_deciders::session_id session_ = 0;
  wire::DecideRequest request_;
};

}  // namespace

grpc::ServerBidiReactor<wire::DecideRequest, wire::DecideResponse>* serve_decider(deciders::connected_deciders& hub, open_calls& open,
                                                                                  decider_admission admit) {
  return new decide_stream(hub, open, std::move(admit));
}

}  // namespace evermill::server
