#include "plugins/task/grpc/grpc_schema.hpp"

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"
#include "evermill/exceptions.hpp"

namespace evermill::tasks {
namespace {

namespace pb = google::protobuf;

constexpr const char* main_file = "service.proto";
constexpr std::size_t kept_schemas = 64;
constexpr std::size_t most_problems = 5;

using proto_files = std::map<std::string, std::string>;

/// Names the files, and is the only place that they come from.
class given_files final : public pb::compiler::SourceTree {
 public:
  explicit given_files(const proto_files& files) : files_(files) {}
  pb::io::ZeroCopyInputStream* Open(const std::string& name) override {
    const auto it = files_.find(name);
    if (it == files_.end()) return nullptr;
    return new pb::io::ArrayInputStream(it->second.data(), static_cast<int>(it->second.size()));
  }
  std::string GetLastErrorMessage() override { return "it is not among the \"imports\""; }

 private:
  const proto_files& files_;
};

class collected_problems final : public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int column, const std::string& message) override {
    if (++count_ > most_problems) return;
    text_.append(text_.empty() ? "" : "; ").append(file);
    if (line >= 0) text_.append(":" + std::to_string(line + 1) + ":" + std::to_string(column + 1));
    text_.append(": ").append(message);
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

/// Keeps what its descriptors need: files, the databases that read them, and the pool. Thread-safe, as pool and factory are.
struct schema {
  explicit schema(proto_files given) : texts(std::move(given)) {
    own.RecordErrorsTo(&problems);
    file = pool.FindFileByName(main_file);
    if (file == nullptr || !problems.text().empty()) {
      throw payload_error("\"proto\" can't be used: " + to_utf8(problems.text().empty() ? std::string("it can't be read") : problems.text()));
    }
  }

  const proto_files texts;
  given_files tree{texts};
  collected_problems problems;
  pb::DescriptorPoolDatabase compiled{  // Google's own files: not as text, but as libprotobuf has them
      *pb::DescriptorPool::generated_pool()};
  pb::compiler::SourceTreeDescriptorDatabase own{&tree, &compiled};
  pb::DescriptorPool pool{&own, own.GetValidationErrorCollector()};
  const pb::FileDescriptor* file = nullptr;
  pb::DynamicMessageFactory messages{&pool};
};

class method_of_schema final : public grpc_method {
 public:
  method_of_schema(std::shared_ptr<schema> from, const pb::MethodDescriptor& method)
      : schema_(std::move(from)),
        method_(method),
        path_("/" + method.service()->full_name() + "/" + method.name()),
        input_(*schema_->messages.GetPrototype(method.input_type())),
        output_(*schema_->messages.GetPrototype(method.output_type())) {}

  const std::string& path() const override { return path_; }
  bool takes_stream() const override { return method_.client_streaming(); }
  bool gives_stream() const override { return method_.server_streaming(); }

  std::string encode(const nlohmann::json& arguments) const override {
    const std::unique_ptr<pb::Message> message(input_.New());
    const std::string text = arguments.is_null() ? "{}" : arguments.dump();
    const auto status = pb::util::JsonStringToMessage(text, message.get());
    if (!status.ok()) {
      throw payload_error("\"arguments\" are no " + method_.input_type()->full_name() + ": " + to_utf8(std::string(status.message())));
    }
    return message->SerializePartialAsString();
  }

  nlohmann::json decode(std::string_view bytes) const override {
    const std::unique_ptr<pb::Message> message(output_.New());
    pb::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    std::string text;
    if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !pb::util::MessageToJsonString(*message, &text, options).ok()) {
      throw std::runtime_error("the response is no " + method_.output_type()->full_name());
    }
    return nlohmann::json::parse(text);
  }

 private:
  const std::shared_ptr<schema> schema_;
  const pb::MethodDescriptor& method_;
  const std::string path_;
  const pb::Message& input_;
  const pb::Message& output_;
};

/// The newest first.
std::shared_ptr<schema> schema_of(const grpc_request& request) {
  static std::mutex mutex;
  static std::list<std::shared_ptr<schema>> kept;
  proto_files files = request.imports;
  files[main_file] = request.proto;
  const std::lock_guard lock(mutex);
  for (auto it = kept.begin(); it != kept.end(); ++it) {
    if ((*it)->texts != files) continue;
    kept.splice(kept.begin(), kept, it);
    return kept.front();
  }
  kept.push_front(std::make_shared<schema>(std::move(files)));
  if (kept.size() > kept_schemas) kept.pop_back();
  return kept.front();
}

const pb::ServiceDescriptor* find_service(schema& in, const std::string& name) {
  for (int i = 0; i < in.file->service_count(); ++i) {
    const pb::ServiceDescriptor* const each = in.file->service(i);
    if (each->full_name() == name || each->name() == name) return each;
  }
  return in.pool.FindServiceByName(name);  // of an import
}

}  // namespace

std::shared_ptr<const grpc_method> find_grpc_method(const grpc_request& request) {
  const std::shared_ptr<schema> from = schema_of(request);
  const pb::ServiceDescriptor* const service = find_service(*from, request.service);
  if (service == nullptr) throw payload_error("\"proto\" has no service \"" + request.service + "\"");
  const pb::MethodDescriptor* const method = service->FindMethodByName(request.method);
  if (method == nullptr) throw payload_error("service \"" + service->full_name() + "\" has no method \"" + request.method + "\"");
  return std::make_shared<method_of_schema>(from, *method);
}

}  // namespace evermill::tasks
