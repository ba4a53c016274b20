#include "engine/publishing.hpp"

#include <google/protobuf/descriptor.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cluster/streams.hpp"
#include "engine/names.hpp"
#include "evermill/engine.hpp"
#include "messages/journal.pb.h"
#include "plugins/queue/broker_limits.hpp"
#include "plugins/queue/open_broker.hpp"
#include "publishing/broker_sink.hpp"
#include "publishing/stream_sink.hpp"

namespace evermill {
namespace {

constexpr std::size_t longest_shown = 60;
constexpr std::string_view stream_option = "stream=";
constexpr std::string_view file_scheme = "file:";
constexpr std::string_view stdout_scheme = "stdout:";
constexpr std::string_view queue_scheme = "queue:";

[[noreturn]] void refuse_publishing(const std::string& why) {
  throw engine_error(engine_errc::invalid_argument, "publishing: " + why);
}

/// Where to publish to, taken apart.
struct publish_target {
  std::string file;            ///< of file:PATH
  std::string broker;          ///< an address
  std::string stream = "events";
};

/// Takes the option stream=NAME out of an address.
void take_stream(publish_target& target) {
  const std::size_t question = target.broker.find('?');
  if (question == std::string::npos) return;
  std::string kept;
  for (std::size_t from = question + 1; from <= target.broker.size();) {
    const std::size_t end = std::min(target.broker.find('&', from), target.broker.size());
    const std::string option = target.broker.substr(from, end - from);
    if (option.starts_with(stream_option)) {
      target.stream = option.substr(stream_option.size());
    } else if (!option.empty()) {
      kept += (kept.empty() ? '?' : '&') + option;
    }
    from = end + 1;
  }
  target.broker = target.broker.substr(0, question) + kept;
}

bool is_stream_of_cluster(const std::string& name) {
  const std::array taken{cluster::log_stream_name,         cluster::decision_stream_name, cluster::description_stream_name,
                         cluster::plan_stream_name,        cluster::rejected_stream_name, cluster::inbox_stream_name};
  return std::find(taken.begin(), taken.end(), name) != taken.end();
}

publish_target target_of(const engine_options& options) {
  const std::string& to = options.publish.to;
  publish_target target;
  if (to == stdout_scheme) return target;
  if (to.starts_with(file_scheme)) {
    target.file = to.substr(file_scheme.size());
    if (target.file.empty()) refuse_publishing("file: needs a path, as in file:events.jsonl");
    return target;
  }
  target.broker = to;
  take_stream(target);
  if (target.broker == queue_scheme) {
    if (options.queue.empty()) {
      refuse_publishing("queue: is the broker of a cluster, and this engine has none; name a broker, or a file");
    }
    target.broker = options.queue;
  } else if (!queue::is_broker_address(target.broker)) {
    refuse_publishing("a place to publish to is stdout:, file:PATH, kafka://…, redis://…, queue: or none, not \"" +
                      to.substr(0, std::min(to.find(':'), longest_shown)) + ":…\"");  // what follows may be secret
  }
  if (!queue::is_stream_name(target.stream)) {
    refuse_publishing("a stream's name is 1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-', not \"" +
                      target.stream.substr(0, longest_shown) + '"');
  }
  if (is_stream_of_cluster(target.stream)) {
    refuse_publishing("the stream \"" + target.stream + "\" is one that clusters need for themselves; choose another name");
  }
  return target;
}

void check_event_type(const std::string& type) {
  const google::protobuf::OneofDescriptor& events = *messages::Event::descriptor()->oneof_decl(0);
  for (int i = 0; i < events.field_count(); ++i) {
    if (events.field(i)->message_type()->name() == type) return;
  }
  refuse_publishing("there is no type of event \"" + type.substr(0, longest_shown) +
                    "\"; types are named as in histories, like " + events.field(0)->message_type()->name());
}

std::unique_ptr<publishing::sink> open_sink(const publish_target& target, std::uint32_t partitions, const log& lines) {
  if (!target.file.empty()) return publishing::make_file_sink(target.file);
  if (target.broker.empty()) return publishing::make_descriptor_sink(STDOUT_FILENO, "standard output");
  auto broker = queue::open_broker(target.broker, lines);
  if (!broker) refuse_publishing(broker.error().message);
  return publishing::make_broker_sink(std::move(*broker), target.stream, partitions, lines);
}

}  // namespace

void check_publish_options(const engine_options& options) {
  const publish_options& publish = options.publish;
  if (publish.to.empty() || publish.to == publish_nowhere) return;
  if (options.mode != engine_mode::run) refuse_publishing("only an engine that runs its workflows publishes");
  if (publish.limit == 0) refuse_publishing("a limit of 0 events: at least 1 must be able to wait");
  target_of(options);
  for (const std::string& type : publish.types) check_event_type(type);
  for (const std::string& type : publish.workflows) check_name("name of a workflow whose events are published", type);
}

std::unique_ptr<publishing::publisher> open_publisher(const engine_options& options, const storage::key_value_store& store,
                                                      const messages::StoreDescription& of,
                                                      publishing::relay::published_callback published, clock& time,
                                                      const log& lines) {
  const publish_options& publish = options.publish;
  if (publish.to.empty() || publish.to == publish_nowhere) return nullptr;
  publishing::relay_options how;
  how.source = publishing::source_of(of.store_id());
  how.format = publish.format == publish_format::json ? publishing::data_format::json : publishing::data_format::protobuf;
  how.types = {publish.types.begin(), publish.types.end()};
  how.workflow_types = {publish.workflows.begin(), publish.workflows.end()};
  auto sink = open_sink(target_of(options), of.partition_count(), lines);
  auto relay = std::make_unique<publishing::relay>(std::move(how), store, std::move(sink), std::move(published), time, lines);
  return std::make_unique<publishing::publisher>(std::move(relay), time, publishing::publisher::delays{});
}

}  // namespace evermill
