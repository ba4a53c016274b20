#include "server/grpc/service_base.hpp"

#include <grpcpp/security/auth_context.h>

namespace evermill::server {
namespace {

std::string_view view_of(grpc::string_ref text) { return {text.data(), text.size()}; }

}  // namespace

void service_parts::stop() {
  waits.stop_all();
  streams.stop_all();
}

call_ticket admit(const service_parts& parts, const grpc::ServerContextBase& context, const call_subject& what) {
  if (parts.admission == nullptr) return nullptr;
  call_origin from;
  from.peer = context.peer();
  const auto header = context.client_metadata().find("authorization");
  if (header != context.client_metadata().end()) from.authorization = view_of(header->second);
  const auto secured = context.auth_context();
  std::vector<grpc::string_ref> certificates;
  if (secured && secured->IsPeerAuthenticated()) certificates = secured->FindPropertyValues("x509_pem_cert");
  if (!certificates.empty()) from.certificate = view_of(certificates.front());
  auto admitted = parts.admission->admit(from, what);
  if (!admitted) throw admitted.error();
  return std::move(*admitted);
}

void take_trace(const grpc::ServerContextBase& context, start_options& to) {
  const auto value = [&](const char* name) {
    const auto found = context.client_metadata().find(name);
    return found == context.client_metadata().end() ? std::string() : std::string(view_of(found->second));
  };
  to.traceparent = value("traceparent");
  to.tracestate = value("tracestate");
}

void finish(const call_ticket& call, const grpc::Status& status) {
  if (!call) return;
  call->finished(status.ok() ? "ok" : reason_in(status));
}

void finish(const call_ticket& call, const std::optional<control_error>& error) {
  if (call) call->finished(error ? reason_of(error->code()) : "ok");
}

local_control control_of(const service_parts& parts, std::string_view name_space) {
  return control_of(parts.source, name_space);
}

std::size_t page_rows(std::uint32_t wanted, std::size_t otherwise) {
  return wanted == 0 ? otherwise : std::min<std::size_t>(wanted, max_page_rows);
}

}  // namespace evermill::server
