#include "plugins/task/docker/container_spec.hpp"

#include <gmock/gmock.h>

#include "attempt_ends.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/docker/docker_host.hpp"
#include "plugins/task/docker/log_stream.hpp"

namespace evermill::tests {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using namespace tasks;

container_command of_image(std::string image = "tool") {
  container_command command;
  command.image = std::move(image);
  return command;
}

json body_of(const container_command& command, const json& image = json::object()) {
  return make_request(command, *make_task("docker", codec<container_command>::encode(command), 1), "engine-of-mine", image,
                      60'000)
      .body;
}

TEST(ImageName, HasATagOrADigest) {
  const auto parts = [](const std::string& text) {
    const image_name name = parse_image(text);
    return name.repository + " " + name.tag;
  };
  EXPECT_EQ(parts("alpine"), "alpine latest");
  EXPECT_EQ(parts("alpine:3.18"), "alpine 3.18");
  EXPECT_EQ(parts("localhost:5000/a/b"), "localhost:5000/a/b latest");
  EXPECT_EQ(parts("localhost:5000/a/b:1"), "localhost:5000/a/b 1");
  EXPECT_EQ(parts("a/b@sha256:abc"), "a/b sha256:abc");
  EXPECT_EQ(parts("a/b:1@sha256:abc"), "a/b sha256:abc");
}

TEST(ContainerRequest, ACommandIsTextForAShell) {
  container_command command = of_image();
  command.command = "echo $1";
  command.arguments = {"a b"};
  const json body = body_of(command, {{"Entrypoint", {"tool"}}, {"Cmd", {"--help"}}});
  EXPECT_EQ(body["Entrypoint"], json({"/bin/sh", "-c", "echo $1", "sh"}));
  EXPECT_EQ(body["Cmd"], json({"a b"}));
}

TEST(ContainerRequest, AnEntrypointNeedsNoShell) {
  container_command command = of_image();
  command.entrypoint = {"/bin/echo"};
  command.arguments = {"x"};
  const json body = body_of(command, {{"Cmd", {"--help"}}});
  EXPECT_EQ(body["Entrypoint"], json({"/bin/echo"}));
  EXPECT_EQ(body["Cmd"], json({"x"}));
}

TEST(ContainerRequest, ArgumentsAreTheEntrypointsOrFollowTheCommand) {
  container_command command = of_image();
  EXPECT_FALSE(body_of(command, {{"Cmd", {"--help"}}}).contains("Cmd"));
  command.arguments = {"x"};
  EXPECT_EQ(body_of(command, {{"Entrypoint", {"tool"}}, {"Cmd", {"--help"}}})["Cmd"], json({"x"}));
  EXPECT_EQ(body_of(command, {{"Entrypoint", nullptr}, {"Cmd", {"tool", "--all"}}})["Cmd"], json({"tool", "--all", "x"}));
}

TEST(ContainerRequest, HasWhatItIsGiven) {
  container_command command = of_image();
  command.environment = {{"NAME", "value"}};
  command.ports = {{"8080", 80}, {"127.0.0.1:53", "53/udp"}};
  command.volumes = {{"/data", "/in:ro"}, {"cache", "/cache"}};
  command.working_directory = "/work";
  command.user = "1000";
  command.network = "none";
  command.memory_bytes = 1 << 26;
  command.cpus = 1.5;
  command.max_processes = 10;
  const json body = body_of(command);
  EXPECT_THAT(body["Env"], Contains("NAME=value"));
  EXPECT_THAT(body["Env"], Contains("EVERMILL_IDEMPOTENCY_KEY=1.2.1"));
  EXPECT_THAT(body["Env"], Contains("EVERMILL_ATTEMPT=3"));
  EXPECT_EQ(body["WorkingDir"], "/work");
  EXPECT_EQ(body["User"], "1000");
  EXPECT_EQ(body["ExposedPorts"], json({{"80/tcp", json::object()}, {"53/udp", json::object()}}));
  const json& host = body["HostConfig"];
  EXPECT_EQ(host["PortBindings"]["80/tcp"], json::array({{{"HostIp", ""}, {"HostPort", "8080"}}}));
  EXPECT_EQ(host["PortBindings"]["53/udp"], json::array({{{"HostIp", "127.0.0.1"}, {"HostPort", "53"}}}));
  EXPECT_EQ(host["Binds"], json({"/data:/in:ro", "cache:/cache"}));
  EXPECT_EQ(host["NetworkMode"], "none");
  EXPECT_EQ(host["Memory"], 1 << 26);
  EXPECT_EQ(host["MemorySwap"], 1 << 26);
  EXPECT_EQ(host["NanoCpus"], 1'500'000'000);
  EXPECT_EQ(host["PidsLimit"], 10);
  EXPECT_EQ(host["LogConfig"]["Type"], "local") << "output can be read again, whatever the engine's default is";
  EXPECT_FALSE(body["Tty"]);
}

TEST(ContainerRequest, LabelsSayWhoseItIs) {
  container_command command = of_image();
  const json labels = body_of(command)["Labels"];
  EXPECT_EQ(labels["dev.evermill.engine"], "engine-of-mine");
  EXPECT_EQ(labels["dev.evermill.activity"], "1.2.1");
  EXPECT_EQ(labels["dev.evermill.attempt"], "3");
  EXPECT_EQ(labels["dev.evermill.dispatch"], "1.2.1.3.4");
  EXPECT_EQ(labels["dev.evermill.workflow"], "order-1");
  EXPECT_EQ(labels["dev.evermill.keep-ms"], "60000");
  command.lifetime = {"eventually", 5};
  const json others = body_of(command)["Labels"];
  EXPECT_EQ(others["dev.evermill.keep-ms"], "5");
  EXPECT_NE(others["dev.evermill.input"], labels["dev.evermill.input"]) << "another input";
  command.lifetime = {"never", 0};
  EXPECT_FALSE(body_of(command)["Labels"].contains("dev.evermill.keep-ms"));
}

TEST(ContainerRequest, OneThatReadsIsCalledOtherwiseUntilItHasAll) {
  container_command command = of_image();
  const auto request = [&] {
    return make_request(command, *make_task("docker", json_payload("{}"), 1), "engine-of-mine", {}, 1);
  };
  EXPECT_EQ(request().name, "evermill-engine-o-1.2.1.3.4");
  EXPECT_FALSE(request().body["OpenStdin"]);
  command.stdin_text = "text";
  command.name = "named";
  EXPECT_EQ(request().name, "named.feeding");
  EXPECT_EQ(request().final_name, "named");
  EXPECT_TRUE(request().body["OpenStdin"]);
  EXPECT_TRUE(request().body["StdinOnce"]);
}

TEST(ContainerRequest, WhatCantBeAskedForIsRefused) {
  const auto refusal = [](const std::function<void(container_command&)>& change) {
    container_command command = of_image();
    change(command);
    try {
      check_command(command);
    } catch (const payload_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal([](auto&) {}), "");
  EXPECT_THAT(refusal([](auto& c) { c.image = ""; }), HasSubstr("no name of an image"));
  EXPECT_THAT(refusal([](auto& c) { c.image = "a b"; }), HasSubstr("no name of an image"));
  EXPECT_THAT(refusal([](auto& c) { c.image = "a?x=1"; }), HasSubstr("no name of an image"));
  EXPECT_THAT(refusal([](auto& c) { c.name = "a/b"; }), HasSubstr("container's name"));
  EXPECT_THAT(refusal([](auto& c) { c.command = "x", c.entrypoint = {"y"}; }), HasSubstr("not both"));
  EXPECT_THAT(refusal([](auto& c) { c.ports = {{"80", "http"}}; }), HasSubstr("\"ports\""));
  EXPECT_THAT(refusal([](auto& c) { c.ports = {{"x", 80}}; }), HasSubstr("\"ports\""));
  EXPECT_THAT(refusal([](auto& c) { c.ports = {{"80", 70'000}}; }), HasSubstr("\"ports\""));
  EXPECT_THAT(refusal([](auto& c) { c.volumes = {{"../x", "/x"}}; }), HasSubstr("\"volumes\""));
  EXPECT_THAT(refusal([](auto& c) { c.volumes = {{"/x", "x"}}; }), HasSubstr("\"volumes\""));
  EXPECT_THAT(refusal([](auto& c) { c.volumes = {{"/x", "/x:rx"}}; }), HasSubstr("\"volumes\""));
  EXPECT_THAT(refusal([](auto& c) { c.environment = {{"A=B", "x"}}; }), HasSubstr("environment variable"));
  EXPECT_THAT(refusal([](auto& c) { c.pull_policy = "often"; }), HasSubstr("\"pull_policy\""));
  EXPECT_THAT(refusal([](auto& c) { c.lifetime.cleanup = "soon"; }), HasSubstr("\"cleanup\""));
  EXPECT_THAT(refusal([](auto& c) { c.lifetime.after_ms = -1; }), HasSubstr("\"after_ms\""));
  EXPECT_THAT(refusal([](auto& c) { c.memory_bytes = -1; }), HasSubstr("\"memory_bytes\""));
  EXPECT_THAT(refusal([](auto& c) { c.cpus = -1; }), HasSubstr("\"cpus\""));
  EXPECT_THAT(refusal([](auto& c) { c.max_processes = -1; }), HasSubstr("\"max_processes\""));
  EXPECT_THAT(refusal([](auto& c) { c.max_output_bytes = -1; }), HasSubstr("\"max_output_bytes\""));
}

TEST(DockerHost, IsASocketOrAServer) {
  const auto host = [](const std::string& address, std::map<std::string, std::string> environment = {}) {
    return docker_host_of(address, [&](const char* name) { return environment[name]; });
  };
  EXPECT_EQ(host("").unix_socket, "/var/run/docker.sock");
  EXPECT_EQ(host("", {{"DOCKER_HOST", "unix:///x.sock"}}).unix_socket, "/x.sock");
  EXPECT_EQ(host("unix:///y.sock", {{"DOCKER_HOST", "unix:///x.sock"}}).unix_socket, "/y.sock");
  EXPECT_EQ(host("tcp://build:1234").base_url, "http://build:1234");
  EXPECT_EQ(host("tcp://build").base_url, "http://build:2375");
  EXPECT_EQ(host("tcp://[::1]:1").base_url, "http://[::1]:1");
  EXPECT_EQ(host("tcp://[::1]").base_url, "http://[::1]:2375");
  EXPECT_EQ(host("https://build/").base_url, "https://build:2376");
  const docker_host secure = host("tcp://build:2376", {{"DOCKER_TLS_VERIFY", "1"}, {"DOCKER_CERT_PATH", "/certs"}});
  EXPECT_EQ(secure.base_url, "https://build:2376");
  EXPECT_EQ(secure.ca_file, "/certs/ca.pem");
  EXPECT_EQ(secure.key_file, "/certs/key.pem");
  for (const char* wrong : {"docker.sock", "unix://x", "ssh://build", "tcp://", "tcp://a/b"}) {
    EXPECT_THROW(host(wrong), std::invalid_argument) << wrong;
  }
}

std::string frame_of(int stream, const std::string& text) {
  std::string frame{static_cast<char>(stream), 0, 0, 0, 0, 0};
  frame.push_back(static_cast<char>(text.size() >> 8));
  frame.push_back(static_cast<char>(text.size() & 255));
  return frame + text;
}

TEST(LogStream, IsReadWhereverItIsCut) {
  const std::string all = frame_of(1, "one ") + frame_of(2, std::string(300, 'e')) + frame_of(1, "") + frame_of(1, "two");
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    std::string out, err;
    log_stream stream([&](output_stream which, std::string_view piece) { (which == output_stream::out ? out : err) += piece; });
    EXPECT_TRUE(stream.read(all.substr(0, cut)));
    EXPECT_TRUE(stream.read(all.substr(cut)));
    EXPECT_TRUE(stream.whole());
    EXPECT_EQ(out, "one two") << cut;
    EXPECT_EQ(err, std::string(300, 'e')) << cut;
  }
}

TEST(LogStream, IsNotWholeInsideAFrame) {
  log_stream stream([](output_stream, std::string_view) {});
  EXPECT_TRUE(stream.read(frame_of(1, "text").substr(0, 5)));
  EXPECT_FALSE(stream.whole());
  EXPECT_TRUE(stream.read(frame_of(1, "text").substr(5, 5)));
  EXPECT_FALSE(stream.whole());
}

TEST(LogStream, PutsTheEndOfALongLineBackThatTheEngineLeavesOut) {
  const std::string part(16 * 1024, 'x');
  const auto read = [](const std::vector<std::string>& frames) {
    std::string all;
    log_stream stream([&](output_stream, std::string_view piece) { all += piece; });
    for (const std::string& each : frames) EXPECT_TRUE(stream.read(frame_of(1, each)));
    return all;
  };
  EXPECT_EQ(read({part, part, "end", "next\n"}), part + part + "end\nnext\n");
  EXPECT_EQ(read({part, "", "next\n"}), part + "\nnext\n") << "the line is as long as a frame";
  EXPECT_EQ(read({part, "end\n", "next\n"}), part + "end\nnext\n") << "an engine that does not";
  EXPECT_EQ(read({part, "end"}), part + "end") << "it may have had none";
  EXPECT_EQ(read({"short", "next"}), "shortnext");
}

TEST(LogStream, GarbageIsNoStream) {
  for (const std::string& garbage :
       {std::string("HTTP/1.1 200 OK"), std::string("\3\0\0\0\0\0\0\1x", 9), std::string("\1\0\1\0\0\0\0\1x", 9)}) {
    log_stream stream([](output_stream, std::string_view) { ADD_FAILURE() << "it has no content"; });
    EXPECT_FALSE(stream.read(garbage)) << garbage;
    EXPECT_FALSE(stream.read(frame_of(1, "text"))) << garbage;
  }
}

}  // namespace
}  // namespace evermill::tests
