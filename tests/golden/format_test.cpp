// A change of what is stored needs a new format version: these hashes know the format of each.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "engine/exported_journal.hpp"
#include "messages/decision.pb.h"
#include "messages/journal.pb.h"
#include "messages/record.hpp"
#include "messages/state.pb.h"
#include "storage/executions.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"

namespace evermill::golden {
namespace {

std::string hash_of(const std::string& bytes) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

/// Names, numbers and types; not comments, and not what protoc adds for its own use.
std::string definition_of(const google::protobuf::FileDescriptor* file) {
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::CodedOutputStream coded(&out);
    coded.SetSerializationDeterministic(true);
    proto.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string stored_messages() {
  std::string all;
  for (const auto* message : {messages::Payload::descriptor(), messages::TurnRecord::descriptor(),
                              messages::DecisionEvent::descriptor(), messages::InstanceHeader::descriptor()}) {
    all += definition_of(message->file());
  }
  return all;
}

/// A row of every kind, with its key and its frame.
std::string stored_rows() {
  storage::write_batch batch;
  const partition_id partition(0x102);
  const run_number run(0x304);
  const event_seq seq(0x506);
  messages::StoreDescription description;
  description.set_store_id("id");
  storage::put_description(batch, description);
  storage::put_partition_state(batch, partition, {});
  storage::put_header(batch, partition, "workflow", {});
  messages::TurnRecord turn;
  turn.add_events()->mutable_timer_fired()->set_started_seq(7);
  storage::append_turn(batch, partition, run, seq, turn);
  storage::put_open_work(batch, partition, run, {});
  storage::put_open_activity(batch, partition, run, seq, {});
  storage::put_timer(batch, partition, {timestamp(std::chrono::microseconds(0x708090a)), run, seq, "workflow"});
  storage::put_outbound(batch, partition, partition_id(3), 0, {});
  storage::put_parked(batch, partition, run, 0x10000, {});
  storage::put_human_task(batch, partition, run, seq, {});
  storage::put_published(batch, partition, 0x708, {});
  storage::put_execution(batch, {partition, storage::listed_state::running, "type", {0x708090a, "workflow"}});
  std::string all;
  struct visitor {
    std::string& to;
    void put(storage::family f, std::string_view key, std::string_view value) {
      to += std::to_string(static_cast<int>(f)) + '/' + std::string(key) + '/' + std::string(value) + '\n';
    }
    void erase(storage::family, std::string_view) {}
  } take{all};
  batch.for_each(take);
  return all;
}

std::uint32_t description_version() {
  const auto store = storage::make_memory_store();
  return storage::boot_store(*store, 1, [] { return std::string("id"); })->format_version();
}

/// The line of formats.txt for this version; "" where there is none.
std::string known(const std::string& what) {
  std::ifstream in(std::string(GOLDEN_DIRECTORY) + "/formats.txt");
  std::string prefix(what);
  prefix += ' ';
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(prefix)) return line.substr(prefix.size());
  }
  return "";
}

constexpr const char* advice =
    "\nWhat is stored has changed, but its version has not: older and newer builds would read each other's data wrongly."
    "\n1. Raise record_format_version (messages/record.hpp), and format_version (storage/description.cpp) where keys or "
    "families changed; keep reading the old version."
    "\n2. Add lines for the new version to tests/golden/formats.txt; leave the old ones."
    "\n3. Write golden journals of the new version beside the old ones (tests/golden/README.md)."
    "\n4. Describe it in docs/storage-format.md and CHANGELOG.md."
    "\nOnly while no version with this format has been released its line may be replaced. Now it would be: ";

TEST(Format, OfMessagesChangesOnlyWithTheRecordsVersion) {
  const std::string name = "messages " + std::to_string(record_format_version);
  EXPECT_EQ(known(name), hash_of(stored_messages())) << advice << name << ' ' << hash_of(stored_messages());
}

TEST(Format, OfRowsAndKeysChangesOnlyWithTheStoresVersion) {
  const std::string name = "rows " + std::to_string(description_version());
  EXPECT_EQ(known(name), hash_of(stored_rows())) << advice << name << ' ' << hash_of(stored_rows());
}

TEST(Format, NoticesAFieldThatIsAdded) {
  google::protobuf::FileDescriptorProto changed;
  messages::TurnRecord::descriptor()->file()->CopyTo(&changed);
  auto* field = changed.mutable_message_type(0)->add_field();
  field->set_name("added");
  field->set_number(3);
  field->set_type(google::protobuf::FieldDescriptorProto::TYPE_INT64);
  field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  google::protobuf::DescriptorPool fresh;
  google::protobuf::FileDescriptorProto payload;
  messages::Payload::descriptor()->file()->CopyTo(&payload);
  ASSERT_NE(fresh.BuildFile(payload), nullptr);
  const auto* file = fresh.BuildFile(changed);
  ASSERT_NE(file, nullptr);
  EXPECT_NE(definition_of(file), definition_of(messages::TurnRecord::descriptor()->file()));
}

}  // namespace
}  // namespace evermill::golden
