#include "plugins/task/docker/docker_attempt.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/docker/log_stream.hpp"
#include "plugins/task/shell/process_outcome.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

constexpr int signal_base = 128;  // engines add it to the number of the signal that ended a container
constexpr int last_signal = 64;
constexpr std::uint64_t most_read_again = 16u << 20;
constexpr int least_pause_ms = 100;
constexpr int longest_pause_ms = 1'000;

/// Ends an attempt from wherever it is.
struct attempt_over {
  failed how;
};
/// It was told to stop.
struct attempt_interrupted {};

std::string text_label(const container_state& container, const char* name) {
  const auto it = container.labels.find(name);
  return it != container.labels.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::uint32_t attempt_label(const container_state& container) {
  const std::string text = text_label(container, docker_label::attempt);
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? static_cast<std::uint32_t>(std::stoul(text)) : 0;
}

}  // namespace

docker_attempt::docker_attempt(const docker_client& client, const docker_options& options, container_janitor& janitor,
                               const task_ptr& task, attempt_signal& signal, attempt_watch& watch)
    : client_(client),
      options_(options),
      janitor_(janitor),
      task_(task),
      signal_(signal),
      watch_(watch),
      secrets_(options.secrets) {
  signal_.listen([stop = stop_] { stop.stop(); });
}

docker_attempt::~docker_attempt() {
  signal_.listen(nullptr);
  end_feeding();
}

outcome docker_attempt::run() {
  outcome how = canceled{};
  try {
    how = execute();
  } catch (const attempt_over& over) {
    how = over.how;
  } catch (const attempt_interrupted&) {
  } catch (const payload_error& error) {
    how = failure_of(failure_kind::invalid_payload, "InvalidPayload", to_utf8(error.what()), true);
  } catch (const secret_error& error) {
    how = failure_of(error);
  } catch (const std::exception& error) {
    how = failure_of(failure_kind::application, "DockerError", to_utf8(error.what()), false);
  }
  secrets_.hide(how);
  return how;
}

outcome docker_attempt::execute() {
  command_ = codec<container_command>::decode(workflow::from_message(secrets_.reveal(task_)->input()));
  check_command(command_);
  janitor_.begin();
  container_state ended;
  try {
    if (!take_over()) create();
    watch_it();
    ended = wait_for_end();
  } catch (const attempt_interrupted&) {
    end_feeding();
    if (id_.empty()) return canceled{};
    if (!signal_.stopped()) lose_input();
    if (signal_.reason() == attempt_signal::why::abandoned) {
      if (feeding_ != feeding::none && feeding_ != feeding::complete) discard(id_);
      return canceled{};  // which is not reported; the container goes on without this process
    }
    ended = stop_it();
  }
  end_feeding();
  return outcome_of(ended);
}

// --- what there is, or is made

/// A container that an attempt before began whose end nobody saw. The engine's identity, the activity and its input say that it
/// is this one's: another input would be another history, as of a directory that was restored from a backup.
bool docker_attempt::is_takeable(const container_state& container) const {
  const std::uint32_t attempt = attempt_label(container);
  const std::uint32_t from = task_->lost_from() != 0 ? task_->lost_from() : task_->attempt();
  return attempt >= from && attempt <= task_->attempt() && text_label(container, docker_label::input) == hash_of_input(*task_);
}

bool docker_attempt::take_over() {
  if (task_->lost_from() == 0) return false;
  std::vector<container_state> all;
  const std::vector<std::string> labels{std::string(docker_label::engine) + "=" + options_.engine_id,
                                        std::string(docker_label::activity) + "=" + idempotency_key(dispatch_id_of(*task_))};
  check(client_.list(labels, all, stop_), "can't look for the container of the attempt before", "DockerRefused", true);
  std::erase_if(all, [&](const container_state& each) { return !is_takeable(each); });
  std::sort(all.begin(), all.end(),
            [](const container_state& a, const container_state& b) { return attempt_label(a) > attempt_label(b); });
  for (const container_state& each : all) {
    const bool is_new = each.status == "created";
    const bool may_lack_input = each.name.ends_with(feeding_suffix) && !is_new;
    if (!id_.empty() || may_lack_input ||
        (!is_new && each.status != "running" && each.status != "exited" && each.status != "paused")) {
      discard(each.id);
      continue;
    }
    options_.lines.info(subject_of(*task_), "attempt {} goes on with container {} of attempt {}, which is {}",
                        to_string(dispatch_id_of(*task_)), each.id, attempt_label(each), each.status);
    id_ = each.id;
    if (is_new && each.name.ends_with(feeding_suffix)) final_name_ = text_label(each, docker_label::name);
    if (is_new) start();
  }
  return !id_.empty();
}

