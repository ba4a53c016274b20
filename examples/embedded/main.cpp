// A shop that fulfils orders inside its own process: the engine is an object, nothing else runs.
//
//   embedded [DATA_DIRECTORY]      (without one, everything is kept in memory)
#include <exception>
#include <iostream>

#include "orders.hpp"

int main(int argc, char** argv) try {
  evermill::engine engine(definitions(), {.data_directory = argc > 1 ? argv[1] : ""});
  const order wanted{"4111-1111", 1250, {"book", "lamp", "tea"}};
  auto running = engine.start(fulfil_order, wanted, {.id = "order-1"});
  if (!running.existed()) running.signal(approval, "alice");
  std::cout << running.result() << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << "embedded: " << error.what() << '\n';
  return 1;
}
