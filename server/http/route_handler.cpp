#include <utility>

#include "server/http/http_server.hpp"

namespace evermill::server::http {
namespace {

constexpr unsigned not_found = 404;
constexpr unsigned method_not_allowed = 405;

class route_handler final : public request_handler {
 public:
  route_handler(std::vector<route> routes, std::size_t max_body_bytes)
      : routes_(std::move(routes)), max_body_bytes_(max_body_bytes) {}

  admission admit(const request&) override { return {std::nullopt, max_body_bytes_}; }

  void handle(request what, std::shared_ptr<exchange> to) override {
    std::string allowed;
    for (const route& each : routes_) {
      if (each.path != what.path) continue;
      if (each.method == what.method) return to->answer(each.handle(what));
      allowed += (allowed.empty() ? "" : ", ") + each.method + (each.method == "GET" ? ", HEAD" : "");
    }
    if (allowed.empty()) return to->answer(nothing());
    response other = refusal(method_not_allowed, "Only " + allowed + " can be done here.");
    other.headers.emplace_back("Allow", allowed);
    to->answer(std::move(other));
  }

 private:
  response nothing() {
    std::string known;
    for (const route& each : routes_) known += " " + each.path;
    return refusal(not_found, "There is nothing here. What there is:" + known);
  }

  const std::vector<route> routes_;
  const std::size_t max_body_bytes_;
};

}  // namespace

std::shared_ptr<request_handler> make_route_handler(std::vector<route> routes, std::size_t max_body_bytes) {
  return std::make_shared<route_handler>(std::move(routes), max_body_bytes);
}

}  // namespace evermill::server::http
