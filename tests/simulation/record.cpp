#include "record.hpp"

#include <xxhash.h>

#include <cstdio>
#include <utility>

namespace evermill::simulation {
namespace {
constexpr std::size_t max_findings = 8;
}

void run_record::trace(std::string_view line) {
  digest_ = XXH3_64bits_withSeed(line.data(), line.size(), digest_);
  if (print_) std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void run_record::finding(std::string what) {
  if (print_) std::fprintf(stderr, "FINDING %s\n", what.c_str());
  if (findings_.size() < max_findings) findings_.push_back(std::move(what));
}

void run_record::count(std::string_view what, std::uint64_t times) {
  const auto found = counts_.find(what);
  if (found != counts_.end()) {
    found->second += times;
  } else {
    counts_.emplace(what, times);
  }
}

}  // namespace evermill::simulation
