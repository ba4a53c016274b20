// Orders of a shop that runs elsewhere: remote_client [HOST:PORT]
//
// One order with everything that can be done to it, then a thousand at once. The server may be killed and started again meanwhile.
#include <evermill/client.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>

#include "shop.hpp"

namespace {

void fulfil_one(evermill::client& shop) {
  auto running = shop.start(fulfil_order, {"Ada", {"book", "lamp"}}, {.id = "order-1"});
  if (!running.existed()) {
    running.update(add_item, "tea");
    running.signal(approval, "alice");
  }
  std::cout << running.result() << '\n';
}

void fulfil_many(evermill::client& shop) {
  std::vector<evermill::start_request> requests;
  for (int i = 0; i < 1000; ++i) {
    evermill::start_request each;
    each.workflow_type = fulfil_order.name;
    each.input = evermill::codec<order>::encode({"customer " + std::to_string(i), {"cup"}});
    each.options.id = "many-" + std::to_string(i);
    requests.push_back(std::move(each));
  }
  for (const evermill::start_outcome& each : shop.start_all(std::move(requests))) {
    if (each.error) throw *each.error;
  }
  for (int i = 0; i < 1000; ++i) shop.terminate("many-" + std::to_string(i), "it was an example");
  const auto counts = shop.counts({.workflow_id_prefix = "many-"});
  std::cout << counts.total << " orders were started together\n";
}

}  // namespace

int main(int argc, char** argv) try {
  const char* const token = std::getenv("EVERMILL_TOKEN");
  evermill::client shop({.server = {.address = argc > 1 ? argv[1] : "127.0.0.1:7466", .token = token == nullptr ? "" : token}});
  fulfil_one(shop);
  fulfil_many(shop);
  return 0;
} catch (const evermill::client_error& error) {
  std::cerr << "remote_client: " << error.what() << '\n';
  return error.code() == evermill::client_errc::unavailable ? 2 : 1;
} catch (const std::exception& error) {
  std::cerr << "remote_client: " << error.what() << '\n';
  return 1;
}
