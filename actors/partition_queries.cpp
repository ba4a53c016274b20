// Questions to running instances: answered from memory, or after a replay; what an answer shows is durable before it leaves.
#include <utility>

#include "actors/partition.hpp"

namespace evermill::actors {

void partition::on_query(query_request&& query) {
  if (failed_) return;
  const origin from{.reply_token = query.what.token};
  run* const r = load_header(query.workflow_id);
  if (failed_) return;
  if (r == nullptr) {
    return tell(from, {answer::outcome::not_found, query.workflow_id, {}, false,
                       "no execution has the workflow id \"" + query.workflow_id + "\""});
  }
  if (r->is == run::state::closed || r->header.status() != messages::RUNNING) {
    tell(from, {answer::outcome::closed, query.workflow_id, {}, false, "the execution \"" + query.workflow_id + "\" has ended"});
    return forget(*r);
  }
  if (r->is == run::state::live) {
    ask(*r, std::move(query.what));
    return send_work();
  }
  r->waiting_queries.push_back(std::move(query.what));
  if (r->is == run::state::absent) {
    load(*r);
  } else if (r->is == run::state::blocked && !r->load_when_durable) {
    refuse_queries(*r, answer::outcome::blocked, r->header.blocked().message());
    forget(*r);
  }
}

/// Of a live run.
void partition::ask(run& r, instance_query&& query) {
  if (r.next_work.decisions.empty() && r.next_work.queries.empty()) runs_with_work_.push_back(&r);
  r.asked.push_back(query.token);
  r.next_work.queries.push_back(std::move(query));
  touch(r);
}

/// Those that nobody will answer any more.
void partition::refuse_queries(run& r, answer::outcome what, const std::string& message) {
  for (const std::uint64_t token : std::exchange(r.asked, {})) {
    tell(origin{.reply_token = token}, {what, r.workflow_id, r.header.run_id(), false, message});
  }
  for (const instance_query& each : std::exchange(r.waiting_queries, {})) {
    tell(origin{.reply_token = each.token}, {what, r.workflow_id, r.header.run_id(), false, message});
  }
}

void partition::answer_queries(run& r, instance_report& report) {
  for (auto& [token, code] : report.answers) {
    if (std::erase(r.asked, token) == 0) continue;  // the run has ended: its caller was told
    const auto what = code->failure ? answer::outcome::refused : answer::outcome::accepted;
    std::string message = code->failure ? code->failure->message() : std::string();
    tell(origin{.reply_token = token}, {what, r.workflow_id, r.header.run_id(), false, std::move(message), std::move(code)});
  }
}

}  // namespace evermill::actors
