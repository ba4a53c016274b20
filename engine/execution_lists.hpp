// Filtered lists and counts of executions: what engine.hpp promises of them, made of what each partition has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/engine.hpp"
#include "storage/executions.hpp"

namespace evermill {

/// One list: a filter on what a store holds.
class execution_list {
 public:
  /// Throws engine_error (invalid_argument) for a filter that can't be.
  execution_list(const execution_filter& filter, std::string_view store_id, std::size_t limit);

  const storage::execution_query& query() const noexcept { return query_; }
  std::size_t limit() const noexcept { return limit_; }
  /// Where a page that a token is for begins: after this; nothing: at the list's beginning. Throws engine_error (invalid_argument).
  std::optional<storage::list_position> place_of(std::string_view page_token) const;
  /// The next of all, from the next of each partition.
  execution_page page_of(std::vector<storage::executions_page>&& of_partitions) const;

 private:
  std::string token_of(const storage::list_position& last) const;
  std::uint64_t checksum(std::string_view place) const;

  storage::execution_query query_;
  std::size_t limit_ = 0;
  std::uint64_t seed_ = 0;  ///< of the tokens' checksums: tells this list from others
};

execution_counts counts_of(const std::vector<storage::executions_count>& counts);

}  // namespace evermill
