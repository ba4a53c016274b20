// What every service does with a call before it does what was asked for.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/grpc/conversions.hpp"
#include "server/grpc/services.hpp"
#include "server/local_control.hpp"

namespace evermill::server {

using call_ticket = std::shared_ptr<admitted_call>;

/// Throws control_error where the call may not happen. Null: nobody asks.
call_ticket admit(const service_parts& parts, const grpc::ServerContextBase& context, const call_subject& what);

/// Where in a trace whoever calls is, if anywhere.
void take_trace(const grpc::ServerContextBase& context, start_options& to);

/// Says how the call went.
void finish(const call_ticket& call, const grpc::Status& status);
void finish(const call_ticket& call, const std::optional<control_error>& error);

/// Of a call that waits: says how it went, also where nobody waited long enough to be told.
class waiting_ticket {
 public:
  explicit waiting_ticket(call_ticket call) : call_(std::move(call)) {}
  ~waiting_ticket() {
    if (call_) call_->finished("CANCELED");
  }
  waiting_ticket(const waiting_ticket&) = delete;
  waiting_ticket& operator=(const waiting_ticket&) = delete;
  void ended(const std::optional<control_error>& error) { finish(std::exchange(call_, nullptr), error); }

 private:
  call_ticket call_;
};

/// The executions of a namespace. Throws control_error where there is none of that name.
local_control control_of(const service_parts& parts, std::string_view name_space);

/// Admits the call, does it with the control of its namespace, and says how it went.
template <class F>
grpc::Status carried_out(const service_parts& parts, const grpc::ServerContextBase& context, const call_subject& about, F&& call) {
  call_ticket ticket;
  grpc::Status status = answered([&] {
    ticket = admit(parts, context, about);
    local_control control = control_of(parts, about.name_space);
    call(control);
  });
  finish(ticket, status);
  return status;
}

/// How many rows a page may have.
std::size_t page_rows(std::uint32_t wanted, std::size_t otherwise);

/// Moves rows into a response until it is as large as a page may be. True: all of them.
template <class Rows, class Add>
bool fill_page(const Rows& rows, Add&& add) {
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (const auto& row : rows) {
    bytes += add(row);
    ++count;
    if (bytes > max_page_bytes) break;
  }
  return count == rows.size();
}

}  // namespace evermill::server
