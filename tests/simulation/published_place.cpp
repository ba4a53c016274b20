#include "published_place.hpp"

#include <charconv>
#include <utility>

#include "storage/rows.hpp"

namespace evermill::simulation {
namespace {

constexpr std::uint64_t dice_of_its_own = 0x7075626c697368;
constexpr std::string_view source_name = "/evermill/simulated";

const std::string& attribute(const publishing::cloud_event& of, std::string_view name) {
  for (const auto& [key, value] : of.attributes) {
    if (key == name) return value;
  }
  static const std::string none;
  return none;
}

std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

/// While it is away it takes a part of what it is given, or all, and says that it has not.
class published_place::place final : public publishing::sink {
 public:
  explicit place(published_place& into) : into_(into) {}
  std::string address() const override { return "the simulation"; }
  result<void, publishing::sink_error> send(std::vector<publishing::cloud_event>&& events, std::stop_token) override {
    if (into_.away_) events.resize(into_.dice_->next() % (events.size() + 1));
    for (publishing::cloud_event& each : events) take(std::move(each));
    if (!into_.away_) return {};
    into_.record_.count("fault: publishing failed");
    return unexpected(publishing::sink_error{"it is away"});
  }

 private:
  void take(publishing::cloud_event&& event) {
    into_.record_.count("published");
    const std::string& id = attribute(event, "id");
    const auto [it, is_new] = into_.data_.emplace(id, event.data);
    if (is_new) {
      const run_id run{event.partition.value, number_of(attribute(event, "runnumber"))};
      into_.in_order_[run].push_back(number_of(attribute(event, "eventnumber")));
    } else {
      into_.record_.count("published again");
      if (it->second != event.data) into_.record_.finding("event " + id + " was published as two different ones");
    }
  }

  published_place& into_;
};

published_place::published_place(std::uint64_t seed, const observed_store& store, const clock& time, run_record& record)
    : dice_(make_seeded_random(seed ^ dice_of_its_own)),
      used_(dice_->next() % 2 == 0),
      store_(store),
      time_(time),
      record_(record) {}

void published_place::begin(std::function<void(partition_id, std::uint64_t)> published) {
  if (!used_) return;
  published_ = std::move(published);
  publishing::relay_options how;
  how.source = source_name;
  how.batch_events = 1 + dice_->next() % 5;
  relay_.emplace(how, store_.durable_rows(), std::make_unique<place>(*this),
                 [this](partition_id of, std::uint64_t through) { untold_[of] = through; }, time_, log());
}

void published_place::end() {
  relay_.reset();
  untold_.clear();
}

void published_place::offer(partition_id of, const actors::publishable_rows& rows) {
  if (!relay_) return;
  if (rows.through > rows.after) {
    const auto last = storage::scan_published(store_.durable_rows(), of, rows.through - 1, 1);
    if (!last || last->empty() || last->front().number != rows.through) {
      record_.finding("partition " + std::to_string(of.value) + " has turns to be published that are not durable");
    }
  }
  relay_->offer(of, rows.after, rows.through);
}

void published_place::act() {
  if (!relay_) return;
  if (chance(15)) {
    away_ = chance(25);
    relay_->send_next({});
  }
  if (chance(15)) tell();
}

void published_place::tell() {
  for (const auto& [of, through] : std::exchange(untold_, {})) published_(of, through);
}

bool published_place::finish() {
  if (!relay_) return false;
  away_ = false;
  while (relay_->send_next({}) == publishing::relay::outcome::sent) {
  }
  const bool tells = !untold_.empty();
  tell();
  return tells;
}

void published_place::check() const {
  if (!used_) return;
  for (const auto& [run, journal] : store_.journals()) {
    const std::string name = "run " + std::to_string(run.run) + " of \"" + journal.workflow_id + '"';
    const auto published = in_order_.find(run);
    std::vector<std::uint64_t> expected;
    for (const messages::TurnRecord& turn : journal.turns) {
      for (const messages::Event& event : turn.events()) {
        expected.push_back(expected.size() + 1);
        const publishing::event_origin origin{source_name,     partition_id(run.partition),   run_number(run.run),
                                              event_seq(expected.back()), from_micros(turn.time_us()), journal.workflow_id, ""};
        const publishing::cloud_event made = make_event(origin, event, publishing::data_format::json);
        const auto data = data_.find(attribute(made, "id"));
        const std::string which = name + ": event " + attribute(made, "id");
        if (data == data_.end()) return record_.finding(which + " was not published");
        if (data->second != made.data) return record_.finding(which + " was published as another");
      }
    }
    if (published == in_order_.end() || published->second != expected) {
      return record_.finding(name + " was published in another order, or with events that its journal has not");
    }
  }
}

}  // namespace evermill::simulation
