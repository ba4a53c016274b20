// How the verifier walks a family. Internal to engine/.
#pragma once

#include <memory>
#include <utility>

#include "engine/advice.hpp"
#include "engine/verifier.hpp"
#include "storage/journal.hpp"

namespace evermill::verification {

struct verifier::journal_walk {
  partition_id partition;
  run_number run;
  std::string row;  ///< the one that is being read
  std::optional<storage::run_open_work> work;
  bool work_readable = true;
  std::unique_ptr<journal_check> check;
};

/// Calls `visit(stored_row&, place)` for each row that can be read, and reports the others.
template <class Visit>
void verifier::walk_rows(family f, bool first_time, Visit&& visit) {
  const auto rows = store_.scan(f, "", "");
  for (; rows->valid(); rows->next()) {
    place where;
    where.row = storage::row_name(f, rows->key());
    if (first_time) {
      ++report_.rows;
      report_.bytes += rows->key().size() + rows->value().size();
    }
    auto row = storage::parse_row(f, rows->key(), rows->value());
    if (row) {
      visit(*row, std::as_const(where));
    } else if (first_time) {
      const bool newer = row.error().code == storage::storage_errc::newer_format;
      problem(where, row.error().message, newer ? advice::newer : advice::restore);
    }
  }
  if (auto status = rows->status(); !status && first_time) {
    problem({}, status.error().message + "; the rest of the family \"" + storage::family_name(f) + "\" was not read",
            advice::restore);
  }
}

}  // namespace evermill::verification
