// How fast workflow files are read and their expressions evaluated.
//
//   dsl_bench tests/dsl/files/good/*.yaml [--benchmark_filter=…]
#include <benchmark/benchmark.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "dsl/chart.hpp"
#include "dsl/definition.hpp"

using namespace evermill::dsl;

namespace {

std::vector<std::string> texts;

void read_files(benchmark::State& state) {
  std::int64_t bytes = 0;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      const read_result read = read_definition(text);
      if (read.definition == nullptr) state.SkipWithError("a file has errors");
      bytes += static_cast<std::int64_t>(text.size());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(texts.size()));
  state.SetBytesProcessed(bytes);
}
BENCHMARK(read_files)->Unit(benchmark::kMillisecond);

void draw_svg(benchmark::State& state) {
  const read_result read = read_definition(texts.front());
  for (auto _ : state) benchmark::DoNotOptimize(to_svg(chart_of(*read.definition)));
}
BENCHMARK(draw_svg)->Unit(benchmark::kMicrosecond);

/// What a run of a middling size has as its input; `others` more members that no expression looks at.
json order_with(int others) {
  json order = {
      {"a", 41}, {"kind", "express"}, {"customer", {{"name", "Ada"}, {"tags", {"x", "y"}}}}, {"items", json::array()}};
  for (int i = 0; i < 5; ++i) order["items"].push_back({{"price", i + 1}, {"count", 2}});
  for (int i = 0; i < others; ++i) order["other" + std::to_string(i)] = {{"text", std::string(40, 'x')}, {"list", {1, 2, 3}}};
  return order;
}

class context_only final : public variables {
 public:
  const json* find(std::string_view name) const override { return name == "context" ? &context_ : nullptr; }

 private:
  json context_ = {{"id", 7}};
};

void evaluate(benchmark::State& state, const char* source, int others) {
  expression_compiler compiler;
  const expression compiled = *compiler.compile(source);
  const json order = order_with(others);
  const context_only with;
  for (auto _ : state) benchmark::DoNotOptimize(compiled.evaluate(order, with));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(evaluate, add, ".a + 1", 0);
BENCHMARK_CAPTURE(evaluate, add_of_a_large_input, ".a + 1", 1000);
BENCHMARK_CAPTURE(evaluate, path, ".customer.tags[1]", 0);
BENCHMARK_CAPTURE(evaluate, context, "$context.id", 0);
BENCHMARK_CAPTURE(evaluate, condition, ".kind == \"express\" and .a > 3", 0);
BENCHMARK_CAPTURE(evaluate, text, "\"order \\($context.id) of \\(.customer.name)\"", 0);
BENCHMARK_CAPTURE(evaluate, object, "{id: $context.id, name: .customer.name, total: (.a * 2)}", 0);
BENCHMARK_CAPTURE(evaluate, map_natively, ".items | map(.price * .count) | add", 0);
BENCHMARK_CAPTURE(evaluate, libjq_small, "[.items[] | select(.price > 2) | .price] | length", 0);
BENCHMARK_CAPTURE(evaluate, libjq_of_a_large_input, "[.items[] | select(.price > 2) | .price] | length", 1000);

void compile_with_libjq(benchmark::State& state) {
  for (auto _ : state) {
    expression_compiler compiler;
    for (int i = 0; i < 20; ++i) static_cast<void>(compiler.compile("[.items[] | select(.price > " + std::to_string(i) + ")]"));
    benchmark::DoNotOptimize(compiler.prepare());
  }
}
BENCHMARK(compile_with_libjq)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (texts.empty()) {
    std::cerr << "usage: dsl_bench FILE… [--benchmark_filter=REGEX]\n";
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
}