void docker_attempt::create() {
  const nlohmann::json image = have_image();
  const container_request request = make_request(command_, *task_, options_.engine_id, image, options_.keep_unfetched.count());
  if (request.name != request.final_name) {
    make_room_for(request.final_name);
    final_name_ = request.final_name;
  }
  // Not interrupted, so that it is known what there is.
  docker_reply made = client_.create(request.name, request.body);
  if (made.conflict()) {
    make_room_for(request.name);
    made = client_.create(request.name, request.body);
  }
  if (made.not_found()) fail("NoSuchImage", "there is no image \"" + command_.image + "\": " + made.message, true);
  if (made.conflict()) fail("NameTaken", "can't create container \"" + request.name + "\": " + made.message, false);
  check(made, "can't create container \"" + request.name + "\"", "DockerRefused", true);
  id_ = made.body.value("Id", "");
  if (id_.empty()) fail("DockerError", "the Docker engine's answer names no container", false, true);
  if (signal_.stopped()) throw attempt_interrupted{};
  start();
}

nlohmann::json docker_attempt::have_image() {
  const std::string& image = command_.image;
  if (command_.pull_policy == "always") pull();
  docker_reply found = client_.inspect_image(image, stop_);
  if (found.not_found() && command_.pull_policy == "never") {
    fail("NoSuchImage",
         "there is no image \"" + image + "\" at " + client_.host().address + ", and its pull policy is \"never\"", true);
  }
  if (found.not_found()) {
    pull();
    found = client_.inspect_image(image, stop_);
  }
  check(found, "can't look at image \"" + image + "\"", "NoSuchImage", true);
  const auto config = found.body.find("Config");
  return config != found.body.end() && config->is_object() ? *config : nlohmann::json::object();
}

void docker_attempt::pull() {
  const std::string login = registry_header(command_.registry_auth, parse_image(command_.image).repository);
  secrets_.keep(login);
  const docker_reply pulled = client_.pull(
      command_.image, login, [this] { watch_.heartbeat(std::nullopt); }, stop_);
  if (pulled.how == docker_reply::outcome::failed) {
    fail("PullFailed", "can't pull image \"" + command_.image + "\": " + pulled.message, false);
  }
  check(pulled, "can't pull image \"" + command_.image + "\"", "NoSuchImage", true);
}

/// The name may still be that of an attempt before, whose end is known.
void docker_attempt::make_room_for(const std::string& name) {
  container_state holder;
  const docker_reply found = client_.inspect(name, holder, stop_);
  if (found.not_found()) return;
  check(found, "can't look at container \"" + name + "\"", "DockerRefused", true);
  if (holder.name != name) return;  // the name is the beginning of an id
  const bool is_ours = text_label(holder, docker_label::engine) == options_.engine_id &&
                       text_label(holder, docker_label::activity) == idempotency_key(dispatch_id_of(*task_));
  if (!is_ours || holder.running) {
    fail("NameTaken",
         "container " + holder.id.substr(0, 12) + " is called \"" + name + "\"; give this one another name, or remove that one",
         false);
  }
  if (command_.lifetime.cleanup == "always") return discard(holder.id);
  const std::string other = name + ".attempt-" + std::to_string(attempt_label(holder));
  check(client_.rename(holder.id, other), "can't rename container \"" + name + "\"", "NameTaken", false);
}

void docker_attempt::start() {
  const docker_reply started = client_.start(id_);
  if (started.how == docker_reply::outcome::refused || started.how == docker_reply::outcome::failed) {
    discard(id_);
    const bool for_good = started.how == docker_reply::outcome::refused && !started.conflict();
    fail(for_good ? "CannotStart" : "DockerError",
         "can't start the container of image \"" + command_.image + "\": " + started.message, for_good);
  }
  check(started, "can't start a container", "CannotStart", true);
  if (!command_.stdin_text.empty()) begin_feeding();
}

void docker_attempt::discard(const std::string& container) {
  const docker_reply removed = client_.remove(container);
  if (removed.done()) return;
  options_.lines.warn(subject_of(*task_), "container {} can't be removed: {}", container, removed.message);
}

// --- what it does

