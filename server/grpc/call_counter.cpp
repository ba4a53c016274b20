#include "server/grpc/call_counter.hpp"

#include <string_view>
#include <utility>

namespace evermill::server {
namespace {

namespace hooks = grpc::experimental;

/// "/evermill.v1.Workflows/StartWorkflow" as "Workflows/StartWorkflow".
std::string_view short_name(std::string_view method) {
  for (const std::string_view prefix : {"/evermill.v1.", "/"}) {
    if (method.starts_with(prefix)) return method.substr(prefix.size());
  }
  return method;
}

class call_count final : public hooks::Interceptor {
 public:
  call_count(request_metrics& to, const hooks::ServerRpcInfo& of)
      : open_(to.begin(request_metrics::door::grpc, short_name(of.method()))) {
    if (of.type() != hooks::ServerRpcInfo::Type::UNARY) open_->is_stream();
  }

  void Intercept(hooks::InterceptorBatchMethods* what) override {
    if (what->QueryInterceptionHookPoint(hooks::InterceptionHookPoints::PRE_SEND_STATUS)) {
      open_->ended(static_cast<std::size_t>(what->GetSendStatus().error_code()));
    }
    what->Proceed();
  }

 private:
  const std::unique_ptr<request_metrics::open_request> open_;
};

class call_counter final : public hooks::ServerInterceptorFactoryInterface {
 public:
  explicit call_counter(request_metrics& to) : to_(to) {}
  hooks::Interceptor* CreateServerInterceptor(hooks::ServerRpcInfo* of) override { return new call_count(to_, *of); }

 private:
  request_metrics& to_;
};

}  // namespace

std::unique_ptr<hooks::ServerInterceptorFactoryInterface> make_call_counter(request_metrics& to) {
  return std::make_unique<call_counter>(to);
}

}  // namespace evermill::server
