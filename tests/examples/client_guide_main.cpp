// Does what docs/client.md shows: client_guide HOST:PORT
#include "client_guide.hpp"

int main(int, char** argv) {
  evermill::client shop = connect(argv[1], "");
  std::cout << fulfil(shop, {"Bob", {"cup"}}) << '\n';
  std::cout << start_many(shop, {{"a", {}}, {"b", {}}}) << '\n';
  print_events(shop, "order-7");
}
