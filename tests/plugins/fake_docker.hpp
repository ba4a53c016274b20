// A Docker engine's API on a unix socket, whose containers do what a test says and which fails when a test wants it to.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace evermill::tests {

struct fake_container {
  std::string id;
  std::string name;
  nlohmann::json asked;  ///< as it was created
  std::string status = "created";
  int exit_code = 0;
  bool out_of_memory = false;
  std::string frames;  ///< its output, as the engine's stream has it
  std::string input;
  bool input_ended = false;
  std::string ended_at = "0001-01-01T00:00:00Z";
  int starts = 0;
};

class fake_docker {
 public:
  /// What happens to the next request whose line has a certain text in it.
  struct fault {
    enum class kind { status, cut_before, cut_after, cut_body };
    kind how = kind::status;
    int status = 500;
    std::string message = "broken";
    std::size_t body_bytes = 0;  ///< cut_body: so many are sent
  };

  explicit fake_docker(std::string socket_path);
  ~fake_docker();
  fake_docker(const fake_docker&) = delete;
  fake_docker& operator=(const fake_docker&) = delete;

  std::string address() const { return "unix://" + path_; }
  void add_image(const std::string& name, nlohmann::json config = nlohmann::json::object());
  /// What a pull says; with `adds` the image is there afterwards.
  void on_pull(std::string lines, bool adds);
  /// What each container does once it is started, on a thread of the server. Empty: it runs until `finish`.
  void on_start(std::function<void(fake_docker&, const std::string& id)> program);
  void fail(const std::string& words, fault what, int times = 1);

  /// As if it crashed: no connection stays, none is made. Containers go on.
  void go_away();
  void come_back();

  void write(const std::string& id, int stream, const std::string& text);
  void finish(const std::string& id, int exit_code, bool out_of_memory = false,
              const std::string& at = "2026-01-01T00:00:00.5Z");
  /// From now on no container reads its input.
  void hold_input();
  /// By hand, as somebody else would.
  void remove(const std::string& id);
  std::string add_container(const std::string& name, nlohmann::json labels, const std::string& status);

  std::vector<fake_container> containers() const;
  /// The only one.
  fake_container container() const;
  /// "POST /containers/create?name=x", without the version, in order.
  std::vector<std::string> requests() const;
  std::size_t count(const std::string& words) const;
  std::string header_of_pull() const;
  void wait_until(const std::function<bool(const std::vector<fake_container>&)>& condition);
  void wait_for_request(const std::string& words, std::size_t times = 1);

 private:
  struct request {
    std::string method, path, body;
    std::map<std::string, std::string> query, headers;
  };
  struct response {
    int status = 200;
    std::string body;
  };

  void listen();
  void accept_loop();
  void serve(int socket);
  bool read_request(int socket, std::string& buffer, request& into);
  bool handle(int socket, const request& asked);
  response answer(const request& asked);
  response answer_container(const request& asked, const std::string& id, const std::string& verb);
  response create(const request& asked);
  response list(const request& asked);
  bool stream_logs(int socket, const request& asked, const std::string& id, const fault* cut);
  bool attach(int socket, const std::string& id, std::string rest);
  bool send(int socket, std::string_view text);
  bool send_response(int socket, const response& what, const fault* cut);
  std::vector<fake_container> copy() const;                             // with the lock
  std::shared_ptr<fake_container> find(const std::string& id_or_name);  // with the lock
  nlohmann::json inspected(const fake_container& c) const;

  const std::string path_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool stopping_ = false;
  bool away_ = false;
  int listener_ = -1;
  std::set<int> sockets_;
  std::map<std::string, nlohmann::json> images_;
  std::vector<std::shared_ptr<fake_container>> containers_;
  std::vector<std::string> requests_;
  std::vector<std::pair<std::string, fault>> faults_;
  std::string pull_lines_;
  bool pull_adds_ = true;
  bool input_held_ = false;
  std::string pull_header_;
  std::function<void(fake_docker&, const std::string&)> program_;
  std::uint64_t last_id_ = 0;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace evermill::tests
