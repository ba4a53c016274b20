// Requests that carry an id: the same one, repeated, is not done again, and is answered as the first one was.
#include <utility>

#include "actors/partition.hpp"

namespace evermill::actors {
namespace {
constexpr std::size_t scan_every = 64;
constexpr std::size_t scan_rows = 2 * scan_every;  // more than were added meanwhile, so that old ones do not pile up
/// Of an update that is done.
template <class Done>
std::shared_ptr<code_result> code_of(const Done& done) {
  auto code = std::make_shared<code_result>();
  if (done.has_failure()) {
    code->failure = done.failure();
  } else if (done.has_result()) {
    code->result = done.result();
  }
  return code;
}

}  // namespace

/// False: it was done before, or is being done, and its caller is told what the first one was or will be.
bool partition::admit_request(const messages::DecisionEvent& event, origin& from) {
  storage::request_name name{event.workflow_id(), event.request_id()};
  const auto [pending, first] = requests_.try_emplace(name);
  if (!first) {
    if (pending->second.done) {
      tell(from, answer(*pending->second.done));
    } else if (from.reply_token != 0) {
      pending->second.repeats.push_back(from.reply_token);
    }
    handled(from);
    return false;
  }
  auto stored = storage::find_request(store_, options_.id, name.workflow_id, name.request_id);
  if (!stored) {
    corrupt(stored.error());
    return false;
  }
  if (!*stored) {
    from.request = std::make_shared<const storage::request_name>(std::move(name));
    return true;
  }
  requests_.erase(pending);
  std::shared_ptr<code_result> code;
  if ((*stored)->done()) code = code_of(**stored);
  tell(from, answer{answer::outcome::accepted, event.workflow_id(), (*stored)->run_id(), true, {}, std::move(code)});
  handled(from);
  return false;
}

/// Answers the caller, and those who asked for the same, with the next commit.
void partition::tell(const origin& from, answer&& what) {
  if (from.request) {
    const auto pending = requests_.find(*from.request);
    if (pending != requests_.end()) {
      for (const std::uint64_t token : pending->second.repeats) gathering_.out.answers.emplace_back(token, what);
      pending->second.repeats.clear();
      if (what.what == answer::outcome::accepted) {
        pending->second.done = what;
        pending->second.done->existed = true;
      } else {
        requests_.erase(pending);
      }
      ports_.request_flush();
    }
  }
  if (from.reply_token == 0) return;
  gathering_.out.answers.emplace_back(from.reply_token, std::move(what));
  ports_.request_flush();
}

/// The request is part of the commit that is being gathered.
void partition::accept(const run& r, const origin& from) {
  if (from.request) put_request(r, *from.request, {});
  tell(from, answer{answer::outcome::accepted, r.workflow_id, r.header.run_id(), from.existed, {}});
}

void partition::put_request(const run& r, const storage::request_name& name, messages::HandledRequest&& request) {
  request.set_run_id(r.header.run_id());
  request.set_handled_us(to_micros(ports_.now()));
  storage::put_request(gathering_.batch, options_.id, name.workflow_id, name.request_id, request);
  gathering_.requests.push_back(name);
  if (++requests_since_scan_ >= scan_every) forget_old_requests();
}

/// Nothing of it is journaled; it may be asked for again.
void partition::refuse_update(run& r, messages::Failure&& why, const origin& from) {
  auto code = std::make_shared<code_result>();
  std::string message = "the update was refused: " + why.message();
  code->failure = std::move(why);
  tell(from, {answer::outcome::refused, r.workflow_id, r.header.run_id(), false, std::move(message), std::move(code)});
  unpark(r, from);
  handled(from);
}

/// Who asks for the same update again is told its end; and who waits for it is.
void partition::complete_update(const run& r, messages::WorkflowExecutionUpdateCompleted&& completed) {
  const storage::request_name name{r.workflow_id, update_request_id(completed.update_id())};
  const std::shared_ptr<const code_result> code = code_of(completed);
  if (const auto pending = requests_.find(name); pending != requests_.end() && pending->second.done) {
    pending->second.done->code = code;
  }
  messages::HandledRequest request;
  request.set_done(true);
  if (completed.has_failure()) {
    *request.mutable_failure() = std::move(*completed.mutable_failure());
  } else if (completed.has_result()) {
    *request.mutable_result() = std::move(*completed.mutable_result());
  }
  put_request(r, name, std::move(request));
  gathering_.out.updates.push_back({r.workflow_id, completed.update_id(), code});
}

/// Looks at a part of the stored ones, in turn.
void partition::forget_old_requests() {
  requests_since_scan_ = 0;
  auto rows = storage::scan_requests(store_, options_.id, request_scan_, scan_rows);
  if (!rows) return corrupt(rows.error());
  const std::int64_t limit = to_micros(ports_.now() - options_.keep_requests);
  for (const storage::stored_request& each : *rows) {
    if (each.request.handled_us() >= limit) continue;
    storage::erase_request(gathering_.batch, options_.id, each.name.workflow_id, each.name.request_id);
  }
  request_scan_ = rows->size() < scan_rows ? storage::request_name{} : rows->back().name;
}

}  // namespace evermill::actors
