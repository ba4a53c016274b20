#include "server/http/connection.hpp"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <mutex>
#include <utility>

namespace evermill::server::http {
namespace {

constexpr std::size_t head_read_bytes = 4096;
constexpr std::size_t body_read_bytes = 64 * 1024;
constexpr unsigned max_drops = 256;
constexpr unsigned internal_error = 500;

struct refused_input {
  unsigned status;
  std::string why;
};

/// What to say to a request that could not be read.
refused_input refusal_of(const error_code& why) {
  if (why == proto::error::header_limit || why == proto::error::buffer_overflow) {
    return {431, "The request's header is too large."};
  }
  if (why == proto::error::body_limit) return {413, "The request's body is too large."};
  if (why == proto::error::bad_version) return {505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."};
  return {400, "The request is not HTTP: " + why.message() + "."};
}

/// "http://host/path" means the same as "/path".
std::string_view without_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t slash = target.find('/', scheme.size());
    return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  return target;
}

std::string to_text(beast::string_view text) { return {text.data(), text.size()}; }

bool may_have_body(unsigned status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

/// Answers from any thread reach the connection on the server's, as long as both are there.
class connection::pending final : public exchange {
 public:
  pending(server_core& core, const connection_ptr& to) : core_(core.weak_from_this()), to_(to) {}
  ~pending() override {
    if (!answered_) answer(to_refusal());
  }

  void answer(response how) override {
    tell([how = std::make_shared<response>(std::move(how))](connection& to) { to.deliver(std::move(*how)); });
  }
  /// A source that nobody asks is told so.
  void stream(response head, std::shared_ptr<body_source> from) override {
    const auto core = core_.lock();
    if (answered_.exchange(true) || !core) return from->stop();
    asio::dispatch(core->io, [to = to_, head = std::make_shared<response>(std::move(head)), from = std::move(from)] {
      const auto here = to.lock();
      here ? here->begin_stream(std::move(*head), from) : from->stop();
    });
  }
  void on_gone(std::function<void()> told) override {
    const std::lock_guard lock(mutex_);
    told_ = std::move(told);
  }

  void gone() {
    std::function<void()> told;
    {
      const std::lock_guard lock(mutex_);
      told = std::exchange(told_, nullptr);
    }
    if (told) told();
  }

 private:
  static response to_refusal() { return {internal_error, "text/plain; charset=utf-8", "There was no answer.\n", {}}; }

  template <class F>
  void tell(F&& what) {
    if (answered_.exchange(true)) return;
    const auto core = core_.lock();
    if (!core) return;
    asio::dispatch(core->io, [to = to_, what = std::forward<F>(what)] {
      if (const auto here = to.lock()) what(*here);
    });
  }

  const std::weak_ptr<server_core> core_;
  const std::weak_ptr<connection> to_;
  std::atomic<bool> answered_{false};
  std::mutex mutex_;
  std::function<void()> told_;
};

void server_core::ended(std::list<connection_ptr>::iterator which) {
  connections.erase(which);
  open = connections.size();
  if (connections.empty() && on_empty) on_empty();
}

connection::connection(server_core& in, std::string peer)
    : core_(in), peer_(std::move(peer)), buffer_(in.options.max_header_bytes + body_read_bytes) {}

void connection::start(std::list<connection_ptr>::iterator place) {
  place_ = place;
  until_ = steady::now() + core_.options.request_limit;
  handshake([me = shared_from_this()](error_code failed) { failed ? me->end() : me->next_request(); });
}

void connection::next_request() {
  if (phase_ == phase::closed) return;
  account_body(0);
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(core_.options.max_header_bytes));
  parser_->body_limit(core_.options.max_bodies_bytes);
  head_seen_ = false;
  version_ = 11;
  keep_alive_ = false;
  head_only_ = false;
  const bool begun = buffer_.size() > 0;
  phase_ = begun ? phase::reading : phase::idle;
  until_ = steady::now() + (begun ? core_.options.request_limit : core_.options.idle_limit);
  core_.heard_of(place_);
  begun ? parse() : wait_for_a_byte();
}

/// One byte at first, so that a connection that is silent, or waits for an answer, holds no buffer.
void connection::wait_for_a_byte() {
  if (std::exchange(byte_awaited_, true)) return;
  read(asio::buffer(&byte_, 1),
       [me = shared_from_this()](error_code failed, std::size_t count) { me->on_byte(failed, count); });
}

void connection::on_byte(const error_code& failed, std::size_t count) {
  byte_awaited_ = false;
  if (phase_ == phase::closed) return;
  if (failed) {
    input_ended_ = true;
    if (phase_ == phase::idle || phase_ == phase::draining) return end();
    return on_gone(failed != asio::error::eof);
  }
  if (phase_ == phase::draining) return drop_rest();
  std::copy_n(&byte_, count, static_cast<char*>(buffer_.prepare(count).data()));
  buffer_.commit(count);
  if (phase_ != phase::idle) return;  // the next request, ahead of this one's answer: it waits
  phase_ = phase::reading;
  until_ = steady::now() + core_.options.request_limit;
  core_.heard_of(place_);
  read_more();
}

/// Not Beast's own reading of a request: that tells nothing before the header is complete, and so could not tell one
/// who is idle from one who is slow.
void connection::read_more() {
  const std::size_t room =
      std::min(head_seen_ ? body_read_bytes : head_read_bytes, buffer_.max_size() - buffer_.size());
  if (room == 0) return refuse(proto::error::buffer_overflow);
  read(buffer_.prepare(room), [me = shared_from_this()](error_code failed, std::size_t count) {
    if (me->phase_ == phase::closed) return;
    if (failed) return me->end();
    me->buffer_.commit(count);
    me->parse();
  });
}

void connection::parse() {
  error_code failed;
  while (!parser_->is_done()) {
    buffer_.consume(parser_->put(buffer_.data(), failed));
    if (failed && failed != proto::error::need_more) return refuse(failed);
    if (!head_seen_ && parser_->is_header_done()) {
      head_seen_ = true;
      if (!on_head()) return;
      parser_->eager(true);
      if (parser_->is_done()) break;
      if (buffer_.size() == 0 && expects_continue()) return;
    }
    account_body(parser_->get().body().size());
    if (core_.body_bytes > core_.options.max_bodies_bytes)
      return refuse(503, "Too many large requests at once; try again soon.");
    if (failed == proto::error::need_more || (buffer_.size() == 0 && !parser_->is_done())) return read_more();
  }
  dispatch();
}

/// False: refused.
bool connection::on_head() {
  auto& message = parser_->get();
  version_ = message.version();
  keep_alive_ = message.keep_alive();
  head_only_ = message.method() == proto::verb::head;
  what_ = {};
  what_.method = head_only_ ? "GET" : std::string(message.method_string());
  const std::string_view target = without_authority({message.target().data(), message.target().size()});
  const std::size_t mark = target.find('?');
  what_.path = target.substr(0, mark);
  if (mark != std::string_view::npos) what_.query = target.substr(mark + 1);
  for (const auto& field : message) what_.headers.emplace_back(to_text(field.name_string()), to_text(field.value()));
  what_.peer = peer_;
  what_.certificate = certificate();
  what_.secure = is_secure();
  const std::size_t hosts = what_.count("Host");
  if (hosts > 1 || (version_ >= 11 && hosts == 0)) return refuse(400, "The request names no Host, or several."), false;
  if (what_.count("Transfer-Encoding") > 0 && what_.count("Content-Length") > 0) {
    return refuse(400, "The request has a Content-Length and a Transfer-Encoding."), false;
  }
  admission verdict = core_.handler->admit(what_);
  const auto length = parser_->content_length();
  if (!verdict.refusal && length && *length > verdict.max_body_bytes) {
    return refuse(413, "The request's body is too large: at most " + std::to_string(verdict.max_body_bytes) +
                           " bytes are taken here."),
           false;
  }
  parser_->body_limit(verdict.max_body_bytes);
  what_.admitted = std::move(verdict.ticket);
  if (!verdict.refusal) return true;
  keep_alive_ = keep_alive_ && parser_->is_done();
  deliver(std::move(*verdict.refusal));
  return false;
}

/// True: the client waits to be told that it may send the body; it is told, and parsing goes on then.
bool connection::expects_continue() {
  const std::string_view expected = what_.header("Expect");
  if (expected.empty() || version_ < 11) return false;
  if (!beast::iequals({expected.data(), expected.size()}, "100-continue")) {
    return refuse(417, "Nothing but 100-continue can be expected here."), true;
  }
  send("HTTP/1.1 100 Continue\r\n\r\n", [this] { read_more(); });
  return true;
}

void connection::account_body(std::size_t bytes) {
  core_.body_bytes += bytes - body_bytes_;
  body_bytes_ = bytes;
}

void connection::dispatch() {
  what_.body = std::move(parser_->get().body());
  phase_ = phase::handling;
  until_ = steady::time_point::max();
  const auto answers = std::make_shared<pending>(core_, shared_from_this());
  pending_ = answers;
  const std::string method = what_.method, path = what_.path.substr(0, 200);
  try {
    core_.handler->handle(std::move(what_), answers);
  } catch (const std::exception& error) {
    core_.log_.error({}, "HTTP {} {}: {}", method, path, error.what());
    answers->answer(core_.handler->refusal(internal_error, "Something went wrong; the process's log says what."));
  }
  if (phase_ == phase::handling && buffer_.size() == 0) wait_for_a_byte();
}

void connection::refuse(const error_code& why) {
  const refused_input refused = refusal_of(why);
  refuse(refused.status, refused.why);
}

void connection::refuse(unsigned status, const std::string& why) {
  keep_alive_ = false;
  account_body(0);
  parser_.reset();  // with what has come of the body
  deliver(core_.handler->refusal(status, why));
}

std::string connection::header_of(const response& how, bool in_parts) const {
  const auto reason = proto::obsolete_reason(static_cast<proto::status>(how.status));
  std::string text = "HTTP/1.1 " + std::to_string(how.status) + " ";
  text.append(reason.data(), reason.size());
  text += "\r\n";
  if (!how.content_type.empty()) text += "Content-Type: " + how.content_type + "\r\n";
  text += "Cache-Control: no-store\r\n";
  for (const auto& [name, value] : how.headers) text += name + ": " + value + "\r\n";
  if (in_parts) {
    if (version_ >= 11) text += "Transfer-Encoding: chunked\r\n";
  } else if (may_have_body(how.status)) {
    text += "Content-Length: " + std::to_string(how.body.size()) + "\r\n";
  }
  if (!keep_alive_) text += "Connection: close\r\n";
  if (keep_alive_ && version_ < 11) text += "Connection: keep-alive\r\n";
  return text + "\r\n";
}

void connection::deliver(response&& how) {
  if (phase_ == phase::closed) return;
  phase_ = phase::answering;
  keep_alive_ = keep_alive_ && !core_.stopping;
  until_ = steady::now() + core_.options.response_limit;
  std::string text = header_of(how, false);
  if (!head_only_ && may_have_body(how.status)) text += how.body;
  send(std::move(text), [this] { after_answer(); });
}

void connection::send(std::string&& text, std::function<void()> after) {
  out_ = std::move(text);
  sending_ = true;
  write(asio::buffer(out_), [me = shared_from_this(), after = std::move(after)](error_code failed, std::size_t) {
    if (me->phase_ == phase::closed) return;
    me->sending_ = false;
    failed ? me->end() : after();
  });
}

void connection::after_answer() {
  out_ = {};
  if (input_ended_ || (core_.stopping && buffer_.size() == 0)) return end();
  keep_alive_ && !core_.stopping ? next_request() : drain();
}

void connection::begin_stream(response&& head, std::shared_ptr<body_source> from) {
  if (phase_ == phase::closed || input_ended_) {
    from->stop();
    return phase_ == phase::closed ? void() : end();
  }
  phase_ = phase::streaming;
  keep_alive_ = keep_alive_ && version_ >= 11 && !core_.stopping;
  until_ = steady::now() + core_.options.response_limit;
  parser_.reset();
  if (buffer_.size() == 0) {
    buffer_.shrink_to_fit();
    wait_for_a_byte();
  }
  std::string text = header_of(head, true);
  if (head_only_) {
    from->stop();
    return send(std::move(text), [this] { after_answer(); });
  }
  source_ = std::move(from);
  send(std::move(text), [this] { pull(); });
}

void connection::pull() {
  out_ = {};
  until_ = steady::time_point::max();
  beat_at_ = steady::now() + core_.options.heartbeat;
  const std::weak_ptr<connection> weak = weak_from_this();
  source_->next([weak, core = core_.weak_from_this()](std::string bytes, bool end) {
    const auto server = core.lock();
    if (!server) return;
    asio::dispatch(server->io, [weak, end, bytes = std::make_shared<std::string>(std::move(bytes))] {
      if (const auto me = weak.lock()) me->on_part(std::move(*bytes), end);
    });
  });
}

void connection::on_part(std::string&& bytes, bool end) {
  if (phase_ != phase::streaming) return;
  part_ = std::move(bytes);
  has_part_ = true;
  last_part_ = end;
  if (!sending_) send_part();  // or after the heartbeat
}

void connection::send_part() {
  has_part_ = false;
  const bool end = last_part_;
  send_chunk(std::move(part_), end, [this, end] {
    if (!end) return pull();
    std::exchange(source_, nullptr)->stop();
    phase_ = phase::answering;
    after_answer();
  });
}

void connection::send_chunk(std::string&& bytes, bool end, std::function<void()> after) {
  until_ = steady::now() + core_.options.response_limit;
  beat_at_ = steady::time_point::max();
  if (version_ < 11) return send(std::move(bytes), std::move(after));
  std::string text;
  if (!bytes.empty()) {
    char size[20];
    const int digits = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    text.reserve(bytes.size() + 32);
    text.append(size, static_cast<std::size_t>(digits)).append(bytes).append("\r\n");
  }
  if (end) text += "0\r\n\r\n";
  send(std::move(text), std::move(after));
}

/// The client has closed, or its half of the connection.
void connection::on_gone(bool for_good) {
  if (source_) return end();
  if (const auto waiting = pending_.lock()) waiting->gone();
  if (for_good) end();
}

/// What the client still sends is read and dropped for a moment: closed with unread bytes, the connection would be
/// reset, and the answer might be lost.
void connection::drain() {
  phase_ = phase::draining;
  until_ = steady::now() + core_.options.request_limit;
  buffer_.clear();
  finish_sending(byte_awaited_, [me = shared_from_this()] {
    if (me->phase_ == phase::closed) return;
    me->byte_awaited_ ? void() : me->drop_rest();
  });
}

void connection::drop_rest() {
  if (++drops_ > max_drops) return end();
  read(buffer_.prepare(head_read_bytes), [me = shared_from_this()](error_code failed, std::size_t) {
    if (me->phase_ == phase::closed) return;
    failed ? me->end() : me->drop_rest();
  });
}

void connection::look_at_time(steady::time_point now) {
  if (now >= until_) return end();
  if (phase_ != phase::streaming || sending_ || now < beat_at_) return;
  beat_at_ = steady::time_point::max();
  std::string beat = source_->heartbeat();
  if (beat.empty()) return;
  send_chunk(std::move(beat), false, [this] {
    if (has_part_) return send_part();
    out_ = {};
    until_ = steady::time_point::max();
    beat_at_ = steady::now() + core_.options.heartbeat;
  });
}

void connection::end() {
  if (std::exchange(phase_, phase::closed) == phase::closed) return;
  const auto me = shared_from_this();  // the list's may be the last
  close();
  account_body(0);
  if (const auto source = std::exchange(source_, nullptr)) source->stop();
  if (const auto waiting = pending_.lock()) waiting->gone();
  core_.ended(place_);
}

}  // namespace evermill::server::http
