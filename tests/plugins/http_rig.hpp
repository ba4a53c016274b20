// The HTTP server of the tests, one for a whole program.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include "plugins/task/transfer/transfer.hpp"
#include "tests/support/python_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {

/// Proxies of this machine's environment lead to no server of the tests.
struct without_proxies {
  without_proxies() {
    for (const char* const name : {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy"}) ::unsetenv(name);
  }
};
inline const without_proxies no_proxies;

inline python_server& http_server() {
  struct own_directory {  // a temporary_directory is a test's, and goes with it
    std::string path = std::filesystem::temp_directory_path() / "evermill-http-XXXXXX";
    own_directory() {
      if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no directory for the HTTP server");
    }
    ~own_directory() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static own_directory directory;
  static python_server server(EVERMILL_TEST_SERVERS "/http_server.py", {directory.path});
  return server;
}

inline tasks::transfer_result http_get(const std::string& path, const std::string& method = "GET") {
  tasks::transfer_request request;
  request.method = method;
  request.url = http_server()["http"] + path;
  return tasks::perform(request);
}
inline nlohmann::json json_of(const tasks::transfer_result& result) {
  EXPECT_EQ(result.error, tasks::transfer_error::none) << result.message;
  return nlohmann::json::parse(result.body, nullptr, false);
}
/// The server has begun so many requests of this path.
inline void wait_for_requests(const std::string& path, int count = 1) {
  http_get("/wait-for?path=" + path + "&count=" + std::to_string(count));
}
/// The client of a request of /slow/… has left.
inline void wait_until_gone_from(const std::string& path) { http_get("/wait-for?gone=" + path); }

#define SKIP_WITHOUT_TLS()                                                                           \
  if (evermill::tests::http_server().has("no_tls")) GTEST_SKIP() << evermill::tests::http_server()["no_tls"]

}  // namespace evermill::tests
