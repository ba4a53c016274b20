// Events as the CloudEvents 1.0 specification, its JSON format and its Kafka binding have them.
#include "publishing/cloud_event.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/remembering_sink.hpp"

namespace evermill::publishing {
namespace {

using nlohmann::json;
using tests::attribute;

messages::Event scheduled() {
  messages::Event event;
  event.mutable_activity_task_scheduled()->set_activity_type("pack");
  event.mutable_activity_task_scheduled()->mutable_input()->set_data("{\"n\":1}");
  return event;
}

cloud_event made(data_format format, const messages::Event& event = scheduled(), std::string_view workflow_id = "order-1") {
  const event_origin from{"/evermill/store-1", partition_id(3), run_number(17), event_seq(5),
                          from_micros(1'777'636'800'000'001), workflow_id, "fulfil_order"};
  return make_event(from, event, format);
}

TEST(CloudEvent, HasTheAttributesOfTheSpecification) {
  const cloud_event event = made(data_format::json);
  EXPECT_EQ(attribute(event, "specversion"), "1.0");
  EXPECT_EQ(attribute(event, "id"), "3.17.5");
  EXPECT_EQ(attribute(event, "source"), "/evermill/store-1");
  EXPECT_EQ(attribute(event, "type"), "evermill.ActivityTaskScheduled");
  EXPECT_EQ(attribute(event, "subject"), "order-1");
  EXPECT_EQ(attribute(event, "time"), "2026-05-01T12:00:00.000001Z");
  EXPECT_EQ(event.content_type, "application/json");
  EXPECT_EQ(attribute(event, "workflowtype"), "fulfil_order");
  EXPECT_EQ(attribute(event, "runnumber"), "17");
  EXPECT_EQ(attribute(event, "eventnumber"), "5");
}

TEST(CloudEvent, NamesAttributesAsTheSpecificationAllows) {
  cloud_event event = made(data_format::json);
  omit_data(event);
  std::set<std::string> names;
  for (const auto& [name, value] : event.attributes) {
    EXPECT_THAT(name.size(), testing::AllOf(testing::Ge(1U), testing::Le(20U))) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_FALSE(value.empty()) << name;
    EXPECT_NE(name, "data");
  }
}

TEST(CloudEvent, HasTheEventAsJson) {
  const json data = json::parse(made(data_format::json).data);
  EXPECT_EQ(data["seq"], 5);
  EXPECT_EQ(data["type"], "ActivityTaskScheduled");
  EXPECT_EQ(data["activity_type"], "pack");
  EXPECT_EQ(data["input"]["n"], 1);
}

TEST(CloudEvent, HasTheEventAsProtobuf) {
  const cloud_event event = made(data_format::protobuf);
  EXPECT_EQ(event.content_type, "application/protobuf");
  messages::Event parsed;
  ASSERT_TRUE(parsed.ParseFromString(event.data));
  EXPECT_EQ(parsed.SerializeAsString(), scheduled().SerializeAsString());
}

TEST(CloudEvent, IsARecordOfTheKafkaBindingsBinaryMode) {
  const queue::record record = to_record(made(data_format::json));
  EXPECT_EQ(record.key, "order-1");
  EXPECT_EQ(json::parse(record.value)["activity_type"], "pack");
  EXPECT_THAT(record.headers, testing::UnorderedElementsAre(
                                  std::pair("ce_specversion", "1.0"), std::pair("ce_id", "3.17.5"),
                                  std::pair("ce_source", "/evermill/store-1"),
                                  std::pair("ce_type", "evermill.ActivityTaskScheduled"),
                                  std::pair("ce_subject", "order-1"), std::pair("ce_time", "2026-05-01T12:00:00.000001Z"),
                                  std::pair("ce_workflowtype", "fulfil_order"), std::pair("ce_runnumber", "17"),
                                  std::pair("ce_eventnumber", "5"), std::pair("content-type", "application/json")));
}

TEST(CloudEvent, IsALineOfTheStructuredJsonFormat) {
  const std::string line = to_json_line(made(data_format::json));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line.back(), '\n');
  const json event = json::parse(line);
  EXPECT_EQ(event["specversion"], "1.0");
  EXPECT_EQ(event["id"], "3.17.5");
  EXPECT_EQ(event["datacontenttype"], "application/json");
  EXPECT_EQ(event["data"]["activity_type"], "pack");
  EXPECT_FALSE(event.contains("data_base64"));
}

TEST(CloudEvent, HasBytesAsBase64InJson) {
  messages::Event event;
  event.mutable_timer_fired()->set_started_seq(7);
  const json line = json::parse(to_json_line(made(data_format::protobuf, event)));
  EXPECT_EQ(line["datacontenttype"], "application/protobuf");
  EXPECT_EQ(line["data_base64"], "QgIIBw==") << "field 8 holds field 1, which is 7";
  EXPECT_FALSE(line.contains("data"));
}

TEST(CloudEvent, EscapesWhatJsonHasMeaningsFor) {
  const json line = json::parse(to_json_line(made(data_format::json, scheduled(), "a \"b\" \\ ü")));
  EXPECT_EQ(line["subject"], "a \"b\" \\ ü");
}

TEST(CloudEvent, WithoutItsDataSaysHowMuchWasLeftOut) {
  cloud_event event = made(data_format::protobuf);
  const std::size_t bytes = event.data.size();
  omit_data(event);
  EXPECT_EQ(attribute(event, "omittedbytes"), std::to_string(bytes));
  const json line = json::parse(to_json_line(event));
  EXPECT_FALSE(line.contains("data_base64"));
  EXPECT_FALSE(line.contains("datacontenttype"));
  const queue::record record = to_record(std::move(event));
  EXPECT_EQ(record.value, "");
  for (const auto& [name, value] : record.headers) EXPECT_NE(name, "content-type");
}

TEST(CloudEvent, TellsOfALoss) {
  const cloud_event event = make_loss("/evermill/store-1", partition_id(3), 10, 20, 55, from_micros(1'777'636'800'000'000));
  EXPECT_EQ(attribute(event, "id"), "3.lost.10-20");
  EXPECT_EQ(attribute(event, "type"), "evermill.events_lost");
  EXPECT_EQ(attribute(event, "time"), "2026-05-01T12:00:00.000000Z");
  EXPECT_EQ(attribute(event, "subject"), "") << "it is of no workflow";
  EXPECT_EQ(json::parse(event.data), json::parse(R"({"partition":3,"count":55,"since":10,"through":20})"));
}

}  // namespace
}  // namespace evermill::publishing
