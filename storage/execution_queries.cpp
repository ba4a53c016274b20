// Lists and counts of executions. The index has a group of rows per state and workflow type, each in the order of lists; one cursor
// goes from group to group and leaves each as soon as nothing newer can follow, so that all is of one moment.
#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/namespaces.hpp"
#include "storage/executions.hpp"
#include "storage/keys.hpp"
#include "storage/row_access.hpp"
#include "storage/rows.hpp"

namespace evermill::storage {
namespace {

/// So many headers are read at most to find out which executions have a prefix.
constexpr std::size_t most_headers_of_a_prefix = 5'000;

std::string start_of(partition_id partition) {
  std::string key;
  append_partition(key, partition);
  return key;
}

storage_error malformed(std::string_view key) {
  std::string hex;
  for (const char c : key) {
    constexpr std::string_view digits = "0123456789abcdef";
    hex += digits[static_cast<unsigned char>(c) >> 4];
    hex += digits[static_cast<unsigned char>(c) & 15];
  }
  return {storage_errc::corrupt, "execution in the index, " + hex + ": malformed key"};
}

bool wants(const execution_query& query, listed_state state) {
  return query.states.empty() || std::find(query.states.begin(), query.states.end(), state) != query.states.end();
}
bool wants_id(const execution_query& query, std::string_view workflow_id) {
  if (!query.all_namespaces && namespaces::prefix_in(workflow_id) != query.name_space) return false;
  const std::string_view id = namespaces::plain(workflow_id);
  return id.starts_with(query.id_prefix) && (query.hidden_prefix.empty() || !id.starts_with(query.hidden_prefix));
}
bool wants(const execution_query& query, std::string_view workflow_id, const messages::InstanceHeader& header) {
  const std::int64_t started = execution_started_us(header);
  return wants(query, listed_state_of(header)) && (query.workflow_type.empty() || header.workflow_type() == query.workflow_type) &&
         started >= query.from_us && started < query.before_us && wants_id(query, workflow_id);
}

/// Does it want what can't be: a start before all that keys know, or a type that has a byte which ends it there?
bool is_void(const execution_query& query) {
  return query.before_us <= 0 || query.workflow_type.find('\0') != std::string::npos;
}

/// The first executions in the order of lists, of those that come after a place: one more than are wanted, which tells whether
/// there are more.
template <class Row>
class first_rows {
 public:
  first_rows(const std::optional<list_position>& after, std::size_t limit) : after_(after), limit_(limit) {}

  bool comes_too_early(const list_position& at) const { return after_ && !is_before(*after_, at); }
  bool comes_too_late(const list_position& at) const { return rows_.size() > limit_ && !is_before(at, rows_.front().at); }
  void add(Row&& row) {
    rows_.push_back(std::move(row));
    std::push_heap(rows_.begin(), rows_.end(), order);
    if (rows_.size() <= limit_ + 1) return;
    std::pop_heap(rows_.begin(), rows_.end(), order);
    rows_.pop_back();
  }
  /// In their order, and whether more follow.
  std::pair<std::vector<Row>, bool> take() && {
    std::sort_heap(rows_.begin(), rows_.end(), order);
    const bool more = rows_.size() > limit_;
    if (more) rows_.pop_back();
    return {std::move(rows_), more};
  }

 private:
  static bool order(const Row& a, const Row& b) { return is_before(a.at, b.at); }

  const std::optional<list_position>& after_;
  const std::size_t limit_;
  std::vector<Row> rows_;  ///< a heap: the last one in front
};

struct indexed_execution {
  list_position at;
};

/// What a query wants of the index of a partition, group by group.
class index_walk {
 public:
  index_walk(const key_value_store& store, partition_id partition, const execution_query& query)
      : query_(query), partition_(start_of(partition)),
        wanted_type_(query.name_space + query.workflow_type),
        rows_(store.scan(family::executions, partition_, end_of(partition_))) {}

  /// Calls `visit(state)` at the first row of each group; it moves on with the functions below, within the group.
  template <class Visit>
  storage_result<void> for_each_group(Visit&& visit) {
    while (!stopped_ && rows_->valid()) {
      const std::string_view key = rows_->key();
      const std::size_t state_at = partition_.size();
      const std::size_t end = key.find('\0', state_at + 1);
      if (key.size() <= state_at || end == std::string_view::npos) return unexpected(malformed(key));
      const auto state = static_cast<listed_state>(key[state_at]);
      const std::string_view type = key.substr(state_at + 1, end - state_at - 1);
      const std::string of_state(key.substr(0, state_at + 1));
      const bool right_space = query_.all_namespaces || namespaces::prefix_in(type) == query_.name_space;
      const bool right_type = right_space && (query_.workflow_type.empty() || type == wanted_type_);
      if (!wants(query_, state) || (!right_type && type > wanted_type_ && !is_before_default(type))) {
        rows_->seek(end_of(of_state));
      } else if (!right_type) {
        rows_->seek(of_state + first_type());
      } else {
        group_ = key.substr(0, end + 1);
        if (auto visited = visit(state); !visited) return visited;
        if (!stopped_ && in_group()) rows_->seek(end_of(group_));
      }
    }
    return rows_->status();
  }

