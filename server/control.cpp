#include "server/control.hpp"

#include <future>

#ifndef EVERMILL_VERSION
#error "the build defines EVERMILL_VERSION"
#endif

namespace evermill::server {

execution_end wait(control& control, std::string_view workflow_id) {
  auto promise = std::make_shared<std::promise<execution_end>>();
  auto future = promise->get_future();
  control.wait(workflow_id, [promise](std::optional<control_error> error, execution_end end) {
    if (error) return promise->set_exception(std::make_exception_ptr(*error));
    promise->set_value(std::move(end));
  });
  return future.get();
}

update_end update(control& control, std::string_view workflow_id, std::string_view update_name, payload input,
                  std::string_view update_id) {
  auto promise = std::make_shared<std::promise<update_end>>();
  auto future = promise->get_future();
  control.update(workflow_id, update_name, std::move(input), update_id,
                 [promise](std::optional<control_error> error, update_end end) {
                   if (error) return promise->set_exception(std::make_exception_ptr(*error));
                   promise->set_value(std::move(end));
                 });
  return future.get();
}

std::string_view version() noexcept { return EVERMILL_VERSION; }

}  // namespace evermill::server
