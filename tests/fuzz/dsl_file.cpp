// Workflow files: YAML or JSON, with expressions in jq. Nothing is evaluated: expressions may run as long as they like.
#include "dsl/chart.hpp"
#include "dsl/definition.hpp"
#include "dsl/jq_syntax.hpp"
#include "fuzz_input.hpp"

using namespace evermill;

namespace {

void check_problems(const dsl::read_result& read) {
  fuzz::expect((read.definition == nullptr) == dsl::has_errors(read.problems),
               "errors, and they alone, keep a file from being read");
  for (const dsl::problem& what : read.problems) {
    fuzz::expect(what.at.line > 0 && what.at.column > 0, "each problem has a place");
    const std::string told = dsl::describe(what, "f");
    fuzz::expect(told.find('\n') == std::string::npos && told.find('\x1b') == std::string::npos,
                 "each problem is one line of text");
  }
}

void check_tasks(const dsl::definition& of, const dsl::task_list& tasks) {
  for (const dsl::task& one : tasks) fuzz::expect(of.source_of(one).is_object(), "the pointer of a task leads to it");
}

void check_file(std::string_view text, dsl::text_format format) {
  const dsl::read_result read = dsl::read_definition(text, {.format = format});
  check_problems(read);
  fuzz::expect(dsl::read_definition(text, {.format = format}).problems == read.problems, "the same text has the same problems");
  if (read.definition == nullptr) return;
  check_tasks(*read.definition, read.definition->tasks);
  const dsl::chart drawing = dsl::chart_of(*read.definition);
  fuzz::expect(dsl::to_mermaid(drawing).size() + dsl::to_svg(drawing).size() > 0, "what is valid can be drawn");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const std::string_view text = in.rest();
  check_file(text, dsl::text_format::yaml);
  check_file(text, dsl::text_format::json);
  const auto expression = dsl::jq::parse(text);
  fuzz::expect(expression || expression.error().offset <= text.size(), "an error stands within the expression");
  return 0;
}