void docker_attempt::begin_feeding() {
  end_of_feeding_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::string prefix;
  check(client_.find_version(prefix, stop_), "can't write to the container", "DockerRefused", true);
  feeding_ = feeding::running;
  feeder_ = std::thread([this, prefix] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    const feed_result fed = feed_stdin(client_.host(), prefix, id_, command_.stdin_text, end_of_feeding_);
    if (fed.how == feed_end::stopped) return;
    // An engine that has gone ends the connection just as a container does.
    const bool is_right = fed.how == feed_end::complete || (fed.how == feed_end::reads_no_more && has_ended());
    feeding_ = is_right && take_final_name() ? feeding::complete : feeding::broken;
    if (feeding_ == feeding::broken) stop_.stop();  // what the container makes of a part of its input is of no use
  });
}

void docker_attempt::end_feeding() {
  if (!feeder_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(end_of_feeding_, &one, sizeof one);
  feeder_.join();
  ::close(std::exchange(end_of_feeding_, -1));
}

/// The engine may say so a little later than it ends the container's connections.
bool docker_attempt::has_ended() {
  constexpr int looks = 20;
  for (int i = 0; i < looks; ++i) {
    container_state now;
    const docker_reply reply = client_.inspect(id_, now);
    if (reply.not_found() || (reply.done() && !now.running)) return true;
    if (!reply.done()) return false;
    pollfd told{end_of_feeding_, POLLIN, 0};
    if (::poll(&told, 1, least_pause_ms) > 0) return true;  // the attempt has seen it
  }
  return false;
}

/// From now on a later attempt may go on with it. False: the engine is not there.
bool docker_attempt::take_final_name() {
  const docker_reply renamed = client_.rename(id_, final_name_);
  if (renamed.done() || renamed.not_found()) return true;
  options_.lines.warn(subject_of(*task_), "container {} can't be called {}: {}", id_, final_name_, renamed.message);
  return renamed.how != docker_reply::outcome::away;
}

void docker_attempt::lose_input() {
  discard(id_);
  fail("DockerUnavailable", "the Docker engine was lost while the container's standard input was written", false, true);
}

void docker_attempt::watch_it() {
  follow_output();
  docker_reply waited;
  do {
    waited = client_.wait(id_, stop_);
    be_patient(waited);
  } while (!waited.done());
}

void docker_attempt::follow_output() {
  docker_reply reply;
  do {
    read_output(true, reply);
    be_patient(reply);
  } while (!reply.done());
}

/// From the beginning of what it has written, as there is no other place that can be named; what is known is passed over.
void docker_attempt::read_output(bool follow, docker_reply& reply) {
  out_.skip = out_.bytes;
  err_.skip = err_.bytes;
  log_stream stream([this](output_stream which, std::string_view piece) { take_output(which, piece); });
  bool readable = true;
  const transfer_stop until_told = follow ? stop_ : transfer_stop();
  reply = client_.logs(
      id_, follow, [&](std::string_view bytes) { return readable = stream.read(bytes); }, until_told);
  const bool garbage = !readable || (reply.done() && !stream.whole());
  if (!garbage) return;
  reply.how = docker_reply::outcome::failed;
  reply.message = "its output is no stream of the Docker engine's";
}

void docker_attempt::take_output(output_stream which, std::string_view piece) {
  watch_.heartbeat(std::nullopt);
  away_since_.reset();
  kept_output& to = which == output_stream::out ? out_ : err_;
  const auto known = static_cast<std::size_t>(std::min<std::uint64_t>(to.skip, piece.size()));
  to.skip -= known;
  piece.remove_prefix(known);
  if (piece.empty()) return;
  to.bytes += piece.size();
  if (options_.tails != nullptr && tail_ == nullptr) {
    tail_ = options_.tails->open(*task_, [this](std::string& text) { secrets_.hide_cut(text); });
  }
  if (tail_) tail_->add(piece);
  if (options_.on_output) options_.on_output(*task_, which, piece);
  const auto limit = static_cast<std::size_t>(command_.max_output_bytes);
  const std::size_t keep = std::min(limit - std::min(limit, to.text.size()), piece.size());
  to.text.append(piece.substr(0, keep));
  if (keep < piece.size()) to.truncated = true;
}

container_state docker_attempt::wait_for_end() {
  container_state state;
  docker_reply reply;
  do {
    reply = client_.inspect(id_, state);
    be_patient(reply);
  } while (!reply.done());
  // What follows the output of a container that ends may miss the last of it.
  if (out_.bytes + err_.bytes <= most_read_again) {
    do {
      read_output(false, reply);
      be_patient(reply);
    } while (!reply.done());
  }
  return state;
}

container_state docker_attempt::stop_it() {
  const auto grace = std::chrono::ceil<std::chrono::seconds>(signal_.grace().load());
  const auto give_up = std::chrono::steady_clock::now() + options_.patience;
  container_state state;
  docker_reply reply;
  do {
    reply = client_.stop(id_, grace);
    if (reply.done()) reply = client_.inspect(id_, state);
    if (reply.not_found()) fail("ContainerGone", "the container was removed by somebody before its end was known", false);
    if (reply.done()) {
      read_output(false, reply);
      return state;
    }
    ::poll(nullptr, 0, least_pause_ms);
  } while (std::chrono::steady_clock::now() < give_up);
  options_.lines.warn(subject_of(*task_), "container {} can't be stopped, and may go on: {}", id_, reply.message);
  fail("DockerUnavailable", "the container can't be stopped: " + reply.message, false, true);
}

outcome docker_attempt::outcome_of(const container_state& ended) {
  if (ended.status == "created") {  // it was told to stop before it began
    discard(id_);
    return canceled{};
  }
  const std::string& cleanup = command_.lifetime.cleanup;
  const auto keep = cleanup == "eventually" ? command_.lifetime.after_ms : cleanup == "always" ? 0 : -1;
  janitor_.ended(id_, std::chrono::milliseconds(keep));
  for (kept_output* each : {&out_, &err_}) {
    each->truncated ? secrets_.hide_cut(each->text) : secrets_.hide(each->text);
    each->text = to_utf8(std::move(each->text));
  }
  const std::string said = last_lines(err_.text);
  const std::string colon = said.empty() ? "" : ": " + said;
  container_result result{ended.exit_code, std::move(out_.text), std::move(err_.text), out_.truncated, err_.truncated, id_};
  payload details = codec<container_result>::encode(result);
  const int code = ended.exit_code;
  const auto because = [&](const char* type, std::string message) {
    return failure_of(failure_kind::application, type, std::move(message) + colon, false, std::move(details));
  };
  if (ended.out_of_memory && code != 0) {
    return because(out_of_memory, command_.memory_bytes > 0 ? "the container needed more than its " +
                                                                  std::to_string(command_.memory_bytes) + " bytes of memory"
                                                            : "the machine had no more memory for the container");
  }
  const bool by_signal = code > signal_base && code <= signal_base + last_signal;
  if (by_signal && (command_.check || signal_.stopped())) {
    return because(killed_by_signal, "the container was ended by signal " + std::to_string(code - signal_base));
  }
  if (command_.check && code != 0) return because("NonZeroExit", "exit code " + std::to_string(code));
  completed done;
  workflow::to_message(std::move(details), done.result.emplace());
  return done;
}

// --- what goes wrong

/// Fails, unless it is done.
bool docker_attempt::check(const docker_reply& reply, std::string_view what, const char* refused_as, bool refused_for_good) {
  switch (reply.how) {
    case docker_reply::outcome::done:
      return true;
    case docker_reply::outcome::canceled:
      throw attempt_interrupted{};
    case docker_reply::outcome::away:
      fail("DockerUnavailable",
           std::string(what) + ": no Docker engine answers at " + client_.host().address + " (" + reply.message +
               "); start it, or name another by --docker or DOCKER_HOST",
           false, true);
    case docker_reply::outcome::refused:
      fail(refused_as, std::string(what) + ": " + reply.message, refused_for_good);
    case docker_reply::outcome::failed:
      fail("DockerError", std::string(what) + ": " + reply.message, false, true);
  }
  return false;
}

/// Returns when it is done, or may be tried again.
void docker_attempt::be_patient(const docker_reply& reply) {
  if (reply.done()) return away_since_.reset();
  if (signal_.stopped() || feeding_ == feeding::broken || reply.how == docker_reply::outcome::canceled)
    throw attempt_interrupted{};
  if (reply.not_found()) fail("ContainerGone", "the container was removed by somebody before its end was known", false);
  if (reply.how == docker_reply::outcome::refused) check(reply, "the container can't be watched", "DockerRefused", true);
  const auto now = std::chrono::steady_clock::now();
  if (!away_since_) away_since_ = now;
  if (now - *away_since_ >= options_.patience) check(reply, "the container was lost sight of", "DockerRefused", true);
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - *away_since_).count();
  pollfd told{signal_.descriptor(), POLLIN, 0};
  ::poll(&told, 1, static_cast<int>(std::clamp<std::int64_t>(waited, least_pause_ms, longest_pause_ms)));
}

void docker_attempt::fail(const char* type, std::string message, bool non_retryable, bool goes_on) {
  attempt_over over{failure_of(failure_kind::application, type, to_utf8(std::move(message)), non_retryable)};
  over.how.failure.set_goes_on(goes_on);
  throw over;
}

}  // namespace evermill::tasks