  /// Where a walk stopped before. Before for_each_group.
  void resume(const std::string& key) {
    if (rows_->valid() && rows_->key() < key) rows_->seek(key);
  }
  /// The walk ends with this visit; gives the row's key.
  std::string stop() {
    stopped_ = true;
    return std::string(rows_->key());
  }
  bool in_group() const { return rows_->valid() && rows_->key().starts_with(group_); }
  void next() { rows_->next(); }
  /// To the first row of the group that did not start later than `started_us`.
  void skip_to(std::int64_t started_us) {
    std::string key = group_;
    append_descending_time(key, started_us);
    if (in_group() && rows_->key() < key) rows_->seek(key);
  }
  /// The row's; its workflow id is a view. Nothing: malformed.
  std::optional<std::pair<std::int64_t, std::string_view>> at() const {
    std::string_view rest = rows_->key().substr(group_.size());
    const auto started = take_descending_time(rest);
    if (!started) return std::nullopt;
    return std::pair(*started, rest);
  }
  storage_error damage() const { return malformed(rows_->key()); }
  storage_result<void> check_value() const {
    messages::ListedExecution nothing;
    return parse_message(family::executions, rows_->key(), rows_->value(), [this] { return malformed(rows_->key()).message; }, nothing);
  }

 private:
  /// Types of other namespaces lie before all of the default one.
  bool is_before_default(std::string_view type) const { return query_.name_space.empty() && type.starts_with(namespaces::mark); }
  /// What the first group of a state begins with.
  std::string first_type() const {
    if (!query_.workflow_type.empty()) return wanted_type_ + '\0';
    return query_.name_space.empty() ? std::string(" ") : query_.name_space;
  }

