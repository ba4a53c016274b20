#include "plugins/queue/kafka/kafka_broker.hpp"

#include <arpa/inet.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "broker_conformance.hpp"
#include "kafka_service.hpp"

namespace evermill::tests {
namespace {

/// The name that the server has for a member of a group; "" where there is none.
std::string name_of_member(const std::string& servers, const std::string& group, const std::string& client) {
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", servers.c_str(), nullptr, 0);
  rd_kafka_t* const handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
  const rd_kafka_group_list* list = nullptr;
  std::string name;
  if (rd_kafka_list_groups(handle, group.c_str(), &list, 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    for (int i = 0; list->group_cnt == 1 && i < list->groups[0].member_cnt; ++i) {
      if (client == list->groups[0].members[i].client_id) name = list->groups[0].members[i].member_id;
    }
    rd_kafka_group_list_destroy(list);
  }
  rd_kafka_destroy(handle);
  return name;
}

void put(std::string& to, std::uint32_t number, int bytes) {
  while (bytes-- > 0) to += static_cast<char>(number >> (8 * bytes));
}
void put(std::string& to, const std::string& text) {
  put(to, static_cast<std::uint32_t>(text.size()), 2);
  to += text;
}

/// Tells the server that the member leaves, which does not know of it: as if its session had ended.
void expel(const std::string& servers, const std::string& group, const std::string& member) {
  constexpr std::uint32_t leave_group = 13;
  std::string request;
  put(request, leave_group, 2);
  put(request, 1, 2);  // version
  put(request, 7, 4);  // correlation
  put(request, std::string("test"));
  put(request, group);
  put(request, member);
  std::string framed;
  put(framed, static_cast<std::uint32_t>(request.size()), 4);
  framed += request;

  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(servers.substr(servers.find(':') + 1))));
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(connection, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  ASSERT_EQ(::send(connection, framed.data(), framed.size(), 0), static_cast<ssize_t>(framed.size()));
  std::array<unsigned char, 14> answer{};  // size, correlation, throttle time, error
  ASSERT_EQ(::recv(connection, answer.data(), answer.size(), MSG_WAITALL), static_cast<ssize_t>(answer.size()));
  EXPECT_EQ(answer[12] * 256 + answer[13], 0);
  ::close(connection);
}

broker_factory kafka_factory() {
  broker_factory factory{.name = "kafka"};
  factory.why_not = [] { return kafka_service::shared().why_not(); };
  factory.make = [](const std::string&, const broker_settings& settings) -> std::unique_ptr<queue::broker> {
    std::string options = "prefix=tests&operation-timeout-ms=10000";
    if (settings.max_pending_bytes) {
      options += "&queue.buffering.max.kbytes=" + std::to_string(*settings.max_pending_bytes / 1024);
    }
    if (const char* const more = std::getenv("EVERMILL_TEST_OPTIONS")) options += more;
    const char* const level = std::getenv("EVERMILL_TEST_LOG");
    auto made = queue::make_kafka_broker(kafka_service::shared().address(options),
                                         level != nullptr ? make_stderr_log(level) : log());
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? std::move(*made) : nullptr;
  };
  factory.stop_server = [] { kafka_service::shared().kill(1); };
  factory.start_server = [] { kafka_service::shared().up(1); };
  factory.lose_process = [](const std::string&, const queue::membership_options& joined) {
    const std::string& servers = kafka_service::shared().servers();
    const std::string group = "tests." + joined.group;
    const std::string name = name_of_member(servers, group, joined.member_id);
    ASSERT_FALSE(name.empty());
    expel(servers, group, name);
  };
  factory.fences = false;
  factory.sees_deletion = false;  // a successor that is as long as what was read looks the same
  return factory;
}

INSTANTIATE_TEST_SUITE_P(Kafka, broker_conformance, testing::Values(kafka_factory()), broker_factory::name_of);

}  // namespace
}  // namespace evermill::tests
