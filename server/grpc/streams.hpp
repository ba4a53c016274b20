// Streams of events to a caller.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <string>

#include "server/blocking_threads.hpp"
#include "server/grpc/calls.hpp"
#include "server/grpc/conversions.hpp"
#include "server/history_follower.hpp"
#include "server/local_control.hpp"

namespace evermill::server {

/// Both delete themselves when they are over, and keep `held` until then. `engine`, `open` and `threads` outlive them.

/// All events of one execution, at the caller's pace.
grpc::ServerWriteReactor<wire::FollowHistoryResponse>* follow_history(engine& engine, blocking_threads& threads, open_calls& open,
                                                                      std::string workflow_id, history_place from, std::shared_ptr<admitted_call> held);

/// Events as they become durable, of one execution or (workflow id "") of all; a bounded number waits for a slow caller, further
/// ones are left out and counted.
grpc::ServerWriteReactor<wire::WatchEventsResponse>* watch_events(local_control control, open_calls& open, std::string workflow_id,
                                                                 std::shared_ptr<admitted_call> held);

/// A stream that ends with this status at once.
template <class Response>
grpc::ServerWriteReactor<Response>* refused_stream(const grpc::Status& why) {
  class refusal final : public grpc::ServerWriteReactor<Response> {
   public:
    explicit refusal(const grpc::Status& status) { this->Finish(status); }
    void OnDone() override { delete this; }
  };
  return new refusal(why);
}

}  // namespace evermill::server