  const execution_query& query_;
  const std::string partition_;
  const std::string wanted_type_;  ///< as keys have it; only the namespace's prefix: any of that
  const std::unique_ptr<cursor> rows_;
  std::string group_;
  bool stopped_ = false;
};

/// The places of those that are wanted, and whether more follow.
storage_result<std::pair<std::vector<indexed_execution>, bool>> find_in_index(const key_value_store& store, partition_id partition,
                                                                              const execution_query& query,
                                                                              const std::optional<list_position>& after,
                                                                              std::size_t limit) {
  index_walk walk(store, partition, query);
  first_rows<indexed_execution> found(after, limit);
  auto walked = walk.for_each_group([&](listed_state) -> storage_result<void> {
    const std::int64_t last = query.before_us - 1;
    walk.skip_to(after ? std::min(last, after->started_us) : last);
    for (; walk.in_group(); walk.next()) {
      const auto place = walk.at();
      if (!place) return unexpected(walk.damage());
      if (place->first < query.from_us) break;
      if (!wants_id(query, place->second)) continue;
      indexed_execution row{{place->first, std::string(place->second)}};
      if (found.comes_too_early(row.at)) continue;
      if (found.comes_too_late(row.at)) break;
      if (auto good = walk.check_value(); !good) return good;
      found.add(std::move(row));
    }
    return {};
  });
  if (!walked) return unexpected(walked.error());
  return std::move(found).take();
}

executions_page page_of(std::vector<found_execution>&& rows, bool more) {
  executions_page page{std::move(rows), {}};
  if (more) page.next_after = page.rows.back().at;
  return page;
}

/// Without the index. Nothing: there were more headers than `most`.
storage_result<std::optional<executions_page>> find_in_headers(const key_value_store& store, partition_id partition,
                                                               const execution_query& query,
                                                               const std::optional<list_position>& after, std::size_t limit,
                                                               std::size_t most) {
  const std::string prefix = start_of(partition) + query.name_space + query.id_prefix;
  first_rows<found_execution> found(after, limit);
  const auto rows = store.scan(family::instances, prefix, end_of(prefix));
  for (std::size_t read = 0; rows->valid(); rows->next()) {
    if (++read > most) return std::optional<executions_page>();
    const std::string_view id = rows->key().substr(2);
    found_execution row;
    const auto name = [&] { return "header of \"" + std::string(id) + "\" in partition " + std::to_string(partition.value); };
    if (auto parsed = parse_message(family::instances, rows->key(), rows->value(), name, row.header); !parsed) {
      return unexpected(parsed.error());
    }
    if (!wants(query, id, row.header)) continue;
    row.at = {execution_started_us(row.header), std::string(id)};
    if (!found.comes_too_early(row.at) && !found.comes_too_late(row.at)) found.add(std::move(row));
  }
  if (auto status = rows->status(); !status) return unexpected(status.error());
  auto [first, more] = std::move(found).take();
  return std::optional(page_of(std::move(first), more));
}

storage_result<bool> has_index(const key_value_store& store, partition_id partition) {
  const auto state = load_partition_state(store, partition);
  if (!state) return unexpected(state.error());
  return state->execution_index() == execution_index_version;
}

/// What an older evermill has left without an index.
storage_result<std::vector<executions_count>> count_headers(const key_value_store& store, partition_id partition,
                                                            const execution_query& query) {
  std::vector<std::uint64_t> counts(256);
  std::string after;
  while (true) {
    const auto page = list_instances(store, partition, after, most_headers_of_a_prefix);
    if (!page) return unexpected(page.error());
    for (const listed_instance& each : *page) {
      if (wants(query, each.workflow_id, each.header)) ++counts[static_cast<std::size_t>(listed_state_of(each.header))];
    }
    if (page->size() < most_headers_of_a_prefix) break;
    after = page->back().workflow_id;
  }
  std::vector<executions_count> found;
  for (std::size_t state = 0; state < counts.size(); ++state) {
    if (counts[state] > 0) found.push_back({static_cast<listed_state>(state), counts[state]});
  }
  return found;
}

}  // namespace

storage_result<executions_page> find_executions(const key_value_store& store, partition_id partition, const execution_query& query,
                                                const std::optional<list_position>& after, std::size_t limit) {
  EVERMILL_CHECK(limit > 0, "a page has rows");
  if (is_void(query)) return executions_page();
  const auto indexed = has_index(store, partition);
  if (!indexed) return unexpected(indexed.error());
  if (!*indexed || !query.id_prefix.empty()) {
    const std::size_t most = *indexed ? most_headers_of_a_prefix : std::numeric_limits<std::size_t>::max();
    auto page = find_in_headers(store, partition, query, after, limit, most);
    if (!page) return unexpected(page.error());
    if (*page) return std::move(**page);
  }
  auto found = find_in_index(store, partition, query, after, limit);
  if (!found) return unexpected(found.error());
  executions_page page;
  for (indexed_execution& each : found->first) {
    auto header = find_header(store, partition, each.at.workflow_id);
    if (!header) return unexpected(header.error());
    if (found->second && &each == &found->first.back()) page.next_after = each.at;
    const bool fits = *header && wants(query, each.at.workflow_id, **header) && execution_started_us(**header) == each.at.started_us;
    if (fits) page.rows.push_back({std::move(each.at), std::move(**header)});
  }
  return page;
}

storage_result<std::vector<executions_count>> count_executions(const key_value_store& store, partition_id partition,
                                                               const execution_query& query, std::string& resume, std::size_t most) {
  const std::string from = std::exchange(resume, {});
  if (is_void(query)) return std::vector<executions_count>();
  const auto indexed = has_index(store, partition);
  if (!indexed) return unexpected(indexed.error());
  if (!*indexed) return count_headers(store, partition, query);
  std::vector<executions_count> found;
  std::size_t left = most;
  index_walk walk(store, partition, query);
  if (!from.empty()) walk.resume(from);
  auto walked = walk.for_each_group([&](listed_state state) -> storage_result<void> {
    if (found.empty() || found.back().is != state) found.push_back({state, 0});  // states come in order
    walk.skip_to(query.before_us - 1);
    for (; walk.in_group(); walk.next()) {
      const auto place = walk.at();
      if (!place) return unexpected(walk.damage());
      if (place->first < query.from_us) break;
      if (left-- == 0) {
        resume = walk.stop();
        break;
      }
      if (wants_id(query, place->second)) ++found.back().count;
    }
    return {};
  });
  if (!walked) return unexpected(walked.error());
  std::erase_if(found, [](const executions_count& each) { return each.count == 0; });
  return found;
}

storage_result<std::vector<found_execution>> find_ended(const key_value_store& store, partition_id partition, const std::string& name_space,
                                                        std::int64_t before_us, std::string& resume, std::size_t most) {
  const std::string from = std::exchange(resume, {});
  execution_query query;
  query.name_space = name_space;
  query.states = {listed_state::completed, listed_state::failed, listed_state::canceled, listed_state::terminated, listed_state::timed_out};
  std::vector<found_execution> found;
  std::size_t left = most;
  index_walk walk(store, partition, query);
  if (!from.empty()) walk.resume(from);
  auto walked = walk.for_each_group([&](listed_state state) -> storage_result<void> {
    walk.skip_to(before_us - 1);
    for (; walk.in_group(); walk.next()) {
      const auto place = walk.at();
      if (!place) return unexpected(walk.damage());
      if (left-- == 0) {
        resume = walk.stop();
        break;
      }
      auto header = find_header(store, partition, place->second);
      if (!header) return unexpected(header.error());
      const bool is_over = *header && listed_state_of(**header) == state && (*header)->closed_us() < before_us;
      if (is_over) found.push_back({{place->first, std::string(place->second)}, std::move(**header)});
    }
    return {};
  });
  if (!walked) return unexpected(walked.error());
  return found;
}

}  // namespace evermill::storage
