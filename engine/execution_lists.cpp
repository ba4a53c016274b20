#include "engine/execution_lists.hpp"

#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/clock.hpp"
#include "base/encodings.hpp"
#include "base/namespaces.hpp"
#include "engine/inspection.hpp"
#include "engine/names.hpp"
#include "storage/keys.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill {
namespace {

using storage::listed_state;

constexpr std::size_t usual_page = 100;
constexpr std::size_t longest_page = 1'000;
constexpr char token_version = 1;

/// All that a filter lets pass, one by one; empty: everything.
std::vector<listed_state> states_of(const execution_filter& filter) {
  std::set<listed_state> states;
  for (const execution_status each : filter.statuses) {
    states.insert(static_cast<listed_state>(each));
    if (each == execution_status::running) states.insert(listed_state::blocked);
  }
  if (filter.blocked && filter.statuses.empty()) {
    states = {listed_state::running,    listed_state::completed, listed_state::failed, listed_state::canceled,
              listed_state::terminated, listed_state::timed_out, listed_state::blocked};
  }
  if (filter.blocked) std::erase_if(states, [&](listed_state each) { return (each == listed_state::blocked) != *filter.blocked; });
  if (filter.blocked && states.empty()) states.insert(listed_state::none);  // nothing is in it
  return {states.begin(), states.end()};
}

std::string url_safe_base64(std::string_view bytes) {
  std::string text = base64_encoded(bytes);
  text.erase(std::min(text.find('='), text.size()));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

}  // namespace

execution_list::execution_list(const execution_filter& filter, std::string_view store_id, std::size_t limit)
    : limit_(limit == 0 ? usual_page : std::min(limit, longest_page)) {
  if (!filter.workflow_type.empty()) check_name("workflow type", filter.workflow_type);
  if (!filter.workflow_id_prefix.empty()) check_name("prefix of workflow ids", filter.workflow_id_prefix);
  if (!namespaces::is_default(filter.name_space)) {
    if (const auto why = namespaces::why_no_namespace(filter.name_space)) {
      throw engine_error(engine_errc::invalid_argument, "the name of a namespace " + *why);
    }
  }
  query_.name_space = namespaces::prefix_of(filter.name_space);
  query_.states = states_of(filter);
  query_.workflow_type = filter.workflow_type;
  query_.from_us = to_micros(filter.started_from);
  if (filter.started_before != timestamp{}) query_.before_us = to_micros(filter.started_before);
  query_.id_prefix = filter.workflow_id_prefix;
  query_.hidden_prefix = workflow::locks::reserved_prefix;
  std::string all(store_id);
  all.push_back('\0');
  if (!query_.name_space.empty()) all += query_.name_space + '\0';
  for (const listed_state each : query_.states) all.push_back(static_cast<char>(each));
  all.push_back('\0');
  all += query_.workflow_type + '\0' + query_.id_prefix + '\0';
  all += std::to_string(query_.from_us) + ' ' + std::to_string(query_.before_us);
  seed_ = XXH3_64bits(all.data(), all.size());
}

std::uint64_t execution_list::checksum(std::string_view place) const {
  return XXH3_64bits_withSeed(place.data(), place.size(), seed_);
}

std::string execution_list::token_of(const storage::list_position& last) const {
  std::string place;
  storage::append_time(place, last.started_us);
  place += last.workflow_id;
  std::string token(1, token_version);
  const std::uint64_t sum = checksum(place);
  for (int shift = 56; shift >= 0; shift -= 8) token.push_back(static_cast<char>(sum >> shift));
  return url_safe_base64(token + place);
}

std::optional<storage::list_position> execution_list::place_of(std::string_view page_token) const {
  if (page_token.empty()) return std::nullopt;
  const auto refuse = []() -> engine_error {
    return {engine_errc::invalid_argument,
            "the page token is not one of this list; pass what the page before gave, with the same filter, or begin anew without one"};
  };
  const auto token = base64_decoded(page_token);
  constexpr std::size_t head = 1 + 8;
  if (!token || token->size() < head || token->front() != token_version) throw refuse();
  std::uint64_t sum = 0;
  for (std::size_t i = 1; i < head; ++i) sum = sum << 8 | static_cast<unsigned char>((*token)[i]);
  std::string_view place = std::string_view(*token).substr(head);
  if (checksum(place) != sum) throw refuse();
  const auto started = storage::take_time(place);
  if (!started) throw refuse();
  return storage::list_position{*started, std::string(place)};
}

execution_page execution_list::page_of(std::vector<storage::executions_page>&& of_partitions) const {
  // What lies behind the end of a partition's part may have others of it before it.
  std::optional<storage::list_position> end;
  std::vector<storage::found_execution> rows;
  for (storage::executions_page& each : of_partitions) {
    if (each.next_after && (!end || storage::is_before(*each.next_after, *end))) end = std::move(each.next_after);
    for (storage::found_execution& row : each.rows) rows.push_back(std::move(row));
  }
  if (end) std::erase_if(rows, [&](const storage::found_execution& row) { return storage::is_before(*end, row.at); });
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return storage::is_before(a.at, b.at); });
  if (rows.size() > limit_) {
    rows.resize(limit_);
    end = rows.back().at;
  }
  execution_page page;
  if (end) page.next_page_token = token_of(*end);
  for (storage::found_execution& row : rows) {
    page.executions.push_back(inspection::listed(std::move(row.at.workflow_id), row.header));
  }
  return page;
}

execution_counts counts_of(const std::vector<storage::executions_count>& counts) {
  execution_counts sum;
  for (const storage::executions_count& each : counts) {
    const bool blocked = each.is == listed_state::blocked;
    sum.total += each.count;
    if (blocked) sum.blocked += each.count;
    sum.by_status[blocked ? execution_status::running : static_cast<execution_status>(each.is)] += each.count;
  }
  return sum;
}

}  // namespace evermill
